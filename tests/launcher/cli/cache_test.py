"""The cache's tiers as a user meets them: whatever tiers, ranks, orders and policies, whatever fails, the same bytes."""
import json
import os
import re
import signal
import subprocess
import sys
import time
import unittest

import lockstep_cli as cli

PAGE_TOKENS = 16
NUM_PREFIXES = 6
# Six prefixes of some 28 pages in turn, so that each is wanted again after the device has lost it.
ROWS = [{"custom_id": f"row-{i}",
         "prompt": " ".join(f"In house {i % NUM_PREFIXES} room {room} someone put the "
                            f"{('lamp', 'key', 'cup', 'box')[(i % NUM_PREFIXES + room) % 4]} on the table."
                            for room in range(18)) + f" Question {i}: where is it?",
         "max_tokens": 8 + i % 7, "ignore_eos": True, "return_token_ids": True, "temperature": 0.8 * (i % 3 == 0),
         "n": 1 + (i % 8 == 5), **({"logprobs": 2} if i % 5 == 2 else {})} for i in range(18)]
MODEL = ("--model", cli.RECALL, "--threads", "1", "--cache.page_tokens", PAGE_TOKENS, "--model.max_sequence", 600)
SMALL = ("--schedule.max_step_tokens", 64, "--schedule.max_sequences", 4, "--cache.device_tokens", 704,
         "--cache.load_or_recompute", "load")
ORDERS = (("input", "lru"), ("reuse", "adaptive"), ("input", "adaptive"), ("reuse", "lru"))


def num_distinct_pages(rows):
    """Whole pages of all prompts, equal beginnings counted once."""
    lines = "".join(row["prompt"] + "\n" for row in rows)
    done = subprocess.run(cli.command(0, "tokenize", "--model", cli.RECALL), input=lines, capture_output=True, text=True,
                          timeout=cli.TIMEOUT_S, env=cli.environment(), check=True)
    pages = set()
    for line in done.stdout.splitlines():
        ids = json.loads(line)
        pages.update(tuple(ids[:end]) for end in range(PAGE_TOKENS, len(ids) + 1, PAGE_TOKENS))
    return len(pages)


class CacheTest(cli.CliTest):
    expected = None  # the bytes without a cache; made by the first test

    def setUp(self):
        super().setUp()
        self.rows = cli.write_rows(self.directory / "rows.jsonl", ROWS)
        self.store = self.directory / "store"
        if CacheTest.expected is None:
            CacheTest.expected = self.generate(0, cli.RECALL, self.rows, *MODEL[2:], "--cache.share_prefixes", "false",
                                               output="expected.jsonl")

    def arguments(self, name, *more):
        return ("generate", *MODEL, *SMALL, "--input", self.rows, "--output", self.directory / f"{name}.jsonl",
                "--summary", self.directory / f"{name}.json", *more)

    def job(self, ranks, *more):
        """A job that must give the expected bytes; returns the summary's cache block, and standard error."""
        done = cli.run(ranks, *self.arguments("out", "--restart", *more))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((self.directory / "out.jsonl").read_bytes(), self.expected, f"{ranks} ranks, {more}")
        return json.loads((self.directory / "out.json").read_text())["cache"], done.stderr

    def cache(self, *arguments, code=0, ranks=0):
        done = cli.run(ranks, "cache", *arguments)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout if code != 2 else done.stderr

    def verify(self, code=0):
        return self.cache("verify", "--dir", self.store, code=code)


def hits(cache, tier):
    return cache["tiers"][tier]["hit_tokens"]


class Formats(CacheTest):
    """Coded pages and sparse attention have answers of their own, which nothing else changes either."""

    def check(self, *numerics, ranks=(1, 2, 4)):
        alone = self.generate(0, cli.RECALL, self.rows, *MODEL[2:], "--cache.share_prefixes", "false", *numerics,
                              output="alone.jsonl")
        seen = {alone}
        for count in ranks:
            how = (*numerics, "--schedule.order", "input" if count == 2 else "reuse")
            disk = ("--cache.disk_dir", self.directory / f"{numerics[1]}-{count}")
            for tiers in ((), ("--cache.host_tokens", 4000), disk, disk):
                done = cli.run(count, *self.arguments("out", "--restart", *how, *tiers))
                self.assertEqual(done.returncode, 0, done.stderr)
                seen.add((self.directory / "out.jsonl").read_bytes())
            cache = json.loads((self.directory / "out.json").read_text())["cache"]
            self.assertGreater(hits(cache, "disk"), 0, f"{count} ranks")
        self.assertEqual(len(seen), 1, numerics)
        return alone

    def test_coded_pages(self):
        answers = [self.check("--cache.format", name) for name in ("kv8", "kv4")]
        self.assertNotEqual(answers[0], self.expected)  # in the last digits of log-probabilities
        self.assertNotEqual(answers[0], answers[1])

    def test_sparse_attention(self):
        # Two KV heads: with four ranks each chooses pages for its own query heads, so up to two are compared.
        sparse = ("--attention.sparse_ratio", "0.1", "--attention.sparse_dense_below", 0, "--cache.format", "kv8")
        uniform = self.check(*sparse, ranks=(1, 2))
        self.assertNotEqual(uniform, self.check(*sparse, "--attention.sparse_layer_ratios", "0:0.05/1:0.4", ranks=(1, 2)))

    def test_offload(self):
        # Longer answers than the device has pages for; sinks and recent pages are few.
        sparse = ("--attention.sparse_ratio", "0.1", "--attention.sparse_dense_below", 0, "--cache.format", "kv8",
                  "--attention.sparse_recent_pages", 0)
        large = self.generate(0, cli.RECALL, self.rows, *MODEL[2:], *sparse, output="large.jsonl")
        for ranks in (1, 2):
            done = cli.run(ranks, *self.arguments("out", "--restart", *sparse, "--attention.sparse_offload", "true",
                                                  "--cache.host_tokens", 6000))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual((self.directory / "out.jsonl").read_bytes(), large, f"{ranks} ranks")
            sparse_block = json.loads((self.directory / "out.json").read_text())["cache"]["sparse"]
            self.assertGreater(sparse_block["offloaded_pages"], 0)
            self.assertGreater(sparse_block["in_place_page_reads"], sparse_block["offloaded_pages"])

    def test_what_cannot_be_is_refused(self):
        offload = ("--attention.sparse_offload", "true")
        for options, message in ((("--cache.format", "kv2"), "accepted are full, kv8, k8v4, kv4"),
                                 (("--cache.quantization_bits", 3), "accepted are 0, 16, 8, 4"),
                                 (("--attention.sparse_ratio", 0), "above 0 and up to 1"),
                                 (("--attention.sparse_ratio", 0.5, "--attention.sparse_layer_ratios", "1:0.5/x:1"),
                                  '"x:1" is not LAYER:RATIO'),
                                 (("--attention.sparse_layer_ratios", "1:0.5"), "attention.sparse_ratio = 1, with which"),
                                 (offload, "attention.sparse_ratio = 1: dense attention"),
                                 ((*offload, "--attention.sparse_ratio", 0.5, "--cache.host_tokens", 0),
                                  "cache.host_tokens = 0: there is no host memory"),
                                 (("--schedule.memory_strategy", "thrifty"), "speed, balanced, aggressive")):
            done = cli.run(2, *self.arguments("out", *options))
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(message, done.stderr)
        done = cli.run(2, *self.arguments("out", "--attention.sparse_ratio", 0.5, "--attention.sparse_dense_layers", 4))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("no layer of the model's 4 is sparse", done.stderr)
        done = cli.run(2, *self.arguments("out", "--restart", "--attention.sparse_ratio", 0.5, "--attention.sparse_layer_ratios", "4:0.5"))
        self.assertEqual(done.returncode, 1, done.stderr)  # behind the model's configuration
        self.assertIn("the model has layers 0 to 3", done.stderr)


class SparseRecall(cli.CliTest):
    """What sparse attention passes over is not what is asked for."""

    def test_as_many_answers_are_exact_as_with_dense_attention(self):
        requests = cli.SOURCE / "examples" / "requests"
        answers = {row["custom_id"]: row["answer"] for row in cli.read_rows(requests / "recall_64_answers.jsonl")}
        self.assertEqual(len(answers), 64)

        def exact(*arguments):
            """How many answers are exact, and the summary's counters of sparse attention."""
            summary = self.directory / "summary.json"
            out = self.generate(2, cli.RECALL, requests / "recall_64.jsonl", "--threads", "1", "--cache.page_tokens", PAGE_TOKENS,
                                "--summary", summary, *arguments)
            rows = [json.loads(line) for line in out.splitlines()]
            self.assertEqual(len(rows), len(answers))
            right = sum(row["response"]["body"]["choices"][0]["text"].strip() == answers[row["custom_id"]] for row in rows)
            return right, json.loads(summary.read_text())["cache"].get("sparse")

        dense, _ = exact()
        self.assertGreaterEqual(dense, 63)
        # Layer 1 finds what is asked for: with the worst pages instead of the best no answer is right.
        for name in ("full", "kv4"):
            sparse, counts = exact("--attention.sparse_ratio", 0.05, "--attention.sparse_layer_ratios", "0:0.05/1:0.4",
                                   "--attention.sparse_least_pages", 4, "--attention.sparse_dense_below", 0, "--cache.format", name)
            self.assertGreaterEqual(sparse, 0.995 * dense, name)
            self.assertEqual(counts["dense_lists"], 0)
            self.assertLess(counts["read_ratio"], 0.15, name)


class Tiers(CacheTest):
    def check_tiers(self, ranks, other_ranks, orders):
        foreign = self.directory / "foreign"
        self.job(other_ranks, "--cache.disk_dir", foreign, "--schedule.order", "reuse")
        for order, policy in orders:
            with self.subTest(ranks=ranks, order=order, policy=policy):
                how = ("--schedule.order", order, "--cache.policy", policy)
                own = self.directory / f"{order}-{policy}"
                device, _ = self.job(ranks, *how)
                self.assertEqual(device["tiers"]["host"]["state"], "absent")
                self.assertGreater(device["tiers"]["device"]["evicted_pages"], 0)
                host, _ = self.job(ranks, *how, "--cache.host_tokens", 4000)
                self.assertGreater(host["transfers"]["to_host"]["pages"], 0)
                if order == "input":  # ordered for reuse, a prefix is never wanted again
                    self.assertGreater(hits(host, "host"), hits(host, "device"))
                disk, _ = self.job(ranks, *how, "--cache.disk_dir", own)
                self.assertGreater(disk["transfers"]["to_disk"]["pages"], 0)
                self.assertGreater(disk["tiers"]["disk"]["used_pages"], 0)
                for store in (own, foreign):  # of a job like this, and of one with other ranks
                    warm, errors = self.job(ranks, *how, "--cache.disk_dir", store)
                    self.assertNotRegex(errors, r"beside 0 found")
                    self.assertGreater(hits(warm, "disk"), 0)
                    self.assertGreater(warm["transfers"]["from_disk"]["pages"], 0)
                    self.assertGreater(warm["transfers"]["to_device"]["pages"], 0)
                for figures in (host, disk, warm):
                    self.assertEqual(sum(one["failures"] for one in figures["transfers"].values()), 0)

    def test_one_rank(self):
        self.check_tiers(1, 2, ORDERS[:2])

    def test_two_ranks(self):
        self.check_tiers(2, 4, ORDERS)

    def test_four_ranks(self):
        self.check_tiers(4, 1, ORDERS[2:])

    def test_a_small_disk_gives_up_what_is_worth_least(self):
        for ranks, policy in ((2, "lru"), (4, "adaptive")):
            cache, _ = self.job(ranks, "--cache.disk_dir", self.directory / policy, "--cache.disk_bytes", 2 << 20,
                                "--cache.policy", policy)
            self.assertGreater(cache["tiers"]["disk"]["evicted_pages"], 0)
            self.assertEqual(cache["tiers"]["disk"]["state"], "on")
            self.assertEqual(cache["transfers"]["to_disk"]["failures"], 0)

    def test_two_replicas_share_a_directory(self):
        how = ("--tp", "1", "--cache.disk_dir", self.store)
        cold, _ = self.job(2, *how)
        self.assertEqual(cold["replicas"], 2)
        warm, _ = self.job(2, *how)
        self.assertGreater(hits(warm, "disk"), hits(cold, "disk"))
        self.verify()

    def test_two_jobs_at_once_in_one_directory(self):
        jobs = [subprocess.Popen(cli.command(2, *self.arguments(name, "--cache.disk_dir", self.store)),
                                 stderr=subprocess.PIPE, text=True, env=cli.environment()) for name in ("one", "two")]
        for name, job in zip(("one", "two"), jobs):
            _, errors = job.communicate(timeout=cli.TIMEOUT_S)
            self.assertEqual(job.returncode, 0, errors)
            self.assertEqual((self.directory / f"{name}.jsonl").read_bytes(), self.expected)
        self.verify()

    def test_a_killed_job_goes_on(self):
        # Slow enough to be caught between two rows. What it measured stands in the journal and differs the next time.
        arguments = self.arguments("out", "--cache.disk_dir", self.store, "--inject", "delay:ms=20")
        journal = self.directory / "out.jsonl.journal"
        process = subprocess.Popen(cli.command(2, *arguments), stderr=subprocess.PIPE, env=cli.environment(), text=True)
        while process.poll() is None and not (journal.exists() and b"row-2" in journal.read_bytes()):
            time.sleep(0.003)
        self.assertIsNone(process.poll(), "it was to be killed before its end")
        self.assertIn(b'"ns to compute a page"', journal.read_bytes())
        ranks = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()
        os.kill(int(ranks[-1]), signal.SIGKILL)
        _, errors = process.communicate(timeout=cli.TIMEOUT_S)
        self.assertNotEqual(process.returncode, 0, errors)
        self.assertFalse((self.directory / "out.jsonl").exists())
        self.verify()
        done = cli.run(2, *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("resuming", done.stderr)
        self.assertEqual((self.directory / "out.jsonl").read_bytes(), self.expected)
        self.verify()


class Faults(CacheTest):
    def test_every_kind_on_one_rank(self):
        # A flipped bit is found where the page is read: on its way up, or when it comes back from the disk.
        for kind, channels in (("host_copy:rank=1:every=5", ("to_host",)),
                               ("bit_flip:rank=1:every=7", ("to_device", "from_disk")),
                               ("disk_read:rank=1:every=3", ("from_disk",)), ("disk_write:rank=1:every=4", ("to_disk",)),
                               ("enospc:rank=1:nth=3", ("to_disk",)), ("timeout:rank=1:nth=2", ("to_host",)),
                               ("vanish:rank=1:every=3", ("from_disk",)), ("delay:rank=1:ms=1", ())):
            with self.subTest(kind=kind):
                cache, errors = self.job(2, "--cache.disk_dir", self.directory / kind.split(":")[0], "--cache.policy",
                                         "lru", "--transfer.timeout_ms", 500, "--inject", kind)
                failures = {name: one["failures"] for name, one in cache["transfers"].items()}
                if not channels:
                    self.assertEqual(sum(failures.values()), 0)
                    self.assertNotIn("KV cache: rank", errors)
                else:
                    self.assertGreater(sum(failures[channel] for channel in channels), 0)
                    self.assertEqual(len(re.findall(r"\[rank 0\] \[warning\] KV cache: rank 1: page", errors)),
                                     sum(failures.values()))

    def test_a_tier_that_keeps_failing_is_switched_off_and_said_so(self):
        cache, _ = self.job(2, "--cache.disk_dir", self.store, "--inject", "disk_write:rank=1")
        self.assertEqual(cache["tiers"]["disk"]["state"], "switched_off")
        self.assertEqual(cache["tiers"]["disk"]["reason"], "repeated faults")
        self.assertEqual(cache["tiers"]["host"]["state"], "on")

    def test_ranks_that_part_end_the_job(self):
        for ranks in (2, 4):
            done = cli.run(ranks, *self.arguments("out", "--cache.host_tokens", 600, "--inject",
                                                  f"diverge:rank={ranks - 1}:step=5"))
            self.assertNotEqual(done.returncode, 0)
            message = re.search(rf"\[rank {ranks - 1}\] \[error\] plan \d+ assumes the cache state ([0-9a-f]{{32}}), this "
                                r"rank's is ([0-9a-f]{32}): the ranks' caches have parted; "
                                r"last ops published: .*ALLOCATE.*; last ops here: .*ALLOCATE",
                                done.stderr)
            self.assertTrue(message, done.stderr)
            self.assertNotEqual(message[1], message[2])
            self.assertFalse((self.directory / "out.jsonl").exists())
            (self.directory / "out.jsonl.journal").unlink(missing_ok=True)

    def test_a_wrong_bit_on_the_disk(self):
        self.job(2, "--cache.disk_dir", self.store)
        for segment in self.store.glob("w-*.seg"):  # one KV head of each rank: 16 KiB a page
            data = bytearray(segment.read_bytes())
            for page in range(40):
                data[4096 + page * 16384 + 37 * page] ^= 1 << page % 8
            segment.write_bytes(data)
        listing = self.verify(code=1)
        self.assertEqual(len(re.findall(r"\.seg", listing)), 80, listing)
        self.assertIn(": 80 bad", listing)
        cache, errors = self.job(2, "--cache.disk_dir", self.store)
        self.assertGreater(cache["transfers"]["from_disk"]["failures"], 0)
        self.assertGreater(hits(cache, "disk"), 0)
        self.assertIn("has a wrong checksum", errors)

    def test_a_full_file_system(self):
        self.store.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(self.store)], capture_output=True,
                                 text=True)
        if mounted.returncode != 0:
            self.skipTest("this user cannot mount a small tmpfs: " + mounted.stderr.strip())
        self.addCleanup(lambda: subprocess.run(["umount", "-l", str(self.store)], check=False))
        cache, errors = self.job(2, "--cache.disk_dir", self.store, "--cache.disk_bytes", 1 << 28)
        self.assertIn("No space left on device", errors)
        self.assertGreater(cache["transfers"]["to_disk"]["failures"], 0)
        self.verify()


class Usage(CacheTest):
    def test_bad_values_end_all_ranks_at_once(self):
        for option, value, *words in (
                ("cache.device_bytes", "-1", "0 to"), ("cache.host_tokens", "-2", "-1 to"),
                ("cache.host_bytes", "-1", "0 to"), ("cache.disk_bytes", "-1", "0 to"),
                ("cache.disk_bytes", "1000000", "give cache.disk_dir too"), ("cache.disk_io", "aio", "auto, uring, pread, mmap"),
                ("cache.persist", "perhaps", "true"), ("cache.policy", "mru", "adaptive, lru, lfu, fifo, compressed"),
                ("cache.load_or_recompute", "never", "auto, load"), ("schedule.order", "random", "input, reuse"),
                ("transfer.workers", "0", "1 to 64"), ("transfer.workers", "65", "1 to 64"),
                ("transfer.timeout_ms", "0", "1 to"), ("inject", "meteor", "host_copy", "diverge"),
                ("inject", "delay:ms=soon", "ms"), ("metrics-port", "70000", "0 to 65535")):
            with self.subTest(option=option, value=value):
                ranks = 2 if option in ("cache.policy", "inject") else 0
                done = cli.run(ranks, "generate", *MODEL, "--input", self.rows, "--output", self.directory / "out.jsonl",
                               f"--{option}={value}")
                self.assertEqual(done.returncode, 2, done.stderr)
                for word in (option, value, *words):
                    self.assertIn(word, done.stderr)
                self.assertEqual(done.stderr.count("[error]"), 1, done.stderr)
        for pair in (("cache.host_tokens", "cache.host_bytes"), ("cache.device_tokens", "cache.device_bytes")):
            done = cli.run(0, "generate", *MODEL, "--input", self.rows, "--output", self.directory / "out.jsonl",
                           f"--{pair[0]}=700", f"--{pair[1]}=1000000")
            self.assertEqual(done.returncode, 2, done.stderr)
            for word in (*pair, "give one of them"):
                self.assertIn(word, done.stderr)

    def test_a_directory_that_cannot_be_made(self):
        (self.directory / "file").write_text("in the way")
        place = self.directory / "file" / "store"
        for command in (self.arguments("out", "--cache.disk_dir", place),
                        ("cache", "warm", "--dir", place, *MODEL, "--input", self.rows)):
            done = cli.run(2, *command)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn(str(place), done.stderr)
            self.assertEqual(done.stderr.count("[error]"), 1, done.stderr)

    def test_subcommands(self):
        self.assertIn("inspect|verify|warm|purge", self.cache("--help"))
        for arguments, words in (((), "inspect|verify|warm|purge"), (("burn",), "unknown subcommand 'burn'"),
                                 (("verify",), "--dir DIR is missing"), (("warm",), "--dir DIR is missing"),
                                 (("warm", "--dir", self.store), "--input FILE is missing"),
                                 (("purge", "--dir", self.store, "--content", "12"), "32 hexadecimal digits")):
            self.assertIn(words, self.cache(*arguments, code=2))
        self.assertIn(str(self.store), cli.run(0, "cache", "inspect", "--dir", self.store).stderr)

    def test_purge(self):
        self.job(1, "--cache.disk_dir", self.store)
        content = re.search(r"^([0-9a-f]{32}) .* (\d+) +(\d+)(?: +[\d.]+){3}$", self.cache("inspect", "--dir", self.store), re.M)
        self.assertTrue(content)
        self.assertEqual(content[2], content[3], "all pages are whole")
        self.cache("purge", "--dir", self.store, "--content", "0" * 32)
        self.assertIn(content[1], self.cache("inspect", "--dir", self.store))
        self.assertIn("removed 1 segments", self.cache("purge", "--dir", self.store, "--content", content[1]))
        self.assertNotIn(content[1], self.cache("inspect", "--dir", self.store))
        cold, _ = self.job(1, "--cache.disk_dir", self.store)
        self.assertGreater(cold["transfers"]["to_disk"]["pages"], 0)


class Warm(CacheTest):
    def warm(self, ranks, rows, *more, code=0, device_tokens=704):
        done = cli.run(ranks, "cache", "warm", "--dir", self.store, *MODEL, *SMALL[:4], "--cache.device_tokens",
                       device_tokens, "--input", rows, *more)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def pages(self, output):
        return [tuple(map(int, pair)) for pair in re.findall(r"^pages +(\d+) found before, (\d+) now", output, re.M)]

    def test_one_round_is_durable_at_its_end(self):
        done = self.warm(2, self.rows, device_tokens=16384)
        distinct = num_distinct_pages(ROWS)
        self.assertEqual(self.pages(done.stdout), [(0, distinct)])
        self.cache("purge", "--dir", self.store)
        done = self.warm(2, self.rows, "--inject", "disk_write:rank=1", device_tokens=16384, code=1)
        self.assertIn("switched off", done.stderr)
        self.assertEqual(self.pages(done.stdout), [(0, 0)])

    def test_all_pages_of_prompts_are_there_for_later_jobs(self):
        distinct = num_distinct_pages(ROWS)
        done = self.warm(2, self.rows)
        self.assertIn(f"rows       {len(ROWS)} total: {len(ROWS)} computed, 0 bad", done.stdout)
        self.assertEqual(self.pages(done.stdout), [(0, distinct)])
        self.assertRegex(done.stderr, rf"{len(ROWS)}/{len(ROWS)} rows")
        self.verify()
        again = self.warm(1, self.rows)  # another tensor-parallel degree
        self.assertEqual(self.pages(again.stdout), [(distinct, distinct)])
        cache, _ = self.job(2, "--cache.disk_dir", self.store)
        self.assertEqual(hits(cache, "device") + hits(cache, "host") + hits(cache, "disk"), cache["hit_tokens"])
        # Every prompt is found but for its last, partial page.
        self.assertGreater(cache["hit_tokens"],
                           cache["lookup_tokens"] - sum(row["n"] for row in ROWS) * (PAGE_TOKENS + 1))

    def test_jobs_whose_pages_shrink_find_them(self):
        shrinks = ("--determinism", "d1", "--cache.policy", "compressed", "--cache.cold_format", "kv4",
                   "--cache.host_tokens", 1024, "--cache.disk_bytes", 1 << 26)
        distinct = num_distinct_pages(ROWS)
        done = self.warm(2, self.rows, *shrinks, "--cache.compression_ratio", 0.6)
        self.assertEqual(self.pages(done.stdout), [(0, distinct)])
        self.verify()
        # None shrinks while it is warmed: which replica computes a page does not matter.
        done = self.warm(2, self.rows, *shrinks, "--cache.compression_ratio", 0.6, "--tp", 1)
        self.assertEqual(self.pages(done.stdout), [(distinct, distinct)] * 2)
        for ratio, found in ((0.6, distinct), (0.7, 0)):
            done = cli.run(2, *self.arguments("out", "--restart", *shrinks, "--cache.compression_ratio", ratio,
                                              "--cache.disk_dir", self.store, "--cache.persist", "false"))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(f"beside {found * PAGE_TOKENS} found", done.stderr)
            cache = json.loads((self.directory / "out.json").read_text())["cache"]
            self.assertGreater(cache["cold"]["transcoded_pages"], 0)
            if found:  # every prompt is found but for its last, partial page
                self.assertGreater(cache["hit_tokens"],
                                   cache["lookup_tokens"] - sum(row["n"] for row in ROWS) * (PAGE_TOKENS + 1))

    def test_replicas_share_the_rows(self):
        done = self.warm(2, self.rows, "--tp", "1")
        self.assertIn(f"rows       {len(ROWS)} total: {len(ROWS)} computed, 0 bad", done.stdout)
        found = self.pages(done.stdout)
        self.assertEqual(len(found), 2)
        self.assertIn("(replica 1)", done.stdout)
        distinct = num_distinct_pages(ROWS)
        self.assertEqual(self.pages(self.warm(1, self.rows).stdout), [(distinct, distinct)])

    def test_bad_rows_are_counted(self):
        chat = {"messages": [{"role": "user", "content": "Where is the lamp? " * 20}]}
        template = self.directory / "chat.jinja"
        template.write_text("{% for message in messages %}{{ message.content }}{% endfor %}")
        rows = cli.write_rows(self.directory / "mixed.jsonl",
                              [ROWS[0], {"prompt": 7}, chat, {"prompt": "x" * 20000}, {"prompt": [ROWS[1]["prompt"], "a"]}])
        for ranks, tp in ((1, 1), (2, 1), (2, 2)):
            done = self.warm(ranks, rows, "--tp", tp, "--chat-template", template, code=3)
            self.assertIn("rows       5 total: 3 computed, 2 bad", done.stdout)
            self.assertIn("row 2 cannot be computed", done.stderr)
            self.assertIn("row 4 cannot be computed", done.stderr)

    def test_a_store_that_is_too_small_is_said(self):
        done = self.warm(1, self.rows, "--cache.disk_bytes", 2 << 20)
        self.assertIn("is full: more needs a larger cache.disk_bytes", done.stderr)
        self.assertLess(self.pages(done.stdout)[0][1], num_distinct_pages(ROWS))
        self.verify()

    def test_what_contradicts_warming_is_refused(self):
        for more, word in ((("--cache.persist", "false"), "cache.persist"),
                           (("--cache.share_prefixes", "false"), "cache.share_prefixes"),
                           (("--cache.disk_dir", self.directory / "other"), "cache.disk_dir"),
                           (("--cache.cold_format", "kv4", "--cache.policy", "compressed"), "needs --determinism d1"),
                           (("--cache.cold_format", "kv4", "--determinism", "d1"), "cache.policy = adaptive")):
            self.assertIn(word, self.warm(2, self.rows, *more, code=2).stderr)

    def test_failing_tiers_and_stops_have_their_exit_codes(self):
        done = self.warm(2, self.rows, "--inject", "disk_write:rank=1", code=1)
        self.assertIn("switched off", done.stderr)
        rows = cli.write_rows(self.directory / "many.jsonl", [{"prompt": f"{i} " + row["prompt"]} for i in range(400)
                                                              for row in ROWS])
        process = subprocess.Popen(cli.command(0, "cache", "warm", "--dir", self.store, *MODEL, *SMALL[:6], "--input", rows),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=cli.environment())
        while process.poll() is None and not any(log.stat().st_size > 4000 for log in self.store.glob("w-*.log")):
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 128 + signal.SIGTERM, errors)
        self.assertGreater(self.pages(output)[0][1], 0)
        self.assertIn("goes on with the rest", errors)
        self.verify()


if __name__ == "__main__":
    sys.exit(unittest.main())
