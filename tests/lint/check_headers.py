#!/usr/bin/env python3
"""Checks that every header compiles alone and starts with `#pragma once` behind its head comment.

Usage: check_headers.py SOURCE_DIR BUILD_DIR COMPILER
Uses the include paths that the build uses (compile_commands.json). Headers that need the CUDA toolkit are left to the
compiler of the files that include them. A header that is for certain files only names the flags it needs in its head
comment: `// Alone: -mavx2`.
"""
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

FOLDERS = ["core", "kernels", "cache", "dist", "launcher", "tests"]


def include_flags(build: pathlib.Path) -> list[str]:
    flags = set()
    for entry in json.loads((build / "compile_commands.json").read_text()):
        words = shlex.split(entry["command"])
        for word, following in zip(words, words[1:] + [""]):
            if word == "-isystem":
                flags.add(f"-isystem{following}")
            elif word.startswith(("-isystem", "-I")):
                flags.add(word)
    return sorted(flags)


def needs_toolkit(path: str) -> bool:
    return "/cuda/" in path or path.startswith("dist/comm/nccl/")


def main() -> int:
    root, build, compiler = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
    flags = ["-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function",
             f"-I{root}", f'-DLOCKSTEP_SOURCE_DIR="{root}"', *include_flags(build)]
    headers = [h for folder in FOLDERS for h in sorted((root / folder).rglob("*.h"))]
    headers = [h.relative_to(root).as_posix() for h in headers]
    headers = [h for h in headers if not needs_toolkit(h)]

    def check(header: str) -> str:
        head = re.match(r"((?://[^\n]*\n)+)#pragma once\n", (root / header).read_text())
        if not head:
            return f"{header}: must start with a head comment and #pragma once"
        own = [word for line in re.findall(r"// Alone: (.*)", head[1]) for word in line.split()]
        with tempfile.NamedTemporaryFile("w", suffix=".cpp") as source:
            source.write(f'#include "{header}"\n')
            source.flush()
            done = subprocess.run([compiler, *flags, *own, source.name], capture_output=True, text=True)
        return "" if done.returncode == 0 else f"{header} does not compile alone:\n{done.stderr}"

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        failures = [text for text in pool.map(check, headers) if text]
    print("\n".join(failures + [f"{len(headers)} headers, {len(failures)} failures"]))
    return 1 if failures or not headers else 0


if __name__ == "__main__":
    sys.exit(main())
