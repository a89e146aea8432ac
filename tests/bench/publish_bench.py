#!/usr/bin/env python3
"""What it costs to tell all ranks a plan: decode steps of `lockstep generate --trace`, on the leader.

    tests/bench/publish_bench.py --model DIR [--bin build/cpu-release/bin] [--ranks 2 4] [--batch 8] [--tokens 128]

For each number of ranks: mean, median and 99th percentile of the leader's "publish" spans of decode steps in
microseconds, and their share of the time of these steps. The span is encoding the plan and handing it to the other
ranks; with more ranks than cores it holds whatever time the others' threads take before the leader runs again.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


def trace_of(arguments, ranks, directory):
    requests, trace = directory / "requests.jsonl", directory / "trace.json"
    with requests.open("w") as out:
        for i in range(arguments.batch):
            out.write(json.dumps({"custom_id": f"r{i}", "prompt": f"Request {i}", "max_tokens": arguments.tokens,
                                  "ignore_eos": True, "temperature": 0}) + "\n")
    program = ["mpirun", "-n", str(ranks), str(arguments.bin / "lockstep"), "generate", "--model", str(arguments.model),
               "--input", str(requests), "--output", str(directory / "out.jsonl"), "--restart", "--trace", str(trace),
               "--threads", "1", "--model.max_sequence", str(arguments.tokens + 64), "--schedule.max_sequences",
               str(arguments.batch), *arguments.options]
    environment = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
                       OMPI_MCA_rmaps_base_oversubscribe="1")
    done = subprocess.run(program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    if done.returncode != 0:
        sys.exit(f"{' '.join(program)}\nended with {done.returncode}:\n{done.stdout}")
    return json.loads(trace.read_text())


def decode_steps(trace, batch):
    """(publish, step) of the leader in microseconds, of steps with one token for each row."""
    events = [event for event in trace["traceEvents"] if event["ph"] == "X" and event["pid"] == 0]
    published = sorted((event["ts"], event["dur"]) for event in events if event["name"] == "publish")
    steps, next_publish = [], 0
    for step in sorted((event for event in events if event["name"] == "step"), key=lambda event: event["ts"]):
        begin, end = step["ts"], step["ts"] + step["dur"]
        inside = 0.0
        while next_publish < len(published) and published[next_publish][0] < end:
            if published[next_publish][0] >= begin:
                inside += published[next_publish][1]
            next_publish += 1
        if step["args"]["tokens"] == step["args"]["rows"] == batch:
            steps.append((inside, step["dur"]))
    return steps[4:]  # the first ones touch memory for the first time


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, default=pathlib.Path("build/cpu-release/bin"))
    parser.add_argument("--model", type=pathlib.Path, required=True, help="make_random_checkpoint makes one")
    parser.add_argument("--ranks", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("options", nargs="*", help="further options of generate, behind --")
    arguments = parser.parse_args()
    print(f"{len(os.sched_getaffinity(0))} cores; batch {arguments.batch}")
    print(f"{'ranks':>5} {'steps':>6} {'ms a step':>10} | {'publish us: mean':>16} {'median':>8} {'99 %':>9} | {'share':>7} "
          f"{'median share':>12}")
    for ranks in arguments.ranks:
        with tempfile.TemporaryDirectory(prefix="lockstep-publish-") as name:
            steps = decode_steps(trace_of(arguments, ranks, pathlib.Path(name)), arguments.batch)
        if not steps:
            sys.exit(f"no decode step of {arguments.batch} rows in the trace")
        publish, whole = zip(*steps)
        shares = [one / step for one, step in steps]
        print(f"{ranks:>5} {len(steps):>6} {statistics.median(whole) / 1e3:>10.2f} | {statistics.mean(publish):>16.1f} "
              f"{statistics.median(publish):>8.1f} {percentile(publish, 0.99):>9.1f} | "
              f"{100 * sum(publish) / sum(whole):>6.2f}% {100 * statistics.median(shares):>11.3f}%", flush=True)


if __name__ == "__main__":
    main()
