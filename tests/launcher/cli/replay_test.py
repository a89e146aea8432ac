"""`lockstep replay` as a user meets it: table, CSV, plot, traces of both forms, and what it refuses."""
import csv
import io
import json
import pathlib
import sys
import unittest
import xml.etree.ElementTree

import lockstep_cli as cli

TRACE = cli.SOURCE / "examples" / "traces" / "conversations.jsonl"
GOLDEN = pathlib.Path(__file__).with_name("replay_golden.csv")
MOONCAKE = cli.shared_data() / "traces" / "mooncake_conversation_trace.jsonl"
POLICIES = "lru,lfu,fifo,adaptive,compressed,min"


def replay(*arguments):
    return cli.run(0, "replay", *arguments)


def rates(text):
    """{(policy, capacity): hits} of a CSV."""
    return {(row["policy"], int(row["capacity_blocks"])): int(row["hits"]) for row in csv.DictReader(io.StringIO(text))}


class Replay(cli.CliTest):
    def refused(self, *arguments):
        done = replay(*arguments)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(done.stdout, "")
        return done.stderr

    def trace(self, *lines):
        path = self.directory / "trace.jsonl"
        path.write_text("".join(line + "\n" for line in lines))
        return path

    def test_help_lists_every_option(self):
        self.assertIn("replay", cli.run(0, "--help").stdout)
        done = replay("--help")
        self.assertEqual(done.returncode, 0)
        for option in ("--trace", "--model", "--page-tokens", "--order", "--capacity", "--capacity-unit", "--policy",
                       "--future", "--estimate", "--csv", "--plot"):
            self.assertIn(option, done.stdout)

    def test_csv_is_the_golden_one_in_every_run(self):
        arguments = ("--trace", TRACE, "--capacity", "25,50,100,0.2k,400", "--policy", POLICIES, "--estimate", "0")
        done = replay(*arguments, "--csv", "-")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, GOLDEN.read_text())
        path = self.directory / "figures.csv"
        self.assertEqual(replay(*arguments, "--csv", path).returncode, 0)
        self.assertEqual(path.read_text(), GOLDEN.read_text())

    def test_table_has_a_line_per_policy(self):
        done = replay("--trace", TRACE, "--capacity", "50,100", "--policy", "min,lru")
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.splitlines()
        self.assertIn("400 requests in arrival order", lines[0])
        self.assertIn("attainable", lines[1])
        self.assertEqual([line.split()[0] for line in lines[-2:]], ["min", "lru"])
        self.assertEqual(len(lines[-1].split()), 3)

    def test_known_future_is_the_bound_and_order_of_reuse_reaches_what_is_attainable(self):
        done = replay("--trace", TRACE, "--capacity", "50", "--policy", "adaptive,compressed,min", "--future", "known",
                      "--csv", "-")
        known = rates(done.stdout)
        self.assertEqual(known["adaptive", 50], known["min", 50])
        self.assertEqual(known["compressed", 50], known["min", 50])
        sorted_rates = rates(replay("--trace", TRACE, "--capacity", "50", "--order", "reuse", "--csv", "-").stdout)
        attainable = max(sorted_rates.values())
        self.assertEqual(sorted_rates["lru", 50], attainable)
        self.assertLess(known["min", 50], attainable)

    def test_capacities_in_tokens(self):
        in_blocks = replay("--trace", TRACE, "--capacity", "100", "--csv", "-").stdout
        in_tokens = replay("--trace", TRACE, "--capacity", "51.2k", "--capacity-unit", "tokens", "--csv", "-").stdout
        self.assertEqual(in_tokens, in_blocks)

    def test_plot_is_an_image_with_every_policy(self):
        path = self.directory / "plot.svg"
        for capacity in ("25,100,400", "100"):
            done = replay("--trace", TRACE, "--capacity", capacity, "--policy", POLICIES, "--plot", path)
            self.assertEqual(done.returncode, 0, done.stderr)
            root = xml.etree.ElementTree.parse(path).getroot()
            space = "{http://www.w3.org/2000/svg}"
            texts = [element.text for element in root.iter(space + "text")]
            for word in (*POLICIES.split(","), "attainable", "capacity in blocks", "hit rate in %", "100"):
                self.assertIn(word, texts)
            lines = list(root.iter(space + "polyline"))
            self.assertEqual(len(lines), 6)
            width, height = float(root.get("width")), float(root.get("height"))
            for line in lines:
                points = [tuple(map(float, point.split(","))) for point in line.get("points").split()]
                self.assertEqual(len(points), capacity.count(",") + 1)
                self.assertEqual(points, sorted(points))  # capacities to the right
                for x, y in points:
                    self.assertTrue(0 < x < width and 0 < y < height, (x, y))

    def test_requests_of_a_batch_job(self):
        model = cli.make_model(self.directory / "model")
        prefix = "The same beginning, which has 48 characters. ok:"
        self.assertEqual(len(prefix), 48)
        rows = [{"prompt": prefix + f"{i:016d}"} for i in range(3)]
        rows.append({"custom_id": "b", "method": "POST", "url": "/v1/completions",
                     "body": {"model": "m", "prompt": [prefix + "x" * 16, "y" * 40], "n": 2}})
        path = self.trace(*map(json.dumps, rows))
        done = replay("--trace", path, "--model", model, "--page-tokens", "16", "--capacity", "1k", "--policy", "lru",
                      "--csv", "-")
        self.assertEqual(done.returncode, 0, done.stderr)
        row = next(csv.DictReader(io.StringIO(done.stdout)))
        # A BOS or none: 64 or 65 tokens are four pages, three of them the same; 40 or 41 are two pages.
        self.assertEqual((int(row["accesses"]), int(row["hits"])), (3 * 4 + 2 * 4 + 2 * 2, 3 + 3 + 3 + 4 + 2))

    def test_a_requests_file_needs_a_model(self):
        error = self.refused("--trace", self.trace('{"prompt": "x"}'), "--capacity", "5")
        self.assertIn("--model DIR", error)
        self.assertIn("hash_ids", error)

    def test_bad_lines_are_named(self):
        good = '{"timestamp": 0, "input_length": 9, "output_length": 1, "hash_ids": [1, 2]}'
        for bad, words in (('{"hash_ids": [1, -2]}', "hash_ids[1] is -2"), ('{"hash_ids": 7}', "hash_ids is 7"),
                           ('{"hash_ids": [1.5]}', "hash_ids[0] is 1.5"), ('{"timestamp": 3}', "hash_ids"),
                           ('{"hash_ids": [1], "input_length": "x"}', "input_length"), ("[1]", "object"), ("{", "JSON")):
            path = self.trace(good, "", bad, good)
            error = self.refused("--trace", path, "--capacity", "5")
            self.assertIn(f"{path}: line 3: ", error)
            self.assertIn(words, error)
            self.assertIn('"hash_ids": [0, 1]}', error)

    def test_bad_rows_of_a_batch_file_are_named(self):
        model = cli.make_model(self.directory / "model")
        path = self.trace('{"prompt": "x"}', '{"prompt": "x", "max_tokens": -1}')
        error = self.refused("--trace", path, "--model", model, "--capacity", "5")
        self.assertIn(str(path), error)
        self.assertIn("line 2", error)

    def test_files_without_requests(self):
        self.assertIn("hash_ids", self.refused("--trace", self.trace(), "--capacity", "5"))
        self.assertIn("no request has a block", self.refused("--trace", self.trace('{"hash_ids": []}'), "--capacity", "5"))
        self.assertIn("nowhere", self.refused("--trace", self.directory / "nowhere", "--capacity", "5"))

    def test_bad_options_are_refused_with_the_accepted_ones(self):
        for arguments, words in ((("--capacity", "5"), "--trace"), (("--trace", TRACE), "--capacity"),
                                 (("--trace", TRACE, "--capacity", "5,x"), "'x'"),
                                 (("--trace", TRACE, "--capacity", "0"), "'0'"),
                                 (("--trace", TRACE, "--capacity", "1.2345k"), "'1.2345k'"),
                                 (("--trace", TRACE, "--capacity", "99999999999G"), "'99999999999G'"),
                                 (("--trace", TRACE, "--capacity", "5", "--policy", "mru"), "accepted: lru"),
                                 (("--trace", TRACE, "--capacity", "5", "--future", "maybe"), "unknown, known"),
                                 (("--trace", TRACE, "--capacity", "5", "--order", "odd"), "arrival, reuse"),
                                 (("--trace", TRACE, "--capacity", "5", "--estimate", "21"), "-1 to 20"),
                                 (("--trace", TRACE, "--capacity", "5", "--capacity-unit", "tokens"), "no block of 512")):
            self.assertIn(words, self.refused(*arguments))

    @unittest.skipUnless(MOONCAKE.exists(), f"{MOONCAKE} is not there")
    def test_published_trace(self):
        done = replay("--trace", MOONCAKE, "--capacity", "1k,3k,10k,30k", "--csv", "-")
        self.assertEqual(done.returncode, 0, done.stderr)
        hits = rates(done.stdout)
        for policy, percent, within in (("lru", 21.1, 0.3), ("lfu", 13.2, 0.3), ("min", 36.6, 0.05)):
            self.assertAlmostEqual(100 * hits[policy, 10000] / 288500, percent, delta=within)
        for capacity in (1000, 3000, 10000, 30000):
            self.assertGreater(hits["adaptive", capacity], max(hits["lru", capacity], hits["lfu", capacity]))


if __name__ == "__main__":
    sys.exit(unittest.main())
