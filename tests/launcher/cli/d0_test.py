"""The same output bytes for every rank count, batch, chunk, and with and without shared prefixes."""
import itertools
import json
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

    # Every pair of values of two of these: ranks, batch, chunk, sharing.
    PAIRS = ((1, 1, 64, "true"), (1, 3, 256, "false"), (1, 64, 0, "true"),
             (2, 1, 256, "true"), (2, 3, 0, "true"), (2, 64, 64, "false"),
             (4, 1, 0, "false"), (4, 3, 64, "true"), (4, 64, 256, "true"),
             (8, 1, 64, "false"), (8, 3, 256, "true"), (8, 64, 0, "false"))

    def check_coded(self, name):
        """Sealed pages: what a position reads must not depend on where chunks, batches and hits end. Pages of 16 tokens, so
        that chunks of every size seal many. Returns the bytes of the output."""
        model = cli.make_model(self.directory / "model")
        base = ("--return-token-ids", "--threads", "1", "--cache.format", name, "--cache.page_tokens", 16,
                "--model.max_sequence", 256)
        rows = requests() + requests()[:3]  # their beginning has left a small device by then
        summary = self.directory / "summary.json"

        def cache(ranks, *arguments):
            """The summary's cache block of a job that must give the expected bytes."""
            got = self.generate(ranks, model, rows, *base, *arguments, "--summary", summary)
            self.assertEqual(got, expected, f"{name}, {ranks} ranks, {arguments}")
            return json.loads(summary.read_text())["cache"]

        # The whole prompt in one chunk, nothing beside it, nothing found.
        expected = self.generate(1, model, rows, *base, "--schedule.max_sequences", 1, "--cache.share_prefixes", "false")
        for ranks, batch, chunk, share in self.PAIRS:
            found = cache(ranks, "--schedule.max_sequences", batch, "--schedule.prefill_chunk", chunk,
                          "--schedule.max_step_tokens", 512, "--cache.share_prefixes", share)["hit_tokens"]
            self.assertEqual(found > 0, share == "true", f"{name}, {ranks} ranks, batch {batch}: {found} tokens found")
        small = ("--cache.device_tokens", 256, "--cache.load_or_recompute", "load", "--cache.policy", "lru",
                 "--schedule.order", "input", "--schedule.prefill_chunk", 64, "--schedule.max_sequences", 3)
        host = cache(2, *small, "--cache.host_tokens", 2000)
        self.assertGreater(host["tiers"]["host"]["hit_tokens"], 0)
        self.assertGreater(host["transfers"]["to_device"]["pages"], 0)
        disk = (*small, "--cache.host_tokens", 600, "--cache.disk_dir", self.directory / "store")
        cache(4, *disk)
        self.assertGreater(cache(8, *disk)["tiers"]["disk"]["hit_tokens"], 0)  # of a job of other ranks
        return expected

    def test_coded_pages(self):
        answers = [self.check_coded(name) for name in ("kv8", "kv4")]
        self.assertNotEqual(answers[0], answers[1], "formats have answers of their own")

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
