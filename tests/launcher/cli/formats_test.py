"""Files of requests as users of other engines have them: every form, every field, every kind of bad row."""
import gzip
import json
import subprocess
import sys
import unittest

import lockstep_cli as cli
import openai_schema

TEMPLATE = "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}" \
           "{% if add_generation_prompt %}assistant:{% endif %}"


def bodies(output):
    return [json.loads(line)["response"]["body"] for line in output.splitlines()]


class Formats(cli.CliTest):
    def setUp(self):
        super().setUp()
        self.model = cli.make_model(self.directory / "model")
        self.template = self.directory / "chat.jinja"
        self.template.write_text(TEMPLATE)

    def answer(self, rows, *arguments, ranks=0, code=0):
        return self.generate(ranks, self.model, rows, "--threads", "1", *arguments, code=code)

    # --- OpenAI batch files --------------------------------------------------------------------------------------------

    def test_openai_files_of_other_engines_run_unchanged(self):
        files = sorted((cli.shared_data() / "prompts").glob("*batch*.jsonl")) + \
            sorted((cli.shared_data() / "prompts").glob("aibrix*.jsonl"))
        if not files:
            self.skipTest("no shared data")
        for path in files:
            with self.subTest(path.name):
                out = self.generate(2, cli.RECALL, path, "--threads", "1")  # with the model's own chat template
                rows = [json.loads(line) for line in out.splitlines()]
                asked = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
                self.assertEqual([row["custom_id"] for row in rows], [row["custom_id"] for row in asked])
                for row in rows:
                    openai_schema.check_result(row)
                    self.assertEqual(row["response"]["body"]["object"], "chat.completion")

    def test_chat_renders_the_template(self):
        messages = [{"role": "system", "content": "Be brief."},
                    {"role": "user", "content": [{"type": "text", "text": "Grüße"}, {"type": "text", "text": "🌍"}]}]
        chat = {"messages": messages, "max_tokens": 6, "seed": 3, "temperature": 1, "ignore_eos": True}
        text = {**chat, "prompt": "system: Be brief.\nuser: Grüße\n🌍\nassistant:", "add_special_tokens": False}
        del text["messages"]
        out = bodies(self.answer([chat, text], "--chat-template", self.template))
        self.assertEqual(out[0]["choices"][0]["message"], {"role": "assistant", "content": out[1]["choices"][0]["text"]})
        self.assertEqual(out[0]["usage"], out[1]["usage"])

    def test_chat_goes_on_to_the_longest_sequence(self):
        out = bodies(self.answer([{"messages": [{"role": "user", "content": "x"}], "ignore_eos": True}],
                                 "--chat-template", self.template, "--model.max_sequence", "64"))
        self.assertEqual(out[0]["usage"]["total_tokens"], 64)

    def test_chat_without_a_template_fails_its_row(self):
        self.answer([{"messages": [{"role": "user", "content": "x"}]}, {"prompt": "x"}], code=3)
        errors = cli.read_rows(self.directory / "out.jsonl.errors.jsonl")
        self.assertEqual([row["error"]["code"] for row in errors], ["chat_template_missing"])

    def test_templates_are_told_the_jobs_day(self):
        self.template.write_text("{{ raise_exception('It is ' + strftime_now('%Y-%m-%d %H')) }}")
        rows = [{"messages": [{"role": "user", "content": "x"}]}]
        self.answer(rows, "--chat-template", self.template, "--chat-date", "2024-02-29", code=3)
        error = cli.read_rows(self.directory / "out.jsonl.errors.jsonl")[0]["error"]
        self.assertEqual((error["code"], error["message"]), ("chat_template_error", "chat.jinja:1: It is 2024-02-29 12"))

    # --- fields --------------------------------------------------------------------------------------------------------

    def test_lists_of_prompts_and_n(self):
        rows = [{"prompt": ["ab", [7, 8, 9]], "n": 3, "max_tokens": 5, "temperature": 1.5, "seed": 11, "ignore_eos": True}]
        body = bodies(self.answer(rows))[0]
        texts = [choice["text"] for choice in body["choices"]]
        self.assertEqual(len(texts), 6)
        self.assertEqual(len(set(texts)), 6, "choices draw differently")
        self.assertEqual(body["usage"]["completion_tokens"], 30)
        alone = bodies(self.answer([{**rows[0], "prompt": "ab", "n": 1}, {**rows[0], "prompt": "ab", "n": 2}]))
        self.assertEqual(alone[0]["choices"][0]["text"], texts[0], "the first choice draws with the row's own seed")
        self.assertEqual([choice["text"] for choice in alone[1]["choices"]], texts[:2], "the same seed draws the same")

    def test_logprobs_of_both_endpoints(self):
        prompt = "system: a\nassistant:"
        rows = [{"prompt": prompt, "logprobs": 3, "max_tokens": 4, "ignore_eos": True, "add_special_tokens": False},
                {"messages": [{"role": "system", "content": "a"}], "logprobs": True, "top_logprobs": 3, "max_tokens": 4,
                 "ignore_eos": True}]
        text, chat = bodies(self.answer(rows, "--chat-template", self.template))
        listed = text["choices"][0]["logprobs"]
        content = chat["choices"][0]["logprobs"]["content"]
        self.assertEqual(listed["token_logprobs"], [item["logprob"] for item in content])
        self.assertEqual(listed["tokens"], [item["token"] for item in content])
        for item in content:
            self.assertEqual(len(item["top_logprobs"]), 3)
            self.assertEqual(item["logprob"], item["top_logprobs"][0]["logprob"], "greedy takes the likeliest")

    def test_scoring_by_echo(self):
        ids = [9, 8, 7, 6, 5]
        scored, longer = bodies(self.answer([
            {"prompt": ids, "echo": True, "logprobs": 0, "max_tokens": 0},
            {"prompt": ids[:3], "prompt_logprobs": 2, "max_tokens": 1, "ignore_eos": True}]))
        logprobs = scored["choices"][0]["logprobs"]["token_logprobs"]
        self.assertEqual(len(logprobs), 5)
        self.assertIsNone(logprobs[0])
        self.assertEqual(scored["usage"]["completion_tokens"], 0)
        listed = longer["choices"][0]["prompt_logprobs"]
        self.assertEqual([listed[1]["8"]["logprob"], listed[2]["7"]["logprob"]], logprobs[1:3])

    def test_bias_stop_tokens_and_fewest_tokens(self):
        base = {"prompt": "x", "max_tokens": 5, "return_token_ids": True}
        rows = [{**base, "logit_bias": {"65": 100}, "ignore_eos": True},
                {**base, "logit_bias": {"65": 100}, "stop_token_ids": [65]},
                {**base, "logit_bias": {"65": 100}, "stop_token_ids": [65], "min_tokens": 3}]
        out = [body["choices"][0] for body in bodies(self.answer(rows))]
        self.assertEqual(out[0]["token_ids"], [65] * 5)
        self.assertEqual((out[1]["token_ids"], out[1]["text"], out[1]["finish_reason"]), ([65], "", "stop"))
        self.assertEqual(len(out[2]["token_ids"]), 4)
        self.assertNotIn(65, out[2]["token_ids"][:3])

    def test_generation_config_gives_defaults_and_rows_override_them(self):
        row = {"prompt": "x", "max_tokens": 8, "ignore_eos": True, "seed": 2}
        greedy, sampled = bodies(self.answer([row, {**row, "temperature": 2.0}]))
        (self.model / "generation_config.json").write_text('{"do_sample": true, "temperature": 2.0}')
        default, override = bodies(self.answer([row, {**row, "temperature": 0}]))
        self.assertEqual(default["choices"], sampled["choices"])
        self.assertEqual(override["choices"], greedy["choices"])
        self.assertNotEqual(greedy["choices"], sampled["choices"])
        ignored, _ = bodies(self.answer([row, row], "--ignore-generation-config"))
        self.assertEqual(ignored["choices"], greedy["choices"])

    def test_lenient_passes_over_what_is_not_supported(self):
        rows = [{"prompt": "x", "guided_regex": "a"}, {"prompt": "x", "guided_regex": "b", "stream": True}]
        self.answer(rows, code=3)
        done = cli.run(0, "generate", "--model", self.model, "--input", self.directory / "in.jsonl", "--output",
                       self.directory / "out.jsonl", "--restart", "--lenient")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr.count('"guided_regex" is not supported'), 1, "once a field")
        self.assertIn('"stream" is not supported', done.stderr)

    def test_cached_tokens_on_demand(self):
        rows = [{"prompt": [5] * 200, "max_tokens": 1}] * 3
        self.assertNotIn("prompt_tokens_details", bodies(self.answer(rows))[0]["usage"])
        details = [body["usage"]["prompt_tokens_details"]["cached_tokens"]
                   for body in bodies(self.answer(rows, "--report-cached-tokens"))]
        self.assertEqual(sorted(details)[0], 0)
        self.assertGreater(sum(details), 0)

    def test_a_prompt_with_several_choices_is_cached_once(self):
        row = {"prompt": [6] * 200, "max_tokens": 1, "n": 8}
        usage = bodies(self.answer([row], "--report-cached-tokens", "--summary", self.directory / "sum.json"))[0]["usage"]
        self.assertLessEqual(usage["prompt_tokens_details"]["cached_tokens"], usage["prompt_tokens"])
        self.assertGreater(json.loads((self.directory / "sum.json").read_text())["tokens_per_second"]["prefill"], 0)

    # --- a row alone and among others ------------------------------------------------------------------------------------

    def test_a_row_does_not_depend_on_its_neighbours(self):
        row = {"custom_id": "mine", "prompt": "Row of interest", "temperature": 0.9, "top_p": 0.95, "seed": 21, "n": 2,
               "max_tokens": 12, "logprobs": 2, "presence_penalty": 0.4, "ignore_eos": True}
        others = [{"prompt": f"Row of interest {i}" * (i % 7 + 1), "temperature": 1.1, "max_tokens": 3 + i % 15}
                  for i in range(64)]
        alone = json.loads(self.answer([row]))
        for ranks, at in ((0, 40), (2, 3)):
            rows = others[:at] + [row] + others[at:]
            among = [json.loads(line) for line in self.answer(rows, ranks=ranks).splitlines()]
            mine = next(line for line in among if line["custom_id"] == "mine")
            self.assertEqual(mine["response"]["body"]["choices"], alone["response"]["body"]["choices"])

    # --- bad rows --------------------------------------------------------------------------------------------------------

    BAD = {  # line to code
        '{"prompt": "x"': "invalid_json",
        "[1, 2]": "invalid_json",
        '{"prompt": "x", "prompt": "y"}': "invalid_json",
        '{"max_tokens": 3}': "missing_field",
        '{"prompt": 5}': "invalid_value",
        '{"prompt": []}': "invalid_value",
        '{"prompt": "x", "max_tokens": -1}': "invalid_value",
        '{"prompt": "x", "temperature": "hot"}': "invalid_value",
        '{"prompt": "x", "top_p": 2}': "invalid_value",
        '{"prompt": "x", "stop": [""]}': "invalid_value",
        '{"prompt": "x", "seed": 1.5}': "invalid_value",
        '{"prompt": "x", "logit_bias": {"a": 1}}': "invalid_value",
        '{"prompt": "x", "no_such_field": 1}': "unknown_field",
        '{"prompt": "x", "response_format": {"type": "json_object"}}': "unsupported_field",
        '{"custom_id": "e", "method": "POST", "url": "/v1/embeddings", "body": {"input": "x"}}': "unsupported_url",
        '{"custom_id": "good-1", "prompt": "x"}': "duplicate_custom_id",
        '{"prompt": [300]}': "token_out_of_range",
        json.dumps({"prompt": [5] * 2000}): "context_length_exceeded",
        '{"messages": [{"role": "user", "content": "x"}]}': "chat_template_missing",
        '{"prompt": "\xff"}': "invalid_json",
    }

    def test_eighty_good_and_twenty_bad_rows(self):
        lines = [json.dumps({"custom_id": f"good-{i}", "prompt": f"Row {i}", "max_tokens": 3}).encode() for i in range(80)]
        for at, line in enumerate(self.BAD):
            lines.insert(3 + 4 * at, line.encode("latin-1"))
        path = self.directory / "mixed.jsonl"
        path.write_bytes(b"\n".join(lines) + b"\n")
        done = cli.run(2, "generate", "--model", self.model, "--input", path, "--output", self.directory / "out.jsonl")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn(f"{len(self.BAD)} of {len(lines)} rows failed", done.stderr)
        good = cli.read_rows(self.directory / "out.jsonl")
        bad = cli.read_rows(self.directory / "out.jsonl.errors.jsonl")
        self.assertEqual([row["custom_id"] for row in good], [f"good-{i}" for i in range(80)])
        self.assertEqual([row["error"]["code"] for row in bad], list(self.BAD.values()))
        for row in good:
            openai_schema.check_result(row)
        for row in bad:
            openai_schema.check_error(row)

    def test_a_row_whose_logits_are_not_finite_fails_alone(self):
        model = cli.make_model(self.directory / "nan", dtype="f32", seed=5)
        cli.poison_token(model, 77)
        rows = [{"prompt": [1, 2, 3], "max_tokens": 4, "logit_bias": {"77": -100}},
                {"prompt": [1, 77, 3], "max_tokens": 4}, {"prompt": [5], "max_tokens": 4, "logit_bias": {"77": -100}},
                {"prompt": [1, 77, 3, 4], "max_tokens": 0, "echo": True, "logprobs": 1}]
        self.generate(2, model, rows, "--threads", "1", code=3)
        bad = cli.read_rows(self.directory / "out.jsonl.errors.jsonl")
        self.assertEqual([row["error"]["code"] for row in bad], ["logits_not_finite"] * 2)
        self.assertEqual(len(cli.read_rows(self.directory / "out.jsonl")), 2)

    # --- packed and piped files --------------------------------------------------------------------------------------------

    def test_packed_and_piped_files(self):
        rows = [{"prompt": f"Row {i}", "max_tokens": 3} for i in range(9)] + [{"prompt": 5}]
        plain = self.answer(rows, code=3)
        text = (self.directory / "in.jsonl").read_bytes()
        packed = self.directory / "in.jsonl.gz"
        packed.write_bytes(gzip.compress(text))
        for name, unpack in (("out.jsonl.gz", gzip.decompress),
                             ("out.jsonl.zst", lambda data: subprocess.run(["zstd", "-dc"], input=data, check=True,
                                                                           capture_output=True).stdout)):
            with self.subTest(name):
                if name.endswith("zst") and not cli.shutil.which("zstd"):
                    self.skipTest("no zstd program")
                got = self.generate(2, self.model, packed, "--threads", "1", output=name, code=3)
                self.assertEqual(unpack(got), plain)
        for ranks in (0, 2):
            done = subprocess.run(cli.command(ranks, "generate", "--model", self.model, "--input", "-", "--output", "-",
                                              "--errors", self.directory / "errors.jsonl", "--threads", "1"),
                                  input=text, capture_output=True, timeout=cli.TIMEOUT_S, env=cli.environment())
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertEqual(done.stdout[:len(plain)], plain)
            self.assertEqual(len(cli.read_rows(self.directory / "errors.jsonl")), 1)

    # --- following a job -----------------------------------------------------------------------------------------------------

    def test_status_and_summary_tell_the_end(self):
        status, summary = self.directory / "status.json", self.directory / "summary.json"
        self.answer([{"prompt": "x", "max_tokens": 2}, {"prompt": 5}], "--status", status, "--summary", summary, code=3)
        told = json.loads(status.read_text())
        self.assertEqual((told["state"], told["rows"]), ("finished", {"total": 2, "done": 2, "failed": 1, "resumed": 0}))
        self.assertEqual(json.loads(summary.read_text())["rows"]["failed"], 1)


if __name__ == "__main__":
    sys.exit(unittest.main())
