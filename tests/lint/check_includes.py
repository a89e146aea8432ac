#!/usr/bin/env python3
"""Checks that includes run down the chain core <- kernels <- cache <- dist <- launcher, and that MPI, NCCL and CUDA
headers stay in their folders. Prints each breach as file:line and exits 1 if there is one.

Usage: check_includes.py SOURCE_DIR
"""
import pathlib
import re
import sys

CHAIN = ["core", "kernels", "cache", "dist", "launcher"]
FREE = ["tests", "examples"]  # may include all of CHAIN; included by nobody but themselves
SUFFIXES = {".h", ".cpp", ".cu", ".cuh"}
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')

MPI_FOLDERS = ("dist/comm/mpi/", "tests/support/")
NCCL_FOLDERS = ("dist/comm/nccl/",)
CUDA_HEADER = re.compile(r"^(cuda|cublas|curand|nvtx|thrust/|cub/)")


def may_hold_cuda(path: str) -> bool:
    return path.endswith((".cu", ".cuh")) or "/cuda/" in path or path.startswith(NCCL_FOLDERS)


def breach(path: str, is_quoted: bool, target: str) -> str:
    """What is wrong with `path` including `target`, or an empty text."""
    folder = path.split("/")[0]
    if is_quoted:
        first = target.split("/")[0]
        if "/" not in target or first not in CHAIN + FREE:
            return f'"{target}" is not named from the root of the repository'
        if folder in CHAIN and (first in FREE or CHAIN.index(first) > CHAIN.index(folder)):
            return f"{folder}/ must not know {first}/"
        if folder == "examples" and first == "tests":
            return "examples/ must not know tests/"
        return ""
    if target == "mpi.h" and not path.startswith(MPI_FOLDERS):
        return f"<mpi.h> belongs under {' and '.join(MPI_FOLDERS)}"
    if target == "nccl.h" and not path.startswith(NCCL_FOLDERS):
        return f"<nccl.h> belongs under {' and '.join(NCCL_FOLDERS)}"
    if CUDA_HEADER.match(target) and not may_hold_cuda(path):
        return f"<{target}> belongs in *.cu, *.cuh, cuda/ and dist/comm/nccl/"
    return ""


def main() -> int:
    root = pathlib.Path(sys.argv[1])
    files = [f for folder in CHAIN + FREE for f in sorted((root / folder).rglob("*")) if f.suffix in SUFFIXES]
    breaches = 0
    for file in files:
        path = file.relative_to(root).as_posix()
        for number, line in enumerate(file.read_text().splitlines(), start=1):
            match = INCLUDE.match(line)
            text = breach(path, match[1] == '"', match[2]) if match else ""
            if text:
                breaches += 1
                print(f"{path}:{number}: {text}")
    print(f"{len(files)} files, {breaches} breaches")
    return 1 if breaches or not files else 0


if __name__ == "__main__":
    sys.exit(main())
