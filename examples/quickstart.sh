#!/usr/bin/env bash
# Installs what is missing, builds, and answers 64 questions with the embedded demo model on two ranks.
set -euo pipefail
cd "$(dirname "$0")/.."

cmake/scripts/install_packages.sh
. cmake/scripts/mpi_environment.sh

cmake --preset cpu-release -DLOCKSTEP_BUILD_TESTS=OFF -DLOCKSTEP_BUILD_BENCH=OFF >/dev/null
cmake --build --preset cpu-release --target lockstep

results=out/recall_64.results.jsonl
mkdir -p out
mpirun -n 2 build/cpu-release/bin/lockstep generate \
  --model examples/models/recall --input examples/requests/recall_64.jsonl --output "$results" --restart

python3 examples/training/score.py examples/requests/recall_64_answers.jsonl "$results" --show 8
