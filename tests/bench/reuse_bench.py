#!/usr/bin/env python3
"""What order and policy gain where many requests share few beginnings and the device holds a tenth of what they need.

    tests/bench/reuse_bench.py [--bin build/cpu-release/bin] [--requests 1000] [--prefixes 20] [--runs 3] [-- options]

Runs the same job with `schedule.order=reuse cache.policy=adaptive` and with `input` and `lru`, in turns, and compares the
outputs byte by byte. What is needed are all different pages of all prompts and answers. Prints a line for each run, then
medians and their ratio with its spread over the runs.
"""
import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile

PAGE = 16
SIDES = {"reuse+adaptive": ("reuse", "adaptive"), "input+lru": ("input", "lru")}
# One core computes about 6,000 of its prompt tokens a second.
MODEL = ("--hidden", "256", "--layers", "4", "--heads", "8", "--kv-heads", "2", "--ffn", "512", "--vocab", "300",
         "--max-positions", "8192")


def words(generator, length):
    """Letters; the random checkpoint's tokenizer makes one token of each byte."""
    return "".join(generator.choice("abcdefghijklmnopqrstuvwxyz ") for _ in range(length))


def write_requests(path, arguments):
    """Returns the pages that are needed, at one token a byte."""
    generator = random.Random(arguments.seed)
    prefixes = [words(generator, arguments.prefix_tokens) for _ in range(arguments.prefixes)]
    order = [i % arguments.prefixes for i in range(arguments.requests)]
    generator.shuffle(order)
    with path.open("w") as out:
        for i, prefix in enumerate(order):
            prompt = prefixes[prefix] + words(generator, arguments.suffix_tokens)
            out.write(json.dumps({"custom_id": f"r{i}", "prompt": prompt, "max_tokens": arguments.max_tokens,
                                  "temperature": 0}) + "\n")
    own = -(-(arguments.suffix_tokens + arguments.max_tokens) // PAGE)
    return arguments.prefixes * (arguments.prefix_tokens // PAGE) + arguments.requests * own


def run(arguments, side, model, requests, device_pages, directory):
    order, policy = SIDES[side]
    output, summary = directory / f"{side}.jsonl", directory / "summary.json"
    program = [str(arguments.bin / "lockstep"), "generate", "--model", str(model), "--input", str(requests), "--output",
               str(output), "--summary", str(summary), "--restart", "--schedule.order", order, "--cache.policy", policy,
               "--cache.page_tokens", str(PAGE), "--cache.device_tokens", str(device_pages * PAGE),
               "--model.max_sequence", str(arguments.prefix_tokens + arguments.suffix_tokens + arguments.max_tokens + 64),
               "--schedule.max_sequences", str(arguments.max_sequences), *arguments.options]
    if arguments.ranks > 1:
        program = ["mpirun", "-n", str(arguments.ranks), *program]
    environment = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
                       OMPI_MCA_rmaps_base_oversubscribe="1")
    done = subprocess.run(program, stderr=subprocess.PIPE, text=True, env=environment)
    if done.returncode != 0:
        sys.exit(f"{' '.join(program)}\nended with {done.returncode}:\n{done.stderr}")
    told = json.loads(summary.read_text())
    return told, output.read_bytes()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, default=pathlib.Path("build/cpu-release/bin"))
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--prefixes", type=int, default=20)
    parser.add_argument("--prefix-tokens", type=int, default=1024)
    parser.add_argument("--suffix-tokens", type=int, default=16)
    parser.add_argument("--max-tokens", type=int, default=8)
    parser.add_argument("--max-sequences", type=int, default=8)
    parser.add_argument("--share", type=float, default=0.1, help="of the needed pages that the device holds")
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("options", nargs="*", help="further options of generate, behind --")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lockstep-reuse-") as name:
        directory = pathlib.Path(name)
        model, requests = directory / "model", directory / "requests.jsonl"
        subprocess.run([str(arguments.bin / "make_random_checkpoint"), "--output", str(model), *MODEL], check=True,
                       capture_output=True)
        needed = write_requests(requests, arguments)
        device_pages = int(needed * arguments.share)
        print(f"{arguments.requests} requests, {arguments.prefixes} prefixes of {arguments.prefix_tokens} tokens; "
              f"{needed} pages of {PAGE} tokens needed, the device holds {device_pages}; {arguments.ranks} ranks")
        print(f"{'side':<15} {'seconds':>8} {'requests/s':>11} {'hits':>7} {'attained':>9}", flush=True)
        rates, attained, outputs = {side: [] for side in SIDES}, {side: [] for side in SIDES}, set()
        for _ in range(arguments.runs):
            for side in SIDES:
                told, output = run(arguments, side, model, requests, device_pages, directory)
                assert told["rows"]["failed"] == 0, told["rows"]
                outputs.add(output)
                seconds = told["seconds"]["wall"]
                rates[side].append(arguments.requests / seconds)
                attained[side].append(told["cache"]["attained_ratio"])
                print(f"{side:<15} {seconds:>8.2f} {rates[side][-1]:>11.1f} {told['cache']['hit_ratio']:>7.3f} "
                      f"{attained[side][-1]:>9.4f}", flush=True)
    if len(outputs) != 1:
        sys.exit(f"{len(outputs)} different outputs")
    ratios = [fast / slow for fast, slow in zip(*rates.values())]
    for side, values in rates.items():
        print(f"{side:<15} median {statistics.median(values):.1f} requests/s; attained {min(attained[side]):.4f}.."
              f"{max(attained[side]):.4f}")
    print(f"ratio {statistics.median(ratios):.2f}x ({min(ratios):.2f}..{max(ratios):.2f}), outputs equal")


if __name__ == "__main__":
    main()
