"""`lockstep bench` with shapes that need no files: tables, figures, ranks, mistakes."""
import json
import sys
import unittest

import lockstep_cli as cli

SMALL = ("--shape", "tiny", "--repeats", "2", "--ceiling-mib", "4", "--ceiling-product", "64")


class Bench(cli.CliTest):
    def bench(self, kind, *arguments, ranks=0, code=0):
        """The report of a run; standard output and error stand in self.done."""
        path = self.directory / "report.json"
        path.unlink(missing_ok=True)
        self.done = cli.run(ranks, "bench", kind, *arguments, "--json", path)
        self.assertEqual(self.done.returncode, code, self.done.stderr)
        return json.loads(path.read_text()) if code == 0 else None

    def check_spread(self, spread):
        self.assertGreater(spread["low"], 0)
        self.assertLessEqual(spread["low"], spread["median"])
        self.assertLessEqual(spread["median"], spread["high"])

    def test_decode(self):
        for ranks in (0, 2):
            report = self.bench("decode", *SMALL, "--batch", "1,3", "--context", "40,100", "--steps", "3", ranks=ranks)
            self.assertEqual([row["batch"] for row in report["rows"]], [1, 3, 1, 3])
            self.assertEqual(report["ranks"], max(ranks, 1))
            self.assertEqual(report["parameters"], 155968)
            for row in report["rows"]:
                self.check_spread(row["step_seconds"])
                rate = row["batch"] / row["step_seconds"]["median"]
                self.assertAlmostEqual(row["tokens_per_second"]["median"], rate, delta=rate / 1e6)
                split = sum(row["host_seconds"].values())
                self.assertGreater(split, 0)
                self.assertLess(split, 1.1 * row["step_seconds"]["high"])
            for row, context in zip(report["rows"], (40, 40, 100, 100)):
                self.assertTrue(context <= row["context"] <= context + 20, row["context"])

    def test_context_comes_in_chunks(self):
        report = self.bench("decode", *SMALL, "--batch", "12", "--context", "300", "--steps", "2", "--schedule.max_step_tokens",
                            "128")
        context = report["rows"][0]["context"]
        self.assertTrue(270 <= context <= 330, context)

    def test_prefill(self):
        report = self.bench("prefill", *SMALL, "--batch", "1,2", "--context", "64,130", "--schedule.max_step_tokens", "128")
        self.assertEqual([row["steps"] for row in report["rows"]], [1, 1, 2, 3])
        self.check_spread(report["rows"][0]["seconds"])

    def test_latency(self):
        report = self.bench("latency", *SMALL, "--batch", "2", "--input-tokens", "8", "--output-tokens", "5")
        self.check_spread(report["rows"][0]["seconds"])
        self.assertEqual(report["rows"][0]["output_tokens"], 5)

    def test_cache(self):
        """Each prefix is found where it should be, by the counters; the bench itself ends with an error if one is not."""
        sizes = ("--prefix-tokens", "128", "--suffix-tokens", "4", "--decoding", "2", "--decoded-tokens", "16", "--pause", "2",
                 "--cache.page_tokens", "8")
        for ranks in (0, 2):
            disk = self.directory / f"disk{ranks}"
            report = self.bench("cache", *SMALL, *sizes, "--cache.disk_dir", disk, ranks=ranks)
            self.assertEqual([row["prefix"] for row in report["rows"]], ["computed", "device", "host", "disk"])
            self.assertEqual([row["prefix"] for row in report["mixed"]], ["host", "disk"])
            for row in report["rows"]:
                self.check_spread(row["seconds"])
                self.check_spread(row["speedup"])
                place, count = row["prefix"], row["requests"]
                found = {tier: 128 * count if tier == place else 0 for tier in ("device", "host", "disk")}
                self.assertEqual(row["hit_tokens"], found)
                self.assertEqual(row["promoted_pages"], 16 * count if place in ("host", "disk") else 0)
                self.assertEqual(row["fetched_pages"], 16 * count if place == "disk" else 0)
                if place in ("host", "disk"):
                    self.assertEqual(count, 2)
                    copied = row["channels"]["to_device"]
                    self.assertEqual(copied["transfers"], 16 * count)
                    self.assertEqual(copied["bytes"], 16 * count * report["page_bytes"])
                self.assertTrue(0 <= row["exposed_share"] <= 1, row)
            for mixed in report["mixed"]:
                self.assertGreater(mixed["promoting_steps"], 0)
                self.assertGreaterEqual(mixed["other_steps"], 2)
                self.assertTrue(0 <= mixed["exposed_share_of_all_steps"] <= 1, mixed)

    def test_cache_without_lower_tiers(self):
        report = self.bench("cache", *SMALL, "--prefix-tokens", "64", "--cache.page_tokens", "8", "--cache.host_tokens", "0")
        self.assertEqual([row["prefix"] for row in report["rows"]], ["computed", "device"])
        self.assertEqual(report["mixed"], [])

    def test_cache_needs_room(self):
        self.bench("cache", *SMALL, "--prefix-tokens", "128", "--cache.page_tokens", "8", "--cache.host_tokens", "128", code=1)
        self.assertIn("take turns", self.done.stderr)

    def test_kernels(self):
        sizes = ("--tokens", "1,4", "--batch", "1,2", "--context", "192", "--prompt", "32", "--cold-mib", "1",
                 "--cache.page_tokens", "16")
        report = self.bench("kernels", *SMALL, *sizes, ranks=2)
        seen = {row["op"] for row in report["rows"]}
        self.assertEqual(seen, {"embedding", "gather_rows", "rms_norm", "add_rms_norm", "rope_and_write_kv", "swiglu", "linear",
                                "argmax", "paged_attention", "select_pages", "seal_pages", "index_pages", "transcode",
                                "sample_rows", "all_reduce"})
        self.assertEqual(sum(row["op"] == "linear" for row in report["rows"]), 10)
        for row in report["rows"]:
            self.check_spread(row["seconds"])
        self.assertGreater(report["limits"]["bytes_per_second"], 1e8)
        some = self.bench("kernels", *SMALL, *sizes, "--ops", "argmax")
        self.assertEqual({row["op"] for row in some["rows"]}, {"argmax"})

    def test_kernels_of_sealed_pages(self):
        """Bytes are those of the format, and of the pages that a list has."""
        def rows(*options):
            report = self.bench("kernels", *SMALL, "--ops", "paged_attention,seal_pages,select_pages", "--batch", "2", "--context",
                                "512", "--prompt", "512", "--cold-mib", "1", "--cache.page_tokens", "16", *options)
            found = {}
            for row in report["rows"]:
                found[row["op"], row["shape"].split()[0].rstrip(":")] = row
            return report, found

        full, of_full = rows()
        self.assertEqual((full["format"], full["sparse_ratio"]), ("full", 0.1))
        of_bytes = {"full": of_full["paged_attention", "decode"]["bytes"]}
        self.assertIn("8 of 32", of_full["paged_attention", "sparse"]["shape"])
        for name in ("kv8", "k8v4", "kv4"):
            report, found = rows("--cache.format", name, "--attention.sparse_ratio", "0.5")
            self.assertEqual((report["format"], report["sparse_ratio"]), (name, 0.5))
            self.assertTrue(found["paged_attention", "decode"]["shape"].startswith(f"decode {name} 2 x 512"))
            self.assertIn("16 of 32", found["select_pages", "sparse"]["shape"])
            self.assertIn(("seal_pages", name), found)
            of_bytes[name] = found["paged_attention", "decode"]["bytes"]
            self.assertLess(found["paged_attention", "sparse"]["bytes"], 0.7 * of_bytes[name])
        self.assertEqual(sorted(of_bytes, key=of_bytes.get), ["kv4", "k8v4", "kv8", "full"])
        few = self.bench("kernels", *SMALL, "--ops", "select_pages", "--context", "64")
        self.assertEqual(few["rows"], [])
        self.assertIn("1 pages, all are read; left out", self.done.stdout)

    def test_decode_of_sealed_pages(self):
        """What a step reads of keys and values follows from the format and the lists."""
        def kv_bytes(*options):
            report = self.bench("decode", *SMALL, "--batch", "2", "--context", "512", "--steps", "2", "--cache.page_tokens", "16",
                                *options)
            return report["rows"][0]["kv_bytes"]

        full = kv_bytes()
        self.assertLess(kv_bytes("--cache.format", "kv8"), 0.7 * full)
        sparse = ("--attention.sparse_ratio", "0.25", "--attention.sparse_dense_below", "0", "--attention.sparse_dense_layers", "0")
        self.assertLess(kv_bytes(*sparse), 0.5 * full)

    def test_offload_measures_more_than_the_device_holds(self):
        report = self.bench("decode", *SMALL, "--batch", "4", "--context", "200", "--steps", "2", "--cache.page_tokens", "16",
                            "--cache.device_tokens", "512", "--attention.sparse_ratio", "0.5", "--attention.sparse_offload", "true",
                            "--cache.host_tokens", "2048")
        self.assertEqual(report["rows"][0]["batch"], 4)

    def test_a_model_works_like_a_shape(self):
        model = cli.make_model(self.directory / "model")
        report = self.bench("decode", "--model", model, *SMALL[2:], "--batch", "2", "--context", "20", "--steps", "2")
        self.assertEqual(report["query_heads"], 8)
        shape = self.bench("kernels", "--shape", model / "config.json", *SMALL[2:], "--ops", "rms_norm", "--tokens", "2")
        self.assertEqual(shape["rows"][0]["shape"], "2 x 64")

    def test_a_batch_that_does_not_fit_is_smaller(self):
        report = self.bench("decode", *SMALL, "--batch", "8", "--context", "100", "--steps", "2", "--cache.device_tokens", "1024")
        self.assertLess(report["rows"][0]["batch"], 8)
        self.assertIn("the KV cache holds", self.done.stderr)

    def test_mistakes_are_named(self):
        for arguments, part in ((("decode", "--shape", "llama-9"), "llama-3-8b"),
                                (("decode",), "--shape"),
                                (("decode", "--shape", "tiny", "--model", "x"), "accepted is one"),
                                (("decode", "--shape", "tiny", "--batch", "1,x"), "batch"),
                                (("kernels", "--shape", "tiny", "--ops", "liner"), "liner"),
                                (("latency", "--shape", "tiny", "--output-tokens", "0"), "output-tokens"),
                                (("cache", "--shape", "tiny", "--prefix-tokens", "65"), "cache.page_tokens")):
            self.bench(*arguments, code=2)
            self.assertIn(part, self.done.stderr)

    def test_help(self):
        self.assertIn("bench latency", cli.run(0, "bench", "--help").stdout)
        for kind in ("kernels", "decode", "prefill", "latency", "cache"):
            text = cli.run(0, "bench", kind, "--help").stdout
            self.assertIn("--shape", text)
            self.assertIn("--json", text)

    def test_a_shape_has_no_text(self):
        done = cli.run(0, "info", "--model", "synthetic:llama-3-70b", "--cache.device_tokens", "1024",
                       "--model.max_sequence", "1024")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("70553.7 M", done.stdout)


if __name__ == "__main__":
    sys.exit(unittest.main())
