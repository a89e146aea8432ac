# shellcheck shell=bash
# To be sourced by bash: the environment in which a folder made by tests/gpu/bundle.sh runs, wherever it lies. Sets PATH,
# LD_LIBRARY_PATH and Open MPI's places.
_bundle=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export PATH="$_bundle/bin:$PATH"
_libraries=$_bundle/lib
_take() { case ":$_libraries:" in *":$1:"*) ;; *) _libraries="$_libraries:$1" ;; esac; }

# CUDA's libraries: those of a Python that has them as wheels (as torch brings), then a toolkit's.
LOCKSTEP_PYTHON=${LOCKSTEP_PYTHON:-$(command -v python3 || true)}
export LOCKSTEP_PYTHON
if [ -n "$LOCKSTEP_PYTHON" ]; then
  while IFS= read -r _folder; do [ -z "$_folder" ] || _take "$_folder"; done <<< "$("$LOCKSTEP_PYTHON" - 2>/dev/null <<'PY'
import glob, os, site, sysconfig
roots = [sysconfig.get_paths()["purelib"], sysconfig.get_paths()["platlib"], *site.getsitepackages(), site.getusersitepackages()]
for root in dict.fromkeys(roots):
    for folder in sorted(glob.glob(os.path.join(root, "nvidia", "**", "lib"), recursive=True)):
        if any(glob.glob(os.path.join(folder, f"lib{name}.so.*")) for name in ("cublasLt", "nccl", "cudart")):
            print(folder)
PY
)"
fi
for _folder in ${CUDA_HOME:+"$CUDA_HOME/lib64"} /usr/local/cuda/lib64 /usr/local/cuda/targets/x86_64-linux/lib \
               /usr/local/nvidia/lib64; do
  ls "$_folder"/lib{cublasLt,nccl,cuda}.so.* >/dev/null 2>&1 && _take "$_folder"
done

# Our C++ library only where the machine's is older.
_needed=$(sed -n 's/^libstdcxx //p' "$_bundle/MANIFEST" 2>/dev/null || true)
_found=
for _file in /usr/lib/x86_64-linux-gnu/libstdc++.so.6 /usr/lib64/libstdc++.so.6; do [ ! -e "$_file" ] || _found=$_file; done
if [ -n "$_needed" ] && { [ -z "$_found" ] || ! grep -qaF "$_needed" "$_found"; }; then _take "$_bundle/lib/compat"; fi
export LD_LIBRARY_PATH="$_libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"

if [ -d "$_bundle/mpi" ]; then
  export OPAL_PREFIX="$_bundle" OPAL_BINDIR="$_bundle/bin" OPAL_LIBDIR="$_bundle/lib"
  export OPAL_PKGLIBDIR="$_bundle/mpi/plugins" OPAL_SYSCONFDIR="$_bundle/mpi/etc"
  export OPAL_DATADIR="$_bundle/mpi/share" OPAL_PKGDATADIR="$_bundle/mpi/share/openmpi"
  export PMIX_PREFIX="$_bundle/mpi/pmix" PMIX_LIBDIR="$_bundle/mpi/pmix/lib" PMIX_PKGLIBDIR="$_bundle/mpi/pmix/lib/pmix"
  export PMIX_DATADIR="$_bundle/mpi/pmix/share" PMIX_PKGDATADIR="$_bundle/mpi/pmix/share/pmix"
  export PMIX_SYSCONFDIR="$_bundle/mpi/etc" PMIX_MCA_gds=hash PMIX_MCA_psec=native
  export OMPI_MCA_plm=isolated OMPI_MCA_pml=ob1 OMPI_MCA_btl=self,vader,tcp  # one machine: no ssh, shared memory
  export OMPI_MCA_btl_vader_single_copy_mechanism=none                      # a container may forbid reading a peer
  export OMPI_MCA_btl_tcp_if_include=lo OMPI_MCA_oob_tcp_if_include=lo
  export OMPI_MCA_orte_tmpdir_base="${TMPDIR:-/tmp}"
  [ -w /dev/shm ] || export OMPI_MCA_btl_vader_backing_directory="${TMPDIR:-/tmp}"
fi
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none
unset _bundle _libraries _folder _needed _found _file
unset -f _take
