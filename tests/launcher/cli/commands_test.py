"""The commands as a user meets them: help, configuration, information, results, the demo model."""
import json
import os
import subprocess
import sys
import unittest

import lockstep_cli as cli


class Commands(cli.CliTest):
    def test_help_lists_every_option(self):
        overview = cli.run(0, "--help").stdout
        for command in ("generate", "info", "bench", "cache", "replay", "tokenize"):
            self.assertRegex(overview, rf"(?m)^  {command} ")
        done = cli.run(0, "generate", "--help")
        self.assertEqual(done.returncode, 0)
        for option in ("--model", "--input", "--output", "--summary", "--seed", "--restart", "--return-token-ids", "--tp",
                       "--threads", "--device", "--share-gpu", "--transport", "--graphs", "--fused-norm",
                       "--plan-ahead", "--trace", "--isa", "--bind", "--metrics-file", "--metrics-port",
                       "--metrics-address", "--inject", "--cache.device_tokens", "--cache.device_bytes",
                       "--cache.host_tokens", "--cache.host_bytes", "--cache.disk_dir", "--cache.disk_bytes",
                       "--cache.disk_io", "--cache.disk_packing", "--cache.persist", "--cache.page_tokens", "--cache.policy",
                       "--cache.share_prefixes", "--cache.load_or_recompute", "--transfer.workers",
                       "--transfer.timeout_ms", "--schedule.max_step_tokens", "--schedule.order", "--config",
                       "--print-config"):
            self.assertRegex(done.stdout, rf"(?m)^ +{option}\b")

    def test_printed_configuration_is_accepted(self):
        for name in (None, *sorted((cli.SOURCE / "configs").glob("*.ini"))):
            arguments = () if name is None else ("--config", name)
            done = cli.run(0, "generate", *arguments, "--print-config")
            self.assertEqual(done.returncode, 0, done.stderr)
            path = self.directory / "printed.ini"
            path.write_text(done.stdout)
            again = cli.run(0, "generate", "--config", path, "--print-config")
            self.assertEqual(again.returncode, 0, again.stderr)

    def test_info(self):
        done = cli.run(0, "info", "--model", cli.RECALL)
        self.assertEqual(done.returncode, 0, done.stderr)
        for part in ("llama", "fingerprint", "tensor parallelism", "weights"):
            self.assertIn(part, done.stdout.lower())

    def test_result_form_and_summary(self):
        model = cli.make_model(self.directory / "model")
        rows = [{"custom_id": "b", "method": "POST", "url": "/v1/completions",
                 "body": {"model": "m", "prompt": "one", "max_tokens": 3, "ignore_eos": True}},
                {"prompt": "two", "max_tokens": 4, "ignore_eos": True}]
        summary = self.directory / "summary.json"
        self.generate(2, model, rows, "--return-token-ids", "--summary", summary)
        first, second = cli.read_rows(self.directory / "out.jsonl")
        self.assertEqual(first["custom_id"], "b")
        body = first["response"]["body"]
        self.assertEqual(first["response"]["status_code"], 200)
        self.assertEqual(body["choices"][0]["finish_reason"], "length")
        self.assertEqual(len(body["choices"][0]["token_ids"]), 3)
        self.assertEqual(body["usage"]["completion_tokens"], 3)
        self.assertEqual(second["response"]["body"]["usage"]["completion_tokens"], 4)
        figures = json.loads(summary.read_text())
        self.assertIn("7", json.dumps(figures))

    def test_bench(self):
        model = cli.make_model(self.directory / "model")
        done = cli.run(2, "bench", "--model", model, "--batch", "1,3", "--prompt-tokens", "40", "--generate-tokens", "4",
                       "--repeats", "1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(done.stdout.strip().splitlines()), 3)

    def test_tokenize_round_trip(self):
        text = "Mira keeps the copper key.\nGrüße 世界 🌍\n"
        ids = subprocess.run(cli.command(0, "tokenize", "--model", cli.RECALL), input=text, capture_output=True, text=True,
                             timeout=cli.TIMEOUT_S, env=cli.environment())
        self.assertEqual(ids.returncode, 0, ids.stderr)
        self.assertEqual(len(ids.stdout.splitlines()), 2)
        back = subprocess.run(cli.command(0, "tokenize", "--model", cli.RECALL, "--decode"), input=ids.stdout,
                              capture_output=True, text=True, timeout=cli.TIMEOUT_S, env=cli.environment())
        decoded = [json.loads(line) for line in back.stdout.splitlines()]
        for line, original in zip(decoded, text.splitlines()):
            self.assertTrue(line.endswith(original), line)


class RecallModel(cli.CliTest):
    """The demo model answers from its context."""

    def test_short_scenes(self):
        requests = cli.SOURCE / "examples" / "requests"
        self.generate(2, cli.RECALL, requests / "recall_tiny.jsonl")
        answers = {row["custom_id"]: row["answer"] for row in cli.read_rows(requests / "recall_tiny_answers.jsonl")}
        results = {row["custom_id"]: row["response"]["body"]["choices"][0]["text"].strip()
                   for row in cli.read_rows(self.directory / "out.jsonl")}
        self.assertEqual(results, answers)


if __name__ == "__main__":
    sys.exit(unittest.main())
