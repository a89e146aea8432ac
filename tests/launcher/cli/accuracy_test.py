"""What coded pages cost in answers: right answers and divergence over held-out questions, perplexity over a model's own text.

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
STORIES = cli.shared_data() / "models" / "stories260K" / "f32"


class Accuracy(cli.CliTest):
    def evaluate(self, timeout, *arguments):
        """The settings full, kv8, k8v4 and kv4 by name."""
        path = self.directory / "figures.json"
        command = cli.command(0, "eval", "--settings", "full,kv8,k8v4,kv4", "--output", path, *arguments)
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=cli.environment())
        self.assertEqual(done.returncode, 0, done.stderr)
        print(done.stdout, file=sys.stderr)
        settings = {one["name"]: one for one in json.loads(path.read_text())["settings"]}
        self.assertEqual(list(settings), ["full", *FORMATS])
        return settings

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
