#!/usr/bin/env bash
# Installs what is missing, builds everything (with the CUDA module where a toolkit is found), and runs all tests.
# Arguments go to ctest: `tests/run.sh -R planner`.
set -euo pipefail
cd "$(dirname "$0")/.."

cmake/scripts/install_packages.sh
. cmake/scripts/mpi_environment.sh

preset=cpu-release
if command -v nvcc >/dev/null || [ -x /usr/local/cuda/bin/nvcc ]; then preset=cuda-release; fi
cmake --preset "$preset" -DLOCKSTEP_BUILD_TESTS=ON -DLOCKSTEP_BUILD_BENCH=ON >/dev/null
start=$SECONDS
cmake --build --preset "$preset"
echo "built $preset in $((SECONDS - start)) s"
ctest --preset "$preset" -j "$(nproc)" "$@"
