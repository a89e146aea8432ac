#!/usr/bin/env bash
# The GPU script from end to end without a GPU: bundles a build with the emulated module and runs the bundle.
#   dry_run.sh BUILD_DIR
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# A sanitized or debug build is larger than what has to travel.
"$here/bundle.sh" --dry --max-mib 0 "$1" "$folder/bundle"
"$folder/bundle/run.sh" --dry --out "$folder/results"
for line in 'decode attention' 'prefill attention' 'decode step, batch 1' 'decode step, batch 2' 'recall.two_ranks | yes' \
  "the CPU's: recall | 2 of 2"; do
  grep -qF "$line" "$folder/results/gpu-results.md" || { echo "dry_run.sh: the table lacks '$line'" >&2; exit 1; }
done
