"""`lockstep bench claims`: every claim with a verdict, figures that do not depend on time, ranks, mistakes."""
import json
import re
import shlex
import subprocess
import sys
import unittest

import lockstep_cli as cli

SMALL = ("--repeats", "2", "--prefixes", "2", "--requests", "8", "--prefix-tokens", "128", "--suffix-tokens", "8", "--context", "4096",
         "--rows", "3", "--batch", "2", "--input-tokens", "16", "--output-tokens", "4", "--prompt-tokens", "256")
NAMES = ["reuse", "hit-rate", "sparse-speed", "sparse-memory", "kv8-bytes", "kv4-bytes", "sparse-accuracy", "kv8-accuracy",
         "kv4-accuracy", "parallel", "mixed-precision", "latency"]
ACCURACIES = [name for name in NAMES if name.endswith("accuracy")]


class Claims(cli.CliTest):
    def claims(self, *arguments, ranks=0, code=0):
        """The rows by name; standard output and error stand in self.done."""
        path = self.directory / "claims.json"
        path.unlink(missing_ok=True)
        self.done = cli.run(ranks, "bench", "claims", *arguments, "--json", path)
        self.assertEqual(self.done.returncode, code, self.done.stderr)
        if code != 0:
            return None
        self.report = json.loads(path.read_text())
        return {row["name"]: row for row in self.report["rows"]}

    def check_figures_that_time_leaves_alone(self, rows):
        # Each prefix is new once: 6 of 8 requests find theirs.
        found = 6 * 128 / (8 * 136)
        self.assertAlmostEqual(rows["hit-rate"]["value"]["median"], found)
        self.assertEqual(rows["hit-rate"]["verdict"], "cannot hold")
        self.assertIn("at most", rows["hit-rate"]["reason"])
        self.assertIn("8 of 64 pages", rows["sparse-speed"]["how"])
        self.assertIn("3 running at once", rows["sparse-memory"]["how"])
        self.assertIn("3 of 3 answers have the same tokens as without offload; 3 answers are exact, 3 with dense attention",
                      rows["sparse-memory"]["how"])
        self.assertEqual(rows["kv8-bytes"]["verdict"], "cannot hold")
        self.assertAlmostEqual(rows["kv8-bytes"]["value"]["median"], 1 - 68608 / 131072)
        self.assertAlmostEqual(rows["kv4-bytes"]["value"]["median"], 1 - 37376 / 131072)
        for name in ACCURACIES:
            self.assertEqual((rows[name]["value"]["median"], rows[name]["verdict"]), (1, "holds"), rows[name])
            self.assertIn("3 of 3 held-out rows exact, 3 in full precision", rows[name]["how"])
        self.assertIn("attention.sparse_ratio=0.1", rows["sparse-accuracy"]["how"])

    def check_form(self, rows):
        for name, row in rows.items():
            self.assertIn(f"{name} ", self.done.stdout)
            self.assertIn(row["how"], self.done.stdout)
            if row["verdict"] == "not measurable here":
                self.assertIsNone(row["value"])
            else:
                value = row["value"]
                self.assertTrue(value["low"] <= value["median"] <= value["high"], row)
                self.assertEqual(row["verdict"] == "holds", value["median"] >= row["least"], row)
            self.assertEqual(row["reason"] == "", row["verdict"] == "holds", row)

    def test_demo_model(self):
        for ranks in (0, 2):
            rows = self.claims("--model", cli.RECALL, *SMALL, "--threads", "1", ranks=ranks)
            self.assertEqual(list(rows), NAMES)
            self.assertEqual(self.report["ranks"], max(ranks, 1))
            self.check_form(rows)
            self.check_figures_that_time_leaves_alone(rows)
            for name in ("reuse", "sparse-speed", "mixed-precision"):
                self.assertGreater(rows[name]["value"]["low"], 0)
            self.assertLess(rows["latency"]["value"]["high"], 1)
            self.assertIn("schedule.prefill_chunk=64 (steps until the prompt's token: 4)", rows["latency"]["how"])
            self.assertIn("without chunks (steps: 1)", rows["latency"]["how"])
            self.assertRegex(rows["mixed-precision"]["how"], r"; bf16 \d+ tokens/s, f32 \d+;")
            if ranks == 0:
                self.assertEqual(rows["parallel"]["verdict"], "not measurable here")
            else:
                self.assertGreater(rows["parallel"]["value"]["low"], 0)
                self.assertIn("2 threads (2 ranks x 1) against 1:", rows["parallel"]["how"])

    def test_a_shape_has_no_accuracy(self):
        rows = self.claims("--shape", "tiny", *SMALL, "--only", "kv8-accuracy,kv4-bytes,sparse-accuracy")
        self.assertEqual(list(rows), ["kv4-bytes", "sparse-accuracy", "kv8-accuracy"])
        self.check_form(rows)
        for name in ("sparse-accuracy", "kv8-accuracy"):
            self.assertEqual(rows[name]["verdict"], "not measurable here")
            self.assertIn("held-out", rows[name]["reason"])

    def test_memory_of_sequences_that_run_at_once(self):
        for ranks, arguments, least in ((0, (), 0.35), (2, (), 0.35), (0, ("--cache.format", "kv4", "--cache.page_tokens", "16"), 0.25)):
            rows = self.claims("--model", cli.RECALL, "--only", "sparse-memory", "--rows", "16", "--threads", "1", *arguments, ranks=ranks)
            self.check_form(rows)
            row = rows["sparse-memory"]
            self.assertGreater(row["value"]["median"], least, row["how"])
            self.assertIn("16 held-out questions (prompts of 249 to 3069 tokens), 16 running at once", row["how"])
            self.assertIn("16 of 16 answers have the same tokens as without offload; 16 answers are exact, 16 with dense", row["how"])
            figures = re.search(r"counted: ([\d.]+) MiB \((\d+) pages, a twentieth fewer did not do, and at the peak (\d+) on the host\) "
                                r"with attention.sparse_offload, ([\d.]+) MiB \((\d+) pages.*dense attention, ([\d.]+) MiB", row["how"])
            few_mib, few, on_host, mib, pages, sparse_mib = map(float, figures.groups())
            self.assertGreater(on_host, 0)
            self.assertGreaterEqual(few + on_host, 0.9 * pages)  # nobody went without
            self.assertLess(few, pages)
            self.assertGreater(sparse_mib, mib)  # summaries
            self.assertAlmostEqual(row["value"]["median"], 1 - few_mib / mib, delta=0.02)

    def test_memory_of_random_prompts(self):
        row = self.claims("--shape", "tiny", "--only", "sparse-memory", "--at-once", "4", "--prompt-tokens", "512")["sparse-memory"]
        self.assertIn("4 random prompts (prompts of 512 to 512 tokens), 4 running at once", row["how"])
        self.assertIn("4 of 4 answers have the same tokens", row["how"])
        self.assertIn("no right answers", row["how"])
        row = self.claims("--shape", "tiny", "--only", "sparse-memory", "--prompt-tokens", "1000000")["sparse-memory"]
        self.assertEqual(row["verdict"], "not measurable here")
        self.assertIn("positions", row["reason"])

    def test_threads_are_counted(self):
        rows = self.claims("--shape", "tiny", *SMALL, "--threads", "3", "--only", "parallel")
        self.assertIn("3 threads (1 rank x 3) against 1:", rows["parallel"]["how"])
        self.assertNotEqual(rows["parallel"]["verdict"], "not measurable here")

    def test_the_command_repeats_the_claim(self):
        rows = self.claims("--shape", "tiny", *SMALL, "--only", "kv4-bytes,hit-rate")
        for name in ("kv4-bytes", "hit-rate"):
            words = shlex.split(rows[name]["command"])
            self.assertEqual(words[:3], ["lockstep", "bench", "claims"])
            done = subprocess.run([cli.BIN / "lockstep", *words[1:]], capture_output=True, text=True,
                                  timeout=cli.TIMEOUT_S, env=cli.environment())
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(rows[name]["measured"], done.stdout)
            self.assertEqual([other for other in NAMES if f"{other} " in done.stdout.replace("--only", "")], [name])

    def test_pages_that_have_no_codes(self):
        rows = self.claims("--model", cli.RECALL, *SMALL, "--cache.page_tokens", "8", "--only",
                           "kv8-bytes,kv4-bytes,kv8-accuracy,kv4-accuracy")
        self.assertEqual(len(rows), 4)
        for row in rows.values():
            self.assertEqual(row["verdict"], "not measurable here")
            self.assertIn("cache.page_tokens = 8", row["reason"])

    def test_formats_of_the_command_line_do_not_hide_what_is_compared(self):
        rows = self.claims("--model", cli.RECALL, *SMALL, "--cache.format", "kv8", "--attention.sparse_ratio", "0.2",
                           "--attention.sparse_layer_ratios", "3:0.3", "--only",
                           "kv8-accuracy,sparse-accuracy")
        self.assertIn("1072 bytes a token, 2048 without a format", rows["kv8-accuracy"]["how"])
        self.assertIn("attention.sparse_ratio=0.2 attention.sparse_layer_ratios=3:0.3", rows["sparse-accuracy"]["how"])

    def test_options_of_the_command_line_that_do_not_go_with_what_is_compared(self):
        offload = ("--attention.sparse_ratio", "0.2", "--attention.sparse_offload", "true", "--attention.sparse_hot_pages", "16",
                   "--cache.host_tokens", "8192")
        cold = ("--determinism", "d1", "--cache.policy", "compressed", "--cache.format", "kv8", "--cache.cold_format", "kv4",
                "--cache.compression_ratio", "0.4", "--cache.device_tokens", "8192", "--cache.host_tokens", "4096")
        disk = ("--cache.disk_dir", self.directory / "disk", "--cache.disk_bytes", "100000000", "--cache.disk_packing", "zstd",
                "--cache.disk_packing_level", "3")
        for ranks, options in ((0, offload), (2, cold), (0, disk)):
            rows = self.claims("--model", cli.RECALL, *SMALL, "--threads", "1", *options, ranks=ranks)
            self.assertEqual(list(rows), NAMES)
            self.check_form(rows)
            for name in ACCURACIES:
                self.assertEqual(rows[name]["value"]["median"], 1, rows[name])
            self.assertIn("1072 bytes a token, 2048 without a format", rows["kv8-accuracy"]["how"])

    def test_host_memory_in_bytes(self):
        rows = self.claims("--shape", "tiny", *SMALL, "--cache.host_bytes", "1000000", "--only", "hit-rate")
        self.assertEqual(list(rows), ["hit-rate"])
        self.claims("--shape", "tiny", *SMALL, "--cache.host_bytes", "1000000", "--cache.host_tokens", "64", code=2)
        self.assertIn("give one of them", self.done.stderr)

    def test_settings_that_cannot_be_are_told_before_anything_is_measured(self):
        for arguments, part in ((("--prompt-tokens", "2000000", "--only", "kv4-bytes,latency"), "latency: schedule.max_step_tokens"),
                                (("--prompt-tokens", "500000", "--only", "kv4-bytes,latency"), "latency: takes sequences of 500001"),
                                (("--prefix-tokens", "500000", "--only", "kv4-bytes,reuse"), "reuse: takes sequences of")):
            self.claims("--shape", "tiny", *arguments, code=2)
            self.assertEqual(self.done.stdout, "")
            self.assertIn(part, self.done.stderr)

    def test_mistakes_are_named(self):
        for arguments, part in ((("--shape", "tiny", "--only", "speed"), "mixed-precision"),
                                (("--shape", "tiny", "--requests", "3"), "prefixes"),
                                (("--shape", "tiny", "--rows", "-1"), "rows"),
                                (("--shape", "tiny", "--context", "0"), "context"),
                                (("--shape", "tiny", "--at-once", "0"), "at-once"),
                                (("--shape", "llama-9"), "llama-3-8b"),
                                ((), "--shape")):
            self.claims(*arguments, code=2)
            self.assertIn(part, self.done.stderr)

    def test_help(self):
        self.assertIn("bench claims", cli.run(0, "bench", "--help").stdout)
        text = cli.run(0, "bench", "claims", "--help").stdout
        for option in ("--only", "--shape", "--json", "--repeats", "--seconds", "--prefixes", "--requests", "--prefix-tokens",
                       "--suffix-tokens", "--context", "--rows", "--batch", "--at-once", "--input-tokens", "--output-tokens",
                       "--prompt-tokens", "--model", "--cache.page_tokens"):
            self.assertIn(option, text)


if __name__ == "__main__":
    sys.exit(unittest.main())
