"""The commands as a user meets them: help, configuration, information, results, the demo model."""
import json
import os
import re
import subprocess
import sys
import unittest

import lockstep_cli as cli


CONFIGURATIONS = sorted((cli.SOURCE / "configs").glob("*.ini"))


def help_texts(text):
    """The options of a help text without their dashes, each with the words behind it."""
    parts = re.split(r"(?m)^  (?:-\w \[ )?--([\w.-]+)", text)
    return dict(zip(parts[1::2], parts[2::2]))


def keys_of(text):
    """The options of a printed configuration, those without a value too: `section.key`."""
    keys, section = set(), ""
    for line in text.splitlines():
        if found := re.fullmatch(r"\[(\w+)\]", line):
            section = found[1] + "."
        elif found := re.match(r"([\w-]+) = ", line) or re.fullmatch(r"# ([\w-]+) =", line):
            keys.add(section + found[1])
    return keys


class Commands(cli.CliTest):
    def test_overview_lists_the_commands_of_the_readme(self):
        listed = re.findall(r"(?m)^  (\w+) +\S", cli.run(0, "--help").stdout)
        table = re.findall(r"(?m)^\| `lockstep (\w+)` \|", (cli.SOURCE / "README.md").read_text())
        self.assertEqual(listed, table)
        for command in ("generate", "info", "bench", "eval", "cache", "replay", "tokenize"):
            self.assertIn(command, listed)

    def test_help_tells_every_option(self):
        told = help_texts(cli.run(0, "generate", "--help").stdout)
        printed = keys_of(cli.run(0, "generate", "--print-config").stdout)
        for option in printed:
            self.assertIn(option, told)
            self.assertRegex(told[option], r"\w+ \w+", option)
        # What command lines and files of users hold: one that is gone is missed here.
        for option in ("model", "input", "output", "journal", "summary", "status", "seed", "restart", "window", "tp", "threads",
                       "device", "transport", "graphs", "fused-norm", "plan-ahead", "determinism", "isa", "trace",
                       "metrics-file", "inject", "cache.device_tokens", "cache.host_bytes", "cache.disk_dir",
                       "cache.disk_packing_level", "cache.page_tokens", "cache.format", "cache.quantization_bits",
                       "cache.cold_format", "cache.compression_ratio", "cache.policy", "attention.sparse_ratio",
                       "attention.sparse_offload", "schedule.max_step_tokens", "schedule.max_sequences",
                       "schedule.prefill_chunk", "schedule.memory_strategy", "transfer.timeout_ms"):
            self.assertIn(option, printed)
        for option in ("config", "print-config", "help"):
            self.assertIn(option, told)

    def test_documents_name_options_that_exist(self):
        printed = keys_of(cli.run(0, "generate", "--print-config").stdout)
        sections = "|".join(sorted({name.split(".")[0] for name in printed if "." in name}))
        pages = [cli.SOURCE / "README.md", cli.SOURCE / "examples" / "README.md", *sorted((cli.SOURCE / "docs").glob("*.md"))]
        option = re.compile(rf"(?:[`\s]|--)((?:{sections})\.(?!json\b)[a-z_]+)(?=[`\s=,;:)])")
        named = {(name, page.name) for page in pages for name in option.findall(page.read_text())}
        self.assertGreater(len(named), 50)
        for name, page in sorted(named):
            self.assertIn(name, printed, f"in {page}")

    def test_printed_configuration_is_accepted(self):
        for name in (None, *CONFIGURATIONS):
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
        self.assertIn("as sized by this machine's free memory", done.stdout)
        # All memory of the cache by its tokens; bytes of a page by those that it holds.
        for column in ("KV a token KiB", "page KiB/token"):
            self.assertEqual(done.stdout.count(column), 1)
        for size in (("--cache.device_tokens", "8192"), ("--cache.device_bytes", "200000000")):
            done = cli.run(0, "info", "--model", cli.RECALL, *size)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("KV cache as asked", done.stdout)

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


class Configurations(cli.CliTest):
    """The files of configs/ as jobs take them: --print-config looks at names and types of values alone."""

    def take(self, path, *arguments):
        rows = cli.write_rows(self.directory / "in.jsonl", [{"prompt": "one", "max_tokens": 2}])
        return cli.run(0, "generate", "--config", path, "--model", cli.RECALL, "--input", rows, "--output",
                       self.directory / "out.jsonl", "--restart", "--device", "cpu", *arguments)

    def test_every_file_runs_a_job(self):
        self.assertGreater(len(CONFIGURATIONS), 5)
        for path in CONFIGURATIONS:
            # A store of its own; the machine of a test may have less to give.
            here = ("--cache.disk_dir", self.directory / "store") if "disk_dir" in path.read_text() else ()
            done = self.take(path, *here)
            self.assertEqual(done.returncode, 0, f"{path.name}: {done.stderr}")
            self.assertEqual(len(cli.read_rows(self.directory / "out.jsonl")), 1, path.name)

    def test_values_that_do_not_go_together_are_refused(self):
        text = (cli.SOURCE / "configs" / "cold_compression.ini").read_text()
        for right, wrong, key in (("determinism = d1", "determinism = d0", "determinism"),
                                  ("compression_ratio = 0.5", "compression_ratio = 1.5", "cache.compression_ratio"),
                                  ("page_tokens = 64", "page_tokens = 24", "cache.page_tokens")):
            self.assertIn(right, text)
            path = self.directory / "broken.ini"
            path.write_text(text.replace(right, wrong))
            done = self.take(path)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(key, done.stderr)


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
