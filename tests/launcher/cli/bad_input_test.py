"""Bad input: a clear message, a non-zero exit code, no hang, no rank left behind, nothing lost."""
import json
import os
import shutil
import struct
import subprocess
import sys
import unittest

import lockstep_cli as cli

GOOD_ROW = {"prompt": "hello", "max_tokens": 2}


class BadInput(cli.CliTest):
    def setUp(self):
        super().setUp()
        self.model = cli.make_model(self.directory / "model")
        self.rows = cli.write_rows(self.directory / "rows.jsonl", [GOOD_ROW])
        self.output = self.directory / "out.jsonl"

    def refuse(self, *parts, ranks=2, model=None, rows=None, output=None, arguments=(), code=None):
        """Runs a job that must fail and say every one of `parts`."""
        done = cli.run(ranks, "generate", "--model", model or self.model, "--input", rows or self.rows, "--output",
                       output or self.output, *arguments)
        self.assertNotEqual(done.returncode, 0, done.stderr)
        if code is not None:
            self.assertEqual(done.returncode, code, done.stderr)
        for part in parts:
            self.assertIn(part, done.stderr)
        leftover = subprocess.run(["pgrep", "-f", str(self.directory)], capture_output=True, text=True).stdout
        self.assertEqual(leftover, "", "a rank was left behind")
        self.assertFalse(self.output.exists())
        return done

    # --- the model ---------------------------------------------------------------------------------------------------

    def test_missing_model(self):
        self.refuse("nowhere", model=self.directory / "nowhere")

    def weights(self):
        return next(self.model.glob("*.safetensors"))

    def header(self):
        data = self.weights().read_bytes()
        length = struct.unpack("<Q", data[:8])[0]
        return json.loads(data[8:8 + length]), data[8 + length:]

    def write_header(self, header, body):
        text = json.dumps(header).encode()
        self.weights().write_bytes(struct.pack("<Q", len(text)) + text + body)

    def test_truncated_weights(self):
        data = self.weights().read_bytes()
        self.weights().write_bytes(data[:-100])
        self.refuse("model.safetensors")

    def test_header_beyond_the_file(self):
        data = self.weights().read_bytes()
        self.weights().write_bytes(struct.pack("<Q", len(data) * 2) + data[8:])
        self.refuse("model.safetensors", "header")

    def test_overlapping_tensors(self):
        header, body = self.header()
        names = sorted((n for n in header if n != "__metadata__"), key=lambda n: header[n]["data_offsets"])
        first, second = header[names[0]]["data_offsets"], header[names[1]]["data_offsets"]
        size = second[1] - second[0]
        header[names[1]]["data_offsets"] = [first[1] - 2, first[1] - 2 + size]
        self.write_header(header, body)
        self.refuse("model.safetensors")

    def test_wrong_dtype(self):
        header, body = self.header()
        header["model.norm.weight"]["dtype"] = "I16"
        self.write_header(header, body)
        self.refuse("model.norm.weight", "I16")

    def test_missing_tensor(self):
        header, body = self.header()
        name = "model.layers.1.mlp.down_proj.weight"
        header["renamed"] = header.pop(name)
        self.write_header(header, body)
        self.refuse(name)

    def test_config_and_weights_disagree(self):
        config = json.loads((self.model / "config.json").read_text())
        config["intermediate_size"] = 128
        (self.model / "config.json").write_text(json.dumps(config))
        self.refuse("mlp", "128")

    def test_config_and_tokenizer_disagree(self):
        other = cli.make_model(self.directory / "other", vocab=400)
        shutil.copy(other / "tokenizer.json", self.model / "tokenizer.json")
        self.refuse("tokenizer", "vocab_size", "300")

    def test_unsupported_architecture(self):
        config = json.loads((self.model / "config.json").read_text())
        config["architectures"] = ["MambaForCausalLM"]
        (self.model / "config.json").write_text(json.dumps(config))
        self.refuse("MambaForCausalLM")

    def test_tp_that_does_not_divide(self):
        self.refuse("1, 2, 4, 8", ranks=3)

    def test_tp_that_does_not_divide_the_ranks(self):
        self.refuse("degree 3", "1, 2", ranks=2, arguments=("--tp", "3"))

    # --- rows ----------------------------------------------------------------------------------------------------------

    def answer_with_errors(self, rows, codes, ranks=2):
        """Runs a job whose bad rows get error rows with these codes, in order; the good ones are answered."""
        done = cli.run(ranks, "generate", "--model", self.model, "--input", rows, "--output", self.output)
        self.assertEqual(done.returncode, 3, done.stderr)
        errors = cli.read_rows(self.directory / "out.jsonl.errors.jsonl")
        self.assertEqual([row["error"]["code"] for row in errors], codes)
        return errors

    def test_bad_rows_do_not_keep_good_ones_from_their_answers(self):
        rows = self.directory / "bad.jsonl"
        rows.write_text(json.dumps({"prompt": [5] * 1024}) + "\n\n" + json.dumps(GOOD_ROW) + '\n{"prompt": "x"\n' +
                        json.dumps({"prompt": "x", "max_tokns": 3}) + "\n")
        errors = self.answer_with_errors(rows, ["context_length_exceeded", "invalid_json", "unknown_field"])
        self.assertIn("1023", errors[0]["error"]["message"])
        self.assertIn("line 4", errors[1]["error"]["message"])
        self.assertIn("max_tokns", errors[2]["error"]["message"])
        self.assertEqual([row["custom_id"] for row in cli.read_rows(self.output)], ["request-3"])

    def test_empty_file(self):
        rows = self.directory / "empty.jsonl"
        rows.write_text("")
        self.refuse("empty.jsonl", rows=rows)

    def test_missing_file(self):
        self.refuse("nothing.jsonl", rows=self.directory / "nothing.jsonl")

    # --- options and places ------------------------------------------------------------------------------------------

    def test_unwritable_output(self):
        self.refuse("no/such/place", output=self.directory / "no/such/place/out.jsonl")

    def test_unknown_option(self):
        self.refuse("--help", arguments=("--no-such-option", "1"), code=2)

    def test_bad_value(self):
        self.refuse("cache.page_tokens", "8 to 1024", arguments=("--cache.page_tokens", "3"), code=2)

    def test_cuda_is_never_replaced_by_the_cpu(self):
        self.refuse("cuda", arguments=("--device", "cuda"))

    def test_missing_options(self):
        done = cli.run(0, "generate")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--input", done.stderr)

    def test_unknown_command(self):
        done = cli.run(0, "generat")
        self.assertEqual(done.returncode, 2)
        self.assertIn("generat", done.stderr)

    # --- a fault on rank 1 only ----------------------------------------------------------------------------------------

    def run_with_own_models(self):
        """Two ranks, each of which loads the model of its own number: model-0, model-1."""
        script = self.directory / "rank.sh"
        script.write_text(f'#!/bin/sh\nexec {cli.BIN / "lockstep"} generate --model {self.directory}/model-$OMPI_COMM_WORLD_RANK'
                          f' --input {self.rows} --output {self.output}\n')
        script.chmod(0o755)
        return subprocess.run([cli.MPIEXEC, "-n", "2", str(script)], capture_output=True, text=True,
                              timeout=cli.TIMEOUT_S, env=cli.environment())

    def test_model_missing_on_rank_1_only(self):
        # Each rank sees a directory of its own name; only rank 0's holds a model.
        shutil.copytree(self.model, self.directory / "model-0")
        done = self.run_with_own_models()
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("rank 1", done.stderr)
        self.assertIn("model-1", done.stderr)
        self.assertFalse(self.output.exists())

    def test_different_weights_on_rank_1(self):
        shutil.copytree(self.model, self.directory / "model-0")
        cli.make_model(self.directory / "model-1", seed=99)
        done = self.run_with_own_models()
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("differs between ranks", done.stderr)


if __name__ == "__main__":
    sys.exit(unittest.main())
