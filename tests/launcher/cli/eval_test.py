"""`lockstep eval` as a user meets it: the table, the JSON, the same figures on any number of ranks, and what it refuses."""
import json
import math
import sys
import unittest

import lockstep_cli as cli

REQUESTS = cli.SOURCE / "examples" / "requests"
TINY = ("--input", REQUESTS / "recall_tiny.jsonl", "--answers", REQUESTS / "recall_tiny_answers.jsonl")
MOST_KL = {"kv8": 1e-5, "k8v4": 2e-4, "kv4": 2e-3}  # nats a token, as in accuracy_test.py
STORIES = cli.shared_data() / "models" / "stories260K"


class Eval(cli.CliTest):
    def run_eval(self, ranks, model, *arguments, code=0):
        """Returns the JSON and the table."""
        path = self.directory / "figures.json"
        done = cli.run(ranks, "eval", "--model", model, "--output", path, *arguments)
        self.assertEqual(done.returncode, code, done.stderr)
        return json.loads(path.read_text()), done.stdout

    def refused(self, ranks, *arguments, code=2):
        path = self.directory / "none.json"
        done = cli.run(ranks, "eval", "--output", path, *arguments)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertFalse(path.exists())
        return done.stderr

    def write(self, name, text):
        path = self.directory / name
        path.write_text(text)
        return path

    def test_help_lists_every_option(self):
        self.assertIn("eval ", cli.run(0, "--help").stdout)
        done = cli.run(0, "eval", "--help")
        self.assertEqual(done.returncode, 0)
        for option in ("--settings", "--input", "--answers", "--text", "--rows", "--tokens", "--window", "--context",
                       "--bucket", "--chat-template", "--output", "--temporary", "--model", "--cache.page_tokens"):
            self.assertIn(option, done.stdout)

    def test_figures_of_the_demo_model_are_the_same_on_any_number_of_ranks(self):
        text = self.write("text.txt", "".join(json.loads(line)["prompt"] + " "
                                              for line in (REQUESTS / "recall_tiny.jsonl").read_text().splitlines()))
        arguments = (*TINY, "--text", text, "--window", 150, "--context", 10, "--bucket", 64, "--settings",
                     "bf16: model.dtype=bf16,again: cache.share_prefixes=false schedule.prefill_chunk=64,"
                     "f32: model.dtype=f32")
        seen = []
        for ranks in (1, 2, 4):
            figures, table = self.run_eval(ranks, cli.RECALL, *arguments)
            self.assertEqual(table.count("bf16 "), 3)  # rows, distances, text: once each
            self.assertEqual(figures.pop("ranks"), ranks)
            for setting in figures["settings"]:
                for part in ("rows", "text"):
                    self.assertGreater(setting[part].pop("seconds"), 0)
                    self.assertGreater(setting[part].pop("tokens_per_second"), 0)
                    self.assertGreater(setting[part].pop("speed_of_first"), 0)
            seen.append(figures)
        self.assertEqual(seen[1], seen[0])
        self.assertEqual(seen[2], seen[0])

        first, again, wide = seen[0]["settings"]
        self.assertEqual([one["name"] for one in seen[0]["settings"]], ["bf16", "again", "f32"])
        self.assertEqual(again["options"], {"cache.share_prefixes": "false", "schedule.prefill_chunk": "64"})
        self.assertEqual([one["bytes_per_token"] for one in (first, again, wide)], [2048, 2048, 4096])
        for one in (first, again, wide):
            self.assertEqual((one["rows"]["rows"], one["rows"]["exact"], one["rows"]["with_answer"]), (8, 8, 8))
            self.assertEqual(one["rows"]["exact_of_first"], 1)
            self.assertEqual(one["rows"]["same_text"], 8)
            self.assertEqual([(bucket["from"], bucket["to"], bucket["exact"], bucket["rows"])
                              for bucket in one["rows"]["by_distance"]], [(0, 63, 1, 1), (64, 127, 7, 7)])
        self.assertIsNone(first["rows"]["kl"])
        # What results do not depend on brings no divergence at all; another dtype some.
        for part in ("rows", "text"):
            self.assertEqual((again[part]["kl"]["max"], again[part]["kl"]["same_best"]), (0, 1))
            self.assertEqual(again[part]["kl"]["tokens"], wide[part]["kl"]["tokens"])
            self.assertGreater(wide[part]["kl"]["mean"], 0)
            self.assertLess(wide[part]["kl"]["mean"], 0.01)
            self.assertGreaterEqual(wide[part]["kl"]["max"], wide[part]["kl"]["mean"])
        self.assertEqual(first["rows"]["forced_tokens"], wide["rows"]["kl"]["tokens"])
        self.assertEqual(again["text"]["perplexity"], first["text"]["perplexity"])
        self.assertNotEqual(wide["text"]["perplexity"], first["text"]["perplexity"])

    def test_formats_are_the_default_and_smaller_ones_diverge_more(self):
        figures, table = self.run_eval(2, cli.RECALL, "--rows", 8)  # the model's own set
        full, kv8, k8v4, kv4 = figures["settings"]
        self.assertEqual([one["name"] for one in figures["settings"]], ["full", "kv8", "k8v4", "kv4"])
        self.assertTrue(figures["input"].endswith("held_out.jsonl.zst"))
        self.assertIn("held_out.jsonl.zst: 8 rows, 8 with an answer", table)
        for one in figures["settings"]:
            self.assertEqual((one["rows"]["exact"], one["rows"]["same_text"]), (8, 8), one["name"])
        self.assertLess(kv8["bytes_of_first"], 0.55)
        self.assertLess(k8v4["bytes_of_first"], kv8["bytes_of_first"])
        self.assertLessEqual(kv4["bytes_of_first"], k8v4["bytes_of_first"])
        self.assertGreater(kv8["rows"]["kl"]["mean"], 0)
        self.assertGreater(k8v4["rows"]["kl"]["mean"], kv8["rows"]["kl"]["mean"])
        for one, most in ((kv8, MOST_KL["kv8"]), (k8v4, MOST_KL["k8v4"]), (kv4, MOST_KL["kv4"])):
            self.assertLessEqual(one["rows"]["kl"]["mean"], most, one["name"])

    def test_a_preset_of_a_setting_changes_nothing_that_is_given_beside_it(self):
        rows = ("--rows", 6)  # the last two are long enough to be sparse: 1,680 tokens and more before the answer
        preset = "preset: schedule.memory_strategy=aggressive"
        figures, _ = self.run_eval(0, cli.RECALL, *rows, "--settings", f"full,kv4,{preset}", "--attention.sparse_ratio", 1,
                                   "--attention.sparse_dense_below", 0)
        _, kv4, dense = figures["settings"]
        self.assertEqual(dense["bytes_per_token"], kv4["bytes_per_token"])
        self.assertEqual(dense["rows"]["kl"], kv4["rows"]["kl"])
        figures, _ = self.run_eval(0, cli.RECALL, *rows, "--settings", f"full,kv8,{preset}", "--cache.quantization_bits", 8)
        _, kv8, bits = figures["settings"]
        self.assertEqual(bits["bytes_per_token"], kv8["bytes_per_token"])

    def test_wrong_answers_are_counted(self):
        rows = [json.loads(line) for line in (REQUESTS / "recall_tiny.jsonl").read_text().splitlines()[:3]]
        answers = [json.loads(line) for line in (REQUESTS / "recall_tiny_answers.jsonl").read_text().splitlines()]
        rows[0].update(answer=answers[0]["answer"])
        rows[1].update(answer="Nowhere.", distance=300)  # the third has none
        path = cli.write_rows(self.directory / "rows.jsonl", rows)
        figures, table = self.run_eval(0, cli.RECALL, "--input", path, "--settings", "model.dtype=bf16")
        score = figures["settings"][0]["rows"]
        self.assertEqual((score["rows"], score["with_answer"], score["exact"], score["exact_share"]), (3, 2, 1, 0.5))
        self.assertEqual(score["by_distance"], [{"from": 256, "to": 511, "exact": 0, "rows": 1}])
        self.assertIn("1 of 2", table)

    def test_many_rows_are_each_compared_with_their_own(self):
        model = cli.make_model(self.directory / "model")
        rows = [{"custom_id": f"{i}", "prompt": f"{i * i} and", "max_tokens": 1 + i % 3, "ignore_eos": True} for i in range(600)]
        path = cli.write_rows(self.directory / "rows.jsonl", rows)
        figures, _ = self.run_eval(2, model, "--input", path, "--settings", "a:threads=1,b:cache.share_prefixes=false")
        for setting in figures["settings"]:
            self.assertEqual((setting["rows"]["same_text"], setting["rows"]["forced_tokens"]), (600, 1200))
        kl = figures["settings"][1]["rows"]["kl"]
        self.assertEqual((kl["tokens"], kl["max"], kl["same_best"]), (1200, 0, 1))

    def test_rows_that_fail_are_named_and_counted(self):
        good = cli.make_model(self.directory / "good", dtype="f32")
        bad = cli.make_model(self.directory / "bad", dtype="f32")
        tokens = json.loads(cli.run(0, "tokenize", "--model", good, input="a#c\n").stdout)
        cli.poison_token(bad, tokens[-2])
        rows = cli.write_rows(self.directory / "rows.jsonl", [{"custom_id": "plain", "prompt": "abc", "answer": "x"},
                                                             {"custom_id": "sick", "prompt": "a#c", "answer": "x"}])
        for ranks in (1, 2):
            figures, table = self.run_eval(ranks, good, "--input", rows, "--settings",
                                           f"good:threads=1,bad:model={bad}", code=3)
            self.assertEqual([one["rows"]["failed"] for one in figures["settings"]], [0, 1])
            self.assertIn('bad: 1 rows and 0 windows failed, first: row "sick"', table)
            self.assertIn('row "sick"', figures["settings"][1]["first_failure"])
        # A text has no other way round it; as the first setting there is nothing to compare with.
        text = self.write("text.txt", "abc#def" * 20)
        figures, table = self.run_eval(1, good, "--text", text, "--window", 50, "--settings",
                                       f"good:threads=1,bad:model={bad}", code=3)
        self.assertEqual(figures["settings"][1]["text"]["failed"], figures["settings"][1]["text"]["windows"])
        self.assertIn("not finite", self.refused(2, "--model", bad, "--text", text, "--settings", "threads=1", code=1))

    @unittest.skipUnless(STORIES.exists(), f"{STORIES} is not there")
    def test_perplexity_is_that_of_a_float64_implementation(self):
        reference = json.loads((STORIES / "reference.json").read_text())["teacher_forced"]
        text = self.write("story.txt", reference["text"])
        for ranks in (1, 2, 4):
            figures, _ = self.run_eval(ranks, STORIES / "f32", "--text", text, "--settings",
                                       "f32:model.dtype=f32,bf16:model.dtype=bf16")
            first, second = (one["text"] for one in figures["settings"])
            self.assertEqual(first["tokens"], len(reference["logprob_per_token"]))
            self.assertAlmostEqual(first["perplexity"], math.exp(reference["mean_nll"]), delta=1e-4)
            self.assertAlmostEqual(second["perplexity_of_first"], 1, delta=0.01)
            self.assertNotIn("rows", figures["settings"][0])
            self.assertNotIn("input", figures)

    def test_bad_settings_are_refused_on_all_ranks(self):
        for ranks in (0, 2):
            for settings, words in (("kv9", "did you mean 'kv4' or 'kv8'"),
                                    ("a:cache.page_token=16", "did you mean 'cache.page_tokens'"),
                                    ("a:cache.page_tokens=4", "settings: a: cache.page_tokens = 4"),
                                    ("a:threads=1,a:threads=2", "'a' is given twice"), ("a:threads", "KEY=VALUE"),
                                    ("a:tp=3", "tp = 3")):
                self.assertIn(words, self.refused(ranks, "--model", cli.RECALL, *TINY, "--settings", settings))

    def test_what_cannot_be_scored_is_refused_on_all_ranks(self):
        model = cli.make_model(self.directory / "model")
        empty, text = self.write("empty", ""), self.write("text", "some text")
        broken = self.write("broken", '{"prompt": "x"}\n{"prompt": "x", "answer": 1}\n')
        ids = self.write("ids", '{"custom_id": "other", "answer": "x"}\n')
        base = ("--settings", "a:threads=1,b:model.max_sequence=64 threads=1")
        for ranks in (0, 2):
            for arguments, words in ((("--model", model), "has no set of its own"),
                                     (("--model", model, "--input", "/nowhere"), "/nowhere"),
                                     (("--model", model, "--input", broken), "line 2: answer is 1"),
                                     (("--model", model, "--input", TINY[1], "--answers", ids), "none of the rows"),
                                     (("--model", model, "--answers", ids), "--input"),
                                     (("--model", model, "--text", empty), "is empty"),
                                     (("--model", model, "--text", text, "--window", "4096"), "window = 4096"),
                                     (("--model", model, "--text", text, "--window", "8", "--context", "8"), "0 to 7"),
                                     (("--model", model, "--window", "8"), "--text"),
                                     (("--model", model, "--text", text, "--context", "50"), "leave none"),
                                     (("--model", model, *TINY, "--bucket", "0"), "bucket = 0")):
                self.assertIn(words, self.refused(ranks, *arguments, *base))

    def test_settings_that_cannot_be_compared_are_refused(self):
        model = cli.make_model(self.directory / "model")
        other = cli.make_model(self.directory / "other", vocab=310)
        text = self.write("text", "some text " * 20)
        for setting, words in ((f"model={other}", "vocabulary has 310 tokens"),
                               ("model.max_sequence=64", "model.max_sequence = 64 here")):
            error = self.refused(2, "--model", model, "--text", text, "--settings", f"a:threads=1,b:{setting}")
            self.assertIn("settings: b: ", error)
            self.assertIn(words, error)
        error = self.refused(0, "--model", model, "--text", text, "--settings", "threads=1", "--temporary", "/nowhere",
                             code=1)
        self.assertIn("/nowhere", error)


if __name__ == "__main__":
    sys.exit(unittest.main())
