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
  "the CPU's: recall | 2 of 2" 'recall.kv4.two_ranks | yes' "the CPU's: recall.kv4 | 2 of 2" 'recall.sparse_0.25.no_graphs | yes' \
  'recall.sparse_0.25.offload | yes' 'recall.sparse_0.25.hot_pages | yes' 'recall.sparse_0.25.hot_pages.hot_fetches' \
  'decode attention, 8B, kv4: decode kv4 2 x 192' 'seal_pages, full' 'seal_pages, kv4' 'select_pages, sparse kv4 2 x 8 of 12' \
  'hot_pages, fetched' 'transcode, full to kv4' 'attention to listed pages, sparse 2 x 8 of 12' 'decode step, full, batch 2' \
  'decode step, kv4, batch 2' 'decode step, sparse_0.25_hot_pages, batch 2' 'x full'; do
  grep -qF "$line" "$folder/results/gpu-results.md" || { echo "dry_run.sh: the table lacks '$line'" >&2; exit 1; }
done
