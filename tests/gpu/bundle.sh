#!/usr/bin/env bash
# Gathers what tests/gpu/run.sh needs into one folder that runs on a GPU machine with nothing but a driver and CUDA's
# libraries: programs, the CUDA module, the shared libraries of this distribution, Open MPI's launcher, a demo model.
#
#   tests/gpu/bundle.sh [options] BUILD_DIR OUT_DIR
#     --dry            the emulated module instead of the real one, to test the scripts where no GPU is
#     --model DIR      another model for the comparison of devices (for example stories260K); may be repeated
#     --tar            also write OUT_DIR.tar.gz
#     --max-mib N      fail if the folder is larger (60; 0 = no limit). A module that is too large: configure with
#                      -DCMAKE_CUDA_ARCHITECTURES=90a-real -DCMAKE_CUDA_FLAGS=--compress-mode=size
#
# Not taken: glibc and the driver, which belong to the machine; CUDA and NCCL, which are large and found by env.sh.
set -euo pipefail

dry=0 tar=0 max_mib=60 models=()
while [[ ${1-} == --* ]]; do
  case $1 in
    --dry) dry=1 ;;
    --tar) tar=1 ;;
    --max-mib) max_mib=$2; shift ;;
    --model) models+=("$(cd "$2" && pwd)"); shift ;;
    *) echo "bundle.sh: unknown option $1" >&2; exit 64 ;;
  esac
  shift
done
(( $# == 2 )) || { sed -n '2,12p' "$0" >&2; exit 64; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
build=$(cd "$1" && pwd)
out=$2
rm -rf "$out"
mkdir -p "$out"/{bin,lib/lockstep,lib/compat,share/models}
out=$(cd "$out" && pwd)

# ---- what comes along -------------------------------------------------------------------------------------------------

system='^(ld-linux.*|lib(c|m|dl|rt|pthread|resolv|util|anl|mvec|nsl|nss_.*|crypt))\.so'
of_the_machine='^lib(cuda|nvidia-|cudart|cublas|nccl|nvrtc|nvJitLink)'
compiler='^lib(stdc\+\+|gcc_s)\.so'
declare -A taken=()
missing=()

take_libraries_of() {
  local name path
  while read -r name path; do
    [[ -z ${taken[$name]-} ]] || continue
    taken[$name]=1
    [[ $name =~ $system || $name =~ $of_the_machine ]] && continue
    if [[ $path == - ]]; then missing+=("$name, needed by ${1##*/}")
    elif [[ $name =~ $compiler ]]; then cp -L "$path" "$out/lib/compat/$name"  # used where the machine's is older
    else cp -L "$path" "$out/lib/$name"; fi
  done < <(ldd "$1" 2>/dev/null | awk '$2 == "=>" { print $1, ($3 ~ /^\//) ? $3 : "-" }')
}

take() {  # file, folder of the bundle
  [[ -f $1 ]] || { echo "bundle.sh: $1 was not built" >&2; exit 66; }
  cp -L "$1" "$out/$2/"
  take_libraries_of "$1"
}

take "$build/bin/lockstep" bin
if (( dry )); then
  take "$build/emulation/liblockstep_cuda_emulated.so" lib/lockstep
else
  take "$build/lib/lockstep/liblockstep_cuda.so" lib/lockstep
fi

# Tests with the label gpu, as "ranks name program arguments…". A program of several ranks stands behind mpirun -n N.
ctest --test-dir "$build" -L '^gpu$' --show-only=json-v1 | python3 -c '
import json, os, sys
build = os.path.realpath(sys.argv[1])
for test in json.load(sys.stdin)["tests"]:
    command = test.get("command", [])
    if not command:
        continue
    ranks = 0
    if os.path.basename(command[0]) in ("mpiexec", "mpirun"):
        ranks, command = command[2], command[3:]
    if os.path.isfile(command[0]) and os.path.realpath(command[0]).startswith(build):
        print(ranks, test["name"], os.path.basename(command[0]), *command[1:])
' "$build" > "$out/share/gpu_tests.txt"
while read -r _ _ program _; do
  [[ -f $out/bin/$program ]] || take "$build/bin/$program" bin
done < "$out/share/gpu_tests.txt"

cp "$here"/{run.sh,env.sh,report.py} "$root/tests/bench/torch_yardstick.py" "$out/"
cp -r "$root/examples/models/recall" "$out/share/models/"
cp "$root"/examples/requests/recall_{tiny,64}.jsonl "$out/share/"
for model in ${models[@]+"${models[@]}"}; do cp -Lr "$model" "$out/share/models/$(basename "$(dirname "$model")")-$(basename "$model")"; done

# ---- Open MPI ---------------------------------------------------------------------------------------------------------

place() { ompi_info --parsable --path "$1" | sed -n "s/^path:$1://p"; }
for name in mpirun orted; do
  program=$(readlink -f "$(command -v $name)")
  take "$program" bin
  [[ ${program##*/} == "$name" ]] || ln -sf "${program##*/}" "$out/bin/$name"
done
mkdir -p "$out"/mpi/{plugins,share,etc}
# One machine needs no fabric, no scheduler and no OpenSHMEM; their plugins would bring half a distribution along.
unwanted='mca_(spml|scoll|sshmem|memheap|atomic|io_romio|compress|crs)|_(slurm|flux|gridengine|simulator|monitoring)\.so|mca_btl_ofi'
fabric='lib(uc[pstm]|fabric|ibverbs|rdmacm|psm|infinipath|nl-)'
for plugin in "$(place pkglibdir)"/mca_*.so; do
  [[ $plugin =~ $unwanted || $(ldd "$plugin" 2>/dev/null) =~ $fabric ]] || take "$plugin" mpi/plugins
done
cp -Lr "$(place pkgdatadir)/." "$out/mpi/share/openmpi" 2>/dev/null || true
cp -L "$(place sysconfdir)"/* "$out/mpi/etc/" 2>/dev/null || true
# PMIx finds its own plugins and messages beside itself.
pmix=$(ldd "$(place pkglibdir)"/mca_pmix_ext3x.so 2>/dev/null | awk '/libpmix/ { print $3 }') || pmix=
if [[ -n $pmix ]]; then
  pmix=$(dirname "$(readlink -f "$pmix")")
  mkdir -p "$out"/mpi/pmix/{lib/pmix,share}
  for plugin in "$pmix"/pmix/*.so; do [[ $plugin == *slurm* || ! -f $plugin ]] || take "$plugin" mpi/pmix/lib/pmix; done
  [[ ! -d $pmix/../share ]] || cp -Lr "$pmix/../share/." "$out/mpi/pmix/share/"
fi

# ---- the end ----------------------------------------------------------------------------------------------------------

find "$out" -type f \( -path "$out/bin/*" -o -name '*.so*' \) -exec strip --strip-debug {} + 2>/dev/null || true
symbols() { find "$out/bin" "$out/lib" -type f ! -path '*/compat/*' -exec objdump -T {} + 2>/dev/null | grep -oE "$1_[0-9.]+" | sort -Vu | tail -n 1; }
{
  echo "commit $(git -C "$root" rev-parse --short HEAD 2>/dev/null || echo unknown)$(git -C "$root" diff --quiet HEAD 2>/dev/null || echo ' with changes')"
  echo "bundled $(date -u +%F)"
  echo "glibc $(symbols GLIBC)"
  echo "libstdcxx $(symbols GLIBCXX)"
} > "$out/MANIFEST"
cat "$out/MANIFEST"
kib=$(du -sk --apparent-size "$out" | cut -f1)
echo "size $(( kib / 1024 )) MiB in $(find "$out" -type f | wc -l) files"
(( ${#missing[@]} == 0 )) || { printf 'bundle.sh: not found: %s\n' "${missing[@]}" >&2; exit 69; }
(( max_mib == 0 || kib <= max_mib * 1024 )) || { echo "bundle.sh: more than $max_mib MiB" >&2; exit 73; }
(( ! tar )) || { tar -C "$(dirname "$out")" -czf "$out.tar.gz" "$(basename "$out")"; echo "$out.tar.gz"; }
