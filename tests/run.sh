#!/usr/bin/env bash
# Installs what is missing, builds everything (with the CUDA bodies where a toolkit is found), and runs all tests.
# Arguments go to ctest: `tests/run.sh -R planner`.
set -euo pipefail
cd "$(dirname "$0")/.."

cmake/scripts/install_packages.sh
. cmake/scripts/mpi_environment.sh

preset=cpu-release
cmake --preset "$preset" -DLOCKSTEP_CUDA=AUTO -DLOCKSTEP_BUILD_TESTS=ON -DLOCKSTEP_BUILD_BENCH=ON >/dev/null
cmake --build --preset "$preset"
ctest --preset "$preset" -j "$(nproc)" "$@"
