"""Metrics of running jobs: scraped over HTTP, read from the file, and in the summary and status."""
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest
import urllib.error
import urllib.request

import lockstep_cli as cli

SAMPLE = re.compile(r'([a-z][a-z0-9_]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*",?)+)\})? (\S+)')
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\\n]|\\[\\"n])*)"')

TIER = {"state": str, "reason": str, "capacity_pages": int, "used_pages": int, "hit_tokens": int, "evicted_pages": int,
        "invalidated_pages": int, "hit_ratio_if_half": (float, None), "hit_ratio_if_double": (float, None)}
TRANSFER = {"transfers": int, "pages": int, "bytes": int, "busy_seconds": float, "failures": int}
CHANNELS = ("to_host", "to_device", "to_disk", "from_disk")
# Types by field, None where null is allowed; as docs/metrics.md tells.
CACHE = {
    "replicas": int, "lookup_tokens": int, "hit_tokens": int, "attainable_hit_tokens": (int, None),
    "hit_ratio": (float, None), "attained_ratio": (float, None),
    "tiers": {"device": TIER, "host": TIER, "disk": TIER},
    "demoted_pages": int, "promoted_pages": int, "recomputed_pages": (int, None), "preemptions": int,
    "transfers": {name: {**TRANSFER, **({"stored_bytes": int} if "disk" in name else {})} for name in CHANNELS},
    "sparse": (dict, None), "cold": (dict, None), "exposed_stall_seconds": float, "overlap_ratio": (float, None),
    "reuse_distances": (dict, None), "miss_ratio_curve": (dict, None),
    "costs": {"ns_per_page": {name: (int, None) for name in CHANNELS}, "ns_per_prefill_token": (int, None)}}


def parse(text):
    """Values by (name, labels) of a text exposition; raises on anything that is not well-formed."""
    values, types, helps = {}, {}, set()
    if not text.endswith("\n"):
        raise ValueError("cut off")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name = line.split(" ", 3)[2]
            if name in helps:
                raise ValueError(f"twice: {line}")
            helps.add(name)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            if name not in helps or name in types:
                raise ValueError(line)
            types[name] = kind
        else:
            match = SAMPLE.fullmatch(line)
            if not match:
                raise ValueError(line)
            name, labels, value = match.groups()
            family = name if name in types else re.sub("_(sum|count|bucket)$", "", name)
            key = (name, tuple(sorted(LABEL.findall(labels or ""))))
            if family not in types or key in values:
                raise ValueError(line)
            values[key] = float(value)
    return values


def value(values, name, **labels):
    return values[("lockstep_" + name, tuple(sorted(labels.items())))]


def state_of(values):
    return next(dict(labels)["state"] for (name, labels), on in values.items() if name == "lockstep_job_state" and on)


class Metrics(cli.CliTest):
    def setUp(self):
        super().setUp()
        self.model = cli.make_model(self.directory / "model")

    def check_schema(self, schema, found, where="cache"):
        if isinstance(schema, dict):
            self.assertEqual(list(schema), list(found), where)
            for name, part in schema.items():
                self.check_schema(part, found[name], f"{where}.{name}")
        else:
            kinds = schema if isinstance(schema, tuple) else (schema,)
            self.assertIn(None if found is None else type(found), kinds, where)

    def start(self, ranks, *arguments):
        """A job in the background; its standard error goes into self.log, line by line."""
        self.log = []
        job = subprocess.Popen(cli.command(ranks, *arguments), stderr=subprocess.PIPE, text=True, env=cli.environment())
        reader = threading.Thread(target=lambda: self.log.extend(job.stderr), daemon=True)
        reader.start()

        def end():
            if job.poll() is None:
                job.kill()
            job.wait()
            reader.join()
            job.stderr.close()
        self.addCleanup(end)
        return job

    def wait_for(self, job, what):
        """What `what()` gives, as soon as it is something; fails if the job ends before."""
        end = time.monotonic() + cli.TIMEOUT_S
        while time.monotonic() < end:
            found = what()
            if found:
                return found
            self.assertIsNone(job.poll(), "".join(self.log))
            time.sleep(0.02)
        self.fail("timed out: " + "".join(self.log))

    def url(self):
        found = re.search(r"metrics at (http://127\.0\.0\.1:\d+/metrics)", "".join(self.log))
        return found and found[1]

    def test_running_job_is_scraped(self):
        # Far more rows than the test waits for: a signal ends the job.
        rows = [{"prompt": "shared prefix " * 12 + str(n), "max_tokens": 40, "ignore_eos": True} for n in range(20000)]
        summary = self.directory / "summary.json"
        self.generate(2, self.model, rows[:2], "--tp", "1", "--summary", summary, output="few.jsonl")
        capacity = json.loads(summary.read_text())["cache"]["tiers"]["device"]["capacity_pages"]
        cli.write_rows(self.directory / "in.jsonl", rows)
        file, status = self.directory / "job.prom", self.directory / "status.json"
        job = self.start(2, "generate", "--model", self.model, "--input", self.directory / "in.jsonl", "--output",
                         self.directory / "out.jsonl", "--tp", "1", "--metrics-port", "0", "--metrics-file", file,
                         "--status", status)
        url = self.wait_for(job, self.url)

        def scrape():
            with urllib.request.urlopen(url, timeout=60) as answer:
                self.assertTrue(answer.headers["Content-Type"].startswith("text/plain"))
                return parse(answer.read().decode())

        def of_all_replicas():
            values = scrape()
            return values if value(values, "cache_capacity_pages", tier="device") == capacity else None

        def later_than(before):
            def look():
                values = scrape()
                is_later = state_of(values) == "running" and value(values, "rows_finished_total") > before
                return values if is_later else None
            return look

        self.wait_for(job, of_all_replicas)
        first = self.wait_for(job, later_than(0))
        second = self.wait_for(job, later_than(value(first, "rows_finished_total")))
        self.assertEqual(value(first, "rows"), 20000)
        self.assertEqual(value(first, "ranks"), 2)
        self.assertEqual(value(first, "cache_tier_state", tier="device", state="on"), 1)
        self.assertEqual(value(first, "cache_tier_state", tier="host", state="absent"), 1)
        self.assertGreater(value(second, "cache_hit_tokens_total", tier="device"), 0)
        self.assertGreater(value(second, "steps_total"), value(first, "steps_total"))
        for (name, labels), number in first.items():
            if name.startswith("lockstep_") and name.endswith("_total"):
                self.assertGreaterEqual(second[(name, labels)], number, name)
        info = next(dict(labels) for name, labels in first if name == "lockstep_job_info")
        self.assertEqual((info["model"], info["data_parallel"]), (str(self.model), "2"))
        with self.assertRaises(urllib.error.HTTPError) as missing:
            urllib.request.urlopen(url.replace("/metrics", "/"), timeout=60)
        self.assertEqual(missing.exception.code, 404)
        missing.exception.close()
        self.assertEqual(state_of(parse(file.read_text())), "running")
        self.check_schema(CACHE, json.loads(status.read_text())["cache"])

        job.send_signal(signal.SIGUSR1)
        self.assertEqual(job.wait(cli.TIMEOUT_S), 128 + signal.SIGUSR1, "".join(self.log))
        last = parse(file.read_text())
        self.assertEqual(state_of(last), "stopped")
        self.assertGreaterEqual(value(last, "generated_tokens_total"), value(second, "generated_tokens_total"))
        with self.assertRaises(OSError):
            urllib.request.urlopen(url, timeout=60)

    def test_summary_status_and_file_agree(self):
        rows = [{"prompt": "shared prefix " * 12 + str(n), "max_tokens": 4, "ignore_eos": True} for n in range(30)]
        file, status, summary = (self.directory / name for name in ("job.prom", "status.json", "summary.json"))
        for ranks, tp in ((1, 1), (2, 2), (2, 1)):
            with self.subTest(ranks=ranks, tp=tp):
                self.generate(ranks, self.model, rows, "--tp", tp, "--metrics-file", file, "--status", status,
                              "--summary", summary)
                found = json.loads(summary.read_text())
                cache = found["cache"]
                self.check_schema(CACHE, cache)
                self.assertEqual(cache, json.loads(status.read_text())["cache"])
                self.assertEqual(cache["replicas"], ranks // tp)
                self.assertEqual(cache["lookup_tokens"], found["tokens"]["prompt"])
                self.assertEqual(cache["hit_tokens"], found["tokens"]["cached"])
                self.assertGreater(cache["hit_tokens"], 0)
                values = parse(file.read_text())
                self.assertEqual(state_of(values), "finished")
                self.assertEqual(value(values, "rows_finished_total"), 30)
                self.assertEqual(value(values, "generated_tokens_total"), 120)
                self.assertEqual(value(values, "steps_total"), found["steps"])
                self.assertEqual(value(values, "cache_hit_tokens_total", tier="device"), cache["hit_tokens"])
                self.assertEqual(value(values, "cache_capacity_pages", tier="device"),
                                 cache["tiers"]["device"]["capacity_pages"])

    def test_results_do_not_depend_on_metrics(self):
        rows = [{"prompt": "shared prefix " * 12 + str(n), "max_tokens": 8, "temperature": 1.0} for n in range(10)]
        plain = self.generate(2, self.model, rows)
        watched = self.generate(2, self.model, rows, "--metrics-file", self.directory / "job.prom", "--metrics-port", 0)
        self.assertEqual(plain, watched)

    def test_a_port_in_use_is_said_before_anything_is_done(self):
        cli.write_rows(self.directory / "in.jsonl", [{"prompt": "a"}])
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            for ranks in (0, 1, 2):
                done = cli.run(ranks, "generate", "--model", self.model, "--input", self.directory / "in.jsonl",
                               "--output", self.directory / "out.jsonl", "--metrics-port", port)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(f"metrics-port = {port}: cannot listen on 127.0.0.1:{port}: Address already in use",
                              done.stderr)
                self.assertEqual(done.stderr.count("cannot listen"), 1, "said once")
        self.assertEqual([path.name for path in self.directory.glob("out*")], [])

    def test_values_that_cannot_be(self):
        cli.write_rows(self.directory / "in.jsonl", [{"prompt": "a"}])
        out = self.directory / "out.jsonl"
        for arguments, message in ((("--metrics-port", "65536"), "metrics-port = 65536: accepted are 0 to 65535"),
                                   (("--metrics-port", "-2"), "metrics-port = -2"),
                                   (("--metrics-port", "0", "--metrics-address", "localhost"),
                                    "metrics-address = 'localhost': accepted are IPv4"),
                                   (("--metrics-file", out), f"metrics-file = {out}: the job has another use")):
            done = cli.run(2, "generate", "--model", self.model, "--input", self.directory / "in.jsonl", "--output", out,
                           *arguments)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(message, done.stderr)


if __name__ == "__main__":
    sys.exit(unittest.main())
