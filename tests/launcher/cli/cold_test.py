"""Class D1: pages that shrink in the host tier. What contradicts it is refused by name; a job gives its answers again."""
import json
import os
import signal
import subprocess
import time
import unittest

import lockstep_cli as cli



def kept(*pairs):
    """All options of a job with cold pages, with changes: "" leaves an option out."""
    options = {"--determinism": "d1", "--cache.policy": "compressed", "--cache.cold_format": "kv4",
               "--cache.device_tokens": 1024, "--cache.host_tokens": 1024, "--cache.page_tokens": 16}
    options.update(dict(zip(pairs[::2], pairs[1::2])))
    return [item for key, value in options.items() if value != "" for item in (key, value)]


class Refusals(cli.CliTest):
    def test_what_contradicts_cold_pages_is_refused_by_name(self):
        model = cli.make_model(self.directory / "model")
        rows = cli.write_rows(self.directory / "in.jsonl", [{"prompt": "x", "max_tokens": 1}])
        for ranks, options, words in (
                (2, kept("--determinism", "d0"), ("cache.cold_format = kv4", "determinism = d0",
                                                  "needs --determinism d1")),
                (1, kept("--determinism", "d2"), ("accepted are d0, d1",)),
                (1, kept("--cache.cold_format", "kv3"), ("cache.cold_format = 'kv3'", "auto, full, kv8, k8v4, kv4")),
                (1, kept("--cache.format", "kv4", "--cache.cold_format", "kv8"),
                 ("cache.cold_format = kv8", "cache.format = kv4", "more bits")),
                (1, kept("--attention.sparse_ratio", 0.5, "--attention.sparse_offload", "true"),
                 ("cache.cold_format = kv4", "attention.sparse_offload = true")),
                (1, kept("--cache.policy", "lru"), ("cache.cold_format = kv4", "cache.policy = lru")),
                (1, kept("--cache.page_tokens", 8), ("cache.page_tokens = 8", "multiples of 16")),
                (1, kept("--cache.host_tokens", 0), ("cache.cold_format = kv4", "no host tier")),
                (1, kept("--cache.host_tokens", ""), ("cache.host_tokens = auto",)),
                (1, kept("--cache.device_tokens", ""), ("cache.device_tokens = auto",)),
                (1, kept("--cache.disk_dir", self.directory / "store"), ("cache.disk_bytes = auto",)),
                (1, kept("--cache.compression_ratio", 1.5), ("cache.compression_ratio = 1.5",)),
                (1, kept("--cache.cold_format", "", "--cache.compression_ratio", 0.5),
                 ("cache.compression_ratio = 0.5", "cache.cold_format = auto")),
                (2, kept("--tp", 1), ("cache.cold_format = kv4", "2 replicas"))):
            done = cli.run(ranks, "generate", "--model", model, "--input", rows, "--output", self.directory / "o.jsonl",
                           "--threads", 1, *options)
            self.assertEqual(done.returncode, 2, done.stderr)
            for word in words:
                self.assertIn(word, done.stderr)
        # Known only with the model's pages.
        for options, words in ((kept("--cache.compression_ratio", 0.01), ("cache.compression_ratio = 0.01", "kv4 take")),
                               (kept("--cache.host_tokens", 16), ("cache.host_bytes = ", "at least"))):
            done = cli.run(1, "generate", "--model", model, "--input", rows, "--output", self.directory / "o.jsonl",
                           "--threads", 1, *options)
            self.assertNotEqual(done.returncode, 0)
            for word in words:
                self.assertIn(word, done.stderr)
        # The canonical format is none of fewer bits: nothing is asked for.
        done = cli.run(1, "generate", "--model", model, "--input", rows, "--output", self.directory / "o.jsonl",
                       "--threads", 1, "--cache.format", "kv8", "--cache.cold_format", "kv8")
        self.assertEqual(done.returncode, 0, done.stderr)


class Jobs(cli.CliTest):
    def job(self, ranks, model, rows, *options, name="out"):
        out, summary = self.directory / f"{name}.jsonl", self.directory / f"{name}.json"
        done = cli.run(ranks, "generate", "--model", model, "--input", rows, "--output", out, "--restart", "--summary",
                       summary, *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return out.read_bytes(), json.loads(summary.read_text())["cache"], done.stderr

    def test_a_job_gives_its_answers_again(self):
        model = cli.make_model(self.directory / "model")
        asked = [{"custom_id": f"r{i}", "prompt": f"{i % 9} " * 150 + f"and {i}", "max_tokens": 8, "ignore_eos": True,
                  "logprobs": 1} for i in range(45)]
        rows = cli.write_rows(self.directory / "in.jsonl", asked)
        options = kept("--cache.host_tokens", 1400, "--cache.compression_ratio", 0.5, "--model.max_sequence", 512,
                       "--schedule.max_sequences", 2)
        first, cache, text = self.job(2, model, rows, *options)
        self.assertGreater(cache["cold"]["transcoded_pages"], 0)
        self.assertGreater(cache["cold"]["promoted_pages"], 0)
        self.assertGreater(cache["cold"]["saved_bytes"], 0)
        self.assertIn("cold pages: ", text)
        for ranks, more in ((2, ()), (2, ("--inject", "delay:ms=2:probability=0.3:seed=5"))):
            self.assertEqual(self.job(ranks, model, rows, *options, *more)[0], first)
        plain, cache, _ = self.job(2, model, rows)
        self.assertIsNone(cache["cold"])
        self.assertNotEqual(plain, first)  # in the last digits of log-probabilities

    def test_a_resumed_job_must_repeat_the_class_and_the_pools(self):
        model = cli.make_model(self.directory / "model", hidden=256, ffn=512, layers=4)
        rows = cli.write_rows(self.directory / "in.jsonl", [{"prompt": f"row {i}", "max_tokens": 60, "ignore_eos": True}
                                                            for i in range(400)])
        out, journal = self.directory / "out.jsonl", self.directory / "out.jsonl.journal"
        arguments = ("generate", "--model", model, "--input", rows, "--output", out, "--threads", 1)
        process = subprocess.Popen(cli.command(0, *arguments, *kept()), stderr=subprocess.DEVNULL,
                                   env=cli.environment(), start_new_session=True)
        while process.poll() is None and not (journal.exists() and journal.stat().st_size > 3000):
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for options, name in ((kept("--cache.host_tokens", 2048), "cold pages"),
                              (kept("--window", 5), 'window: journal has "128", this job has "64"'),
                              (kept("--schedule.order", "reuse"), 'window: journal has "128", this job has "4096"'),
                              (kept("--cache.share_prefixes", "false"), "cache.share_prefixes: "),
                              ((), "determinism")):
            done = cli.run(0, *arguments, *options)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(name, done.stderr)
            self.assertIn("--restart", done.stderr)
        # What is the default is no change.
        self.assertEqual(cli.run(0, *arguments, *kept("--window", 128)).returncode, 0)

    def test_answers_of_the_demo_model_survive(self):
        text = subprocess.run(["zstd", "-dcq", str(cli.RECALL / "held_out.jsonl.zst")], capture_output=True, text=True,
                              check=True).stdout
        asked = [json.loads(line) for line in text.splitlines()]
        asked = [row for row in asked if len(row["prompt"]) < 12000][:60]
        right = {row["custom_id"]: row["answer"] for row in asked}
        # Twice: the second time their pages come back from where they were pushed to.
        again = [{**row, "custom_id": row["custom_id"] + "-again"} for row in asked]
        rows = cli.write_rows(self.directory / "in.jsonl", [
            {key: row[key] for key in ("custom_id", "prompt", "max_tokens", "stop")} for row in asked + again])

        def score(*options):
            out, cache, _ = self.job(2, cli.RECALL, rows, *options)
            found = 0
            for line in out.splitlines():
                row = json.loads(line)
                choice = row["response"]["body"]["choices"][0]
                found += choice["text"].strip() == right[row["custom_id"].removesuffix("-again")].strip()
            return found, cache

        dense, _ = score()
        cold, cache = score(*kept("--cache.page_tokens", 64, "--cache.device_tokens", 8192, "--cache.host_tokens",
                                  16384, "--model.max_sequence", 4096, "--schedule.max_sequences", 2))
        self.assertGreater(cache["cold"]["promoted_pages"], 0)
        self.assertGreaterEqual(cold, 0.99 * dense)
        print(f"{cold} of {dense} right answers, {cache['cold']}")


if __name__ == "__main__":
    unittest.main()
