"""What coded pages and sparse attention cost in answers: right answers and divergence over held-out questions, perplexity
over a model's own text.

LOCKSTEP_ACCURACY_ROWS: how many of the 1,024 questions are asked, 48 without it.
"""
import json
import os
import subprocess
import sys
import unittest

import lockstep_cli as cli

ROWS = int(os.environ.get("LOCKSTEP_ACCURACY_ROWS", "48"))
FORMATS = ("kv8", "k8v4", "kv4")
LEAST_SHARE = {"kv8": 0.998, "k8v4": 0.997, "kv4": 0.993}  # of full precision's exact answers
# Nats a token. stories260K is far less sure of its tokens than the demo model of its answers.
MOST_KL = {"kv8": 1e-5, "k8v4": 2e-4, "kv4": 2e-3}
MOST_TEXT_KL = {"kv8": 2e-4, "k8v4": 1e-3, "kv4": 1.5e-2}
MOST_CHANGE = {"kv8": 0.001, "k8v4": 0.003, "kv4": 0.01}  # of perplexity
TENTH = ("attention.sparse_ratio=0.03 attention.sparse_layer_ratios=0:0.03/1:0.28 attention.sparse_dense_below=0 "
         "attention.sparse_sink_pages=0 attention.sparse_recent_pages=1 attention.sparse_least_pages=3")
STORIES = cli.shared_data() / "models" / "stories260K" / "f32"


class Accuracy(cli.CliTest):
    def evaluate(self, timeout, *arguments, settings="full,kv8,k8v4,kv4"):
        """Figures by setting."""
        path = self.directory / "figures.json"
        command = cli.command(0, "eval", "--settings", settings, "--output", path, *arguments)
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=cli.environment())
        self.assertEqual(done.returncode, 0, done.stderr)
        print(done.stdout, file=sys.stderr)
        found = {one["name"]: one for one in json.loads(path.read_text())["settings"]}
        self.assertEqual(list(found), [one.split(":")[0] for one in settings.split(",")])
        return found

    def test_answers_over_all_distances(self):
        settings = self.evaluate(cli.TIMEOUT_S + 4 * ROWS, "--model", cli.RECALL, "--rows", ROWS)
        full = settings["full"]["rows"]
        self.assertEqual(full["with_answer"], ROWS)
        self.assertGreaterEqual(full["exact_share"], 0.99)
        if ROWS >= 48:
            self.assertEqual(full["by_distance"][0]["from"], 0)
            self.assertGreaterEqual(full["by_distance"][-1]["from"], 3072)
        for name in FORMATS:
            with self.subTest(name):
                rows = settings[name]["rows"]
                self.assertGreaterEqual(rows["exact_of_first"], LEAST_SHARE[name])
                self.assertEqual(rows["kl"]["tokens"], full["forced_tokens"])
                self.assertLessEqual(rows["kl"]["mean"], MOST_KL[name])
                self.assertGreater(rows["kl"]["mean"], 0, "full precision was used")

    def test_answers_from_a_tenth_of_the_pages(self):
        # Of all pages in all layers, on average: layer 1, which gathers, reads more, the others less.
        settings = self.evaluate(cli.TIMEOUT_S + 4 * ROWS, "--model", cli.RECALL, "--rows", ROWS, "--cache.page_tokens", 8,
                                 settings=f"dense: cache.format=full,tenth: {TENTH}")
        dense, tenth = (settings[name]["rows"] for name in ("dense", "tenth"))
        self.assertEqual(dense["with_answer"], ROWS)
        self.assertIsNone(dense["pages_read"])
        self.assertGreaterEqual(tenth["exact"], 0.995 * dense["exact"])
        self.assertLessEqual(tenth["pages_read"], 0.1)
        self.assertGreater(tenth["kl"]["mean"], 0, "attention was dense")

    @unittest.skipUnless(STORIES.exists(), f"{STORIES} is not there")
    def test_perplexity_of_text_that_the_model_sampled(self):
        stories = [{"custom_id": f"{seed}", "prompt": [1], "max_tokens": 500, "temperature": 1, "seed": seed}
                   for seed in range(1, 41)]
        self.generate(0, STORIES, stories)
        text = self.directory / "stories.txt"
        text.write_text("".join(row["response"]["body"]["choices"][0]["text"]
                                for row in cli.read_rows(self.directory / "out.jsonl")))
        # Pages of 16 tokens: all but the last of a window are coded when they are read.
        settings = self.evaluate(cli.TIMEOUT_S, "--model", STORIES, "--text", text, "--cache.page_tokens", 16)
        full = settings["full"]["text"]
        self.assertGreaterEqual(full["tokens"], 8000)
        for name in FORMATS:
            with self.subTest(name):
                coded = settings[name]["text"]
                self.assertLessEqual(abs(coded["perplexity_of_first"] - 1), MOST_CHANGE[name])
                self.assertEqual(coded["kl"]["tokens"], full["tokens"])
                self.assertLessEqual(coded["kl"]["mean"], MOST_TEXT_KL[name])
                self.assertGreater(coded["kl"]["mean"], 0, "full precision was used")


if __name__ == "__main__":
    sys.exit(unittest.main())
