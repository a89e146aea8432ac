"""Traces as a user meets them: all ranks are there, the picture is sound, and results do not change by it."""
import collections
import json
import os
import signal
import subprocess
import sys
import unittest

import lockstep_cli as cli

TRACKS = ["host", "compute", "collectives", "transfers"]
LEADER = {"load", "step", "plan", "publish", "run", "forward", "sample", "wait for tokens", "commit", "journal"}
FOLLOWER = {"load", "wait for plan", "run", "forward", "sample"}
OVERLAP = cli.SOURCE / "tests" / "bench" / "trace_overlap.py"


class Trace:
    """A trace that was checked for what every trace has."""

    def __init__(self, test, path):
        whole = json.loads(path.read_text())
        self.facts = whole["otherData"]
        self.spans = collections.defaultdict(list)  # by rank, in the file's order
        self.processes, threads = {}, collections.defaultdict(dict)
        for event in whole["traceEvents"]:
            if event["ph"] == "X":
                test.assertGreaterEqual(event["ts"], 0)
                test.assertGreaterEqual(event["dur"], 0)
                self.spans[event["pid"]].append(event)
            elif event["name"] == "process_name":
                self.processes[event["pid"]] = event["args"]["name"]
            elif event["name"] == "thread_name":
                threads[event["pid"]][event["tid"]] = event["args"]["name"]
        test.assertEqual(self.facts["dropped_spans_by_rank"], [0] * len(self.processes))
        for rank, events in self.spans.items():
            test.assertEqual(threads[rank], dict(enumerate(TRACKS)))
            self.check_nesting(test, events)

    @staticmethod
    def check_nesting(test, events):
        """Spans of a track come by their begins, and none crosses another's end."""
        for track in range(len(TRACKS)):
            open_ends, last = [], 0.0
            for event in (event for event in events if event["tid"] == track):
                begin, end = event["ts"], event["ts"] + event["dur"]
                test.assertGreaterEqual(begin, last)
                last = begin
                while open_ends and open_ends[-1] <= begin + 0.0005:
                    open_ends.pop()
                if open_ends:
                    test.assertLessEqual(end, open_ends[-1] + 0.0015, event)  # sums of decimals
                open_ends.append(end)

    def ranks(self):
        return sorted(self.spans)

    def named(self, rank, name):
        return [event for event in self.spans[rank] if event["name"] == name]

    def names(self, rank):
        return {event["name"] for event in self.spans[rank]}


class TraceTest(cli.CliTest):
    def traced(self, ranks, model, rows, *arguments):
        """Runs a job with and without a trace; checks that results are equal, and the trace."""
        plain = self.generate(ranks, model, rows, *arguments, output="plain.jsonl")
        path = self.directory / "trace.json"
        self.assertEqual(self.generate(ranks, model, rows, *arguments, "--trace", path), plain)
        trace = Trace(self, path)
        self.assertEqual(trace.ranks(), list(range(max(ranks, 1))))
        return trace

    def check_steps(self, trace, tp):
        """Leaders count their steps; every rank of a replica ran the leader's plans."""
        for rank in trace.ranks():
            leader = rank // tp * tp
            self.assertLessEqual(LEADER - {"journal"} if rank == leader else FOLLOWER, trace.names(rank))
            steps, runs = trace.named(leader, "step"), trace.named(rank, "run")
            self.assertEqual([run["args"] for run in runs], [run["args"] for run in trace.named(leader, "run")])
            numbers = [run["args"]["number"] for run in runs]
            self.assertEqual(numbers, list(range(len(runs))))
            # The last plan ahead may be one whose tokens nobody needs.
            self.assertEqual([step["args"]["number"] for step in steps], numbers[:len(steps)])
            self.assertIn(len(runs) - len(steps), (0, 1))
            for run, forward in zip(runs, trace.named(rank, "forward"), strict=True):
                self.assertLessEqual(run["args"]["tokens"], forward["args"]["tokens"])
        self.assertIn("journal", trace.names(0))
        self.assertIn("write output", trace.names(0))

    def overlap(self, ranks):
        done = subprocess.run([sys.executable, OVERLAP, self.directory / "trace.json"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        for rank in range(ranks):
            self.assertIn(f"rank {rank} ", done.stdout)
        self.assertEqual(done.stdout.count("gaps between"), ranks, done.stdout)
        return done.stdout


class CpuRanks(TraceTest):
    def test_every_rank_is_there(self):
        requests = cli.SOURCE / "examples" / "requests" / "recall_tiny.jsonl"
        for ranks in (1, 2, 4):
            trace = self.traced(ranks, cli.RECALL, requests)
            self.check_steps(trace, ranks)
            for rank in trace.ranks():
                self.assertIn(f"rank {rank} ", trace.processes[rank])
                self.assertEqual("all-reduce" in trace.names(rank), ranks > 1)
                self.assertNotIn("layer", trace.names(rank))
                # A CPU rank computes a run between its plan and its end.
                for run, forward in zip(trace.named(rank, "run"), trace.named(rank, "forward")):
                    self.assertGreaterEqual(forward["ts"], run["ts"])
                    self.assertLessEqual(forward["ts"] + forward["dur"], run["ts"] + run["dur"] + 0.002)
            self.overlap(ranks)

    # Ranks of one node have one clock: a rank receives a plan after its leader began to publish it.
    def test_ranks_stand_on_one_axis(self):
        trace = self.traced(2, cli.RECALL, cli.SOURCE / "examples" / "requests" / "recall_tiny.jsonl")
        self.assertEqual(trace.facts["clock_uncertainty_us_by_rank"], [0, 0])
        published, waited = trace.named(0, "publish"), trace.named(1, "wait for plan")
        self.assertEqual(len(waited), len(published) + 1)  # the last plan ends the job
        for publish, wait in zip(published, waited):
            self.assertGreaterEqual(wait["ts"] + wait["dur"], publish["ts"])

    def test_replicas_and_sampling(self):
        model = cli.make_model(self.directory / "model")
        rows = [{"prompt": f"row {i}", "max_tokens": 6, "ignore_eos": True, "temperature": 0.8 * (i % 2)}
                for i in range(12)]
        trace = self.traced(4, model, rows, "--tp", "2", "--schedule.max_sequences", "2")
        self.check_steps(trace, 2)
        self.assertEqual(trace.facts["data_parallel"], 2)
        self.assertIn("replica 1", trace.processes[2])
        self.assertIn("sample on host", trace.names(0))
        self.assertIn("gather logits", trace.names(1))

    def test_layers_on_demand(self):
        model = cli.make_model(self.directory / "model")
        rows = [{"prompt": "row", "max_tokens": 4, "ignore_eos": True}]
        path = self.directory / "trace.json"
        self.generate(2, model, rows, "--trace", path, "--trace-layers")
        trace = Trace(self, path)
        for rank in (0, 1):
            layers = [event["args"]["layer"] for event in trace.named(rank, "layer")]
            self.assertEqual(layers, [0, 1] * len(trace.named(rank, "forward")))

    def test_scoring_is_traced(self):
        model = cli.make_model(self.directory / "model")
        rows = [{"prompt": "a row to be scored", "max_tokens": 1, "ignore_eos": True, "prompt_logprobs": 1}]
        self.assertIn("score prompts", self.traced(2, model, rows).names(0))


class Gpus(TraceTest):
    """The same on the emulated device."""

    def setUp(self):
        super().setUp()
        os.environ["LOCKSTEP_CUDA_MODULE"] = os.environ["LOCKSTEP_EMULATED_MODULE"]
        self.addCleanup(os.environ.pop, "LOCKSTEP_CUDA_MODULE")
        self.model = cli.make_model(self.directory / "model")
        self.rows = [{"prompt": f"row {i}", "max_tokens": 5, "ignore_eos": True, "temperature": 0.8 * (i % 2)}
                     for i in range(4)]

    def test_every_rank_is_there(self):
        for ranks in (1, 2):
            trace = self.traced(ranks, self.model, self.rows, "--device", "cuda", "--share-gpu")
            self.check_steps(trace, ranks)
            self.assertEqual(trace.facts["device"], "cuda")
            for rank in trace.ranks():
                self.assertLessEqual({"upload batch", "upload sampling"}, trace.names(rank))
                forwards = trace.named(rank, "forward")
                self.assertGreater(min(forward["dur"] for forward in forwards), 0)
                self.assertEqual(sorted(forward["ts"] for forward in forwards),
                                 [forward["ts"] for forward in forwards])
            self.assertIn("download tokens", trace.names(0))
            self.assertIn("hidden", self.overlap(ranks))


class Refusals(TraceTest):
    def setUp(self):
        super().setUp()
        self.rows = cli.write_rows(self.directory / "in.jsonl", [{"prompt": "a", "max_tokens": 1}])

    def refused(self, ranks, *arguments):
        done = cli.run(ranks, "generate", "--model", cli.RECALL, "--input", self.rows, "--output",
                       self.directory / "out.jsonl", *arguments)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertEqual(sorted(self.directory.iterdir()), [self.rows])  # nothing was begun
        return done.stderr

    def test_a_file_that_cannot_be_written(self):
        for ranks in (0, 2, 4):
            path = self.directory / "missing" / "trace.json"
            self.assertIn(str(path), self.refused(ranks, "--trace", path))
            self.refused(ranks, "--trace", self.directory)

    def test_a_full_disk_does_not_cost_the_results(self):
        output = self.directory / "out.jsonl"
        for ranks in (0, 2):
            done = cli.run(ranks, "generate", "--model", cli.RECALL, "--input", self.rows, "--output", output,
                           "--restart", "--trace", "/dev/full")
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn("/dev/full", done.stderr)
            self.assertEqual(len(cli.read_rows(output)), 1)

    def test_contradictions(self):
        self.assertIn("--trace FILE", self.refused(2, "--trace-layers"))
        self.assertIn("input", self.refused(0, "--trace", self.rows))
        self.assertIn("output", self.refused(0, "--trace", self.directory / "out.jsonl"))


class Stopped(TraceTest):
    def test_a_job_that_a_signal_stops_leaves_its_trace(self):
        model = cli.make_model(self.directory / "model", hidden=256, ffn=512, layers=4)
        rows = cli.write_rows(self.directory / "in.jsonl",
                              [{"prompt": f"row {i}", "max_tokens": 200, "ignore_eos": True} for i in range(400)])
        trace, output = self.directory / "trace.json", self.directory / "out.jsonl"
        for ranks in (0, 2):
            process = subprocess.Popen(
                cli.command(ranks, "generate", "--model", model, "--input", rows, "--output", output, "--trace", trace,
                            "--restart", "--threads", "1", "--schedule.max_sequences", "2"),
                stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env=cli.environment(), text=True)
            for line in process.stderr:
                if "loaded in" in line:
                    break
            process.send_signal(signal.SIGUSR1)  # mpirun passes it on
            _, errors = process.communicate(timeout=cli.TIMEOUT_S)
            self.assertEqual(process.returncode, 128 + signal.SIGUSR1, errors)
            stopped = Trace(self, trace)
            self.assertEqual(stopped.ranks(), list(range(max(ranks, 1))))
            self.assertNotIn("write output", stopped.names(0))


if __name__ == "__main__":
    sys.exit(unittest.main())
