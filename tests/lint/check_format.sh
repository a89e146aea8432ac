#!/usr/bin/env bash
# Checks the layout of every source file against .clang-format (version 14: others lay out differently).
# Usage: check_format.sh SOURCE_DIR; `clang-format -i FILE` mends a file.
set -euo pipefail
cd "$1"
for tool in clang-format-14 clang-format; do
  command -v "$tool" >/dev/null && "$tool" --version | grep -q 'version 14' && break
  tool=""
done
[ -n "$tool" ] || { echo "clang-format 14 is not installed"; exit 1; }
find core kernels cache dist launcher tests examples -regex '.*\.\(h\|cpp\|cu\|cuh\)' -print0 |
  xargs -0 -r "$tool" --dry-run --Werror
