#!/usr/bin/env python3
"""How a job's time and memory grow with its rows: short prompts, one token each, a tiny model.

    tests/bench/rows_bench.py [--bin build/cpu-release/bin] [--rows 1000 100000 1000000] [--ranks 1]

Prints a line for each size: wall seconds, rows a second, the leader's peak resident memory, and both against the first.
"""
import argparse
import json
import os
import pathlib
import subprocess
import tempfile
import time


def write_rows(path, count):
    with path.open("w") as out:
        for i in range(count):
            out.write(f'{{"custom_id": "row-{i}", "prompt": "Row {i}", "max_tokens": 1}}\n')


def run(arguments, model, rows, directory):
    output, summary = directory / "out.jsonl", directory / "summary.json"
    program = [str(arguments.bin / "lockstep"), "generate", "--model", str(model), "--input", str(rows), "--output",
               str(output), "--summary", str(summary), "--restart", *arguments.options]
    if arguments.ranks > 1:
        program = ["mpirun", "-n", str(arguments.ranks), *program]
    environment = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
                       OMPI_MCA_rmaps_base_oversubscribe="1")
    start = time.monotonic()
    subprocess.run(program, check=True, stderr=subprocess.DEVNULL, env=environment)
    seconds = time.monotonic() - start
    told = json.loads(summary.read_text())
    with output.open() as lines:
        assert sum(1 for _ in lines) == told["rows"]["total"]
    return seconds, told["peak_host_bytes_by_rank"][0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, default=pathlib.Path("build/cpu-release/bin"))
    parser.add_argument("--rows", type=int, nargs="+", default=[1000, 100000, 1000000])
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("options", nargs="*", help="further options of generate, behind --")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lockstep-rows-") as name:
        directory = pathlib.Path(name)
        model = directory / "model"
        subprocess.run([str(arguments.bin / "make_random_checkpoint"), "--output", str(model), "--hidden", "64",
                        "--layers", "2", "--heads", "8", "--kv-heads", "2", "--ffn", "96", "--vocab", "300"],
                       check=True, capture_output=True)
        first = None
        print(f"{'rows':>10} {'seconds':>9} {'rows/s':>9} {'leader MiB':>11} {'more MiB':>9}")
        for count in arguments.rows:
            rows = directory / "rows.jsonl"
            write_rows(rows, count)
            seconds, peak = run(arguments, model, rows, directory)
            first = peak if first is None else first
            print(f"{count:>10} {seconds:>9.2f} {count / seconds:>9.0f} {peak / 2**20:>11.1f} "
                  f"{(peak - first) / 2**20:>9.1f}", flush=True)


if __name__ == "__main__":
    main()
