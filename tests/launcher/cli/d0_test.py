"""The same output bytes for every rank count, batch, chunk, and with and without shared prefixes."""
import itertools
import sys
import unittest

import lockstep_cli as cli


def requests():
    """Short and long prompts, text and ids, with common beginnings, greedy and sampled."""
    scene = "The quick brown fox jumps over the lazy dog. " * 4
    rows = [{"prompt": scene + tail, "max_tokens": 12} for tail in ("One", "Two", "Three and more", "")]
    rows += [{"prompt": scene + "One", "max_tokens": 9, "temperature": 0.8, "top_p": 0.9, "seed": 5},
             {"prompt": [1 + i % 250 for i in range(200)], "max_tokens": 10, "ignore_eos": True},
             {"prompt": "x", "max_tokens": 70, "ignore_eos": True},
             {"prompt": "Grüße, 世界 🌍", "max_tokens": 8, "temperature": 1.2, "top_k": 20, "seed": 9},
             {"prompt": "stop here", "max_tokens": 20, "repetition_penalty": 1.3, "stop": ["a"], "logprobs": 3},
             {"prompt": scene + "Two", "max_tokens": 3, "prompt_logprobs": 2, "n": 2, "temperature": 0.9, "seed": 4},
             {"prompt": [5], "max_tokens": 1}]
    return rows


class CrossProduct(cli.CliTest):
    def check(self, model, ranks):
        base = ("--return-token-ids", "--threads", "1")
        expected = self.generate(1, model, requests(), *base)
        self.assertEqual(expected.count(b"\n"), len(requests()))
        combinations = itertools.product(ranks, (1, 3, 64), (64, 256, 0), ("true", "false"))
        for count, batch, chunk, share in combinations:
            arguments = (*base, "--schedule.max_sequences", batch, "--schedule.prefill_chunk", chunk,
                         "--schedule.max_step_tokens", 512, "--cache.share_prefixes", share)
            got = self.generate(count, model, requests(), *arguments)
            self.assertEqual(got, expected, f"{count} ranks, batch {batch}, chunk {chunk}, sharing {share}")

    def test_bf16_grouped_query(self):
        self.check(cli.make_model(self.directory / "model"), (1, 2, 4, 8))

    def test_small_pool_threads_and_replicas(self):
        model = cli.make_model(self.directory / "model", dtype="f32", seed=8)
        expected = self.generate(1, model, requests(), "--return-token-ids")
        for arguments in (("--cache.device_tokens", 384, "--model.max_sequence", 384),  # preempts and evicts
                          ("--threads", 3)):
            if arguments[0] == "--cache.device_tokens":
                reference = self.generate(1, model, requests(), "--return-token-ids", "--model.max_sequence", 384)
            else:
                reference = expected
            self.assertEqual(self.generate(1, model, requests(), "--return-token-ids", *arguments), reference, arguments)
        for ranks, tp in ((2, 1), (4, 2), (3, 1)):
            got = self.generate(ranks, model, requests(), "--return-token-ids", "--tp", tp)
            self.assertEqual(got, expected, f"{ranks} ranks, tp {tp}")


if __name__ == "__main__":
    sys.exit(unittest.main())
