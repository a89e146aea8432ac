"""A job that is killed at any moment finishes exactly the rest, with the bytes of a job that was never killed."""
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import unittest

import lockstep_cli as cli

ROWS = [{"custom_id": f"row-{i}", "prompt": f"Row number {i % 37} of many", "max_tokens": 24 + i % 9,
         "ignore_eos": True, "temperature": 0.7 * (i % 2)} for i in range(160)]


class KilledJobs(cli.CliTest):
    def setUp(self):
        super().setUp()
        # Slow enough to be caught in the middle.
        self.model = cli.make_model(self.directory / "model", hidden=256, ffn=512, layers=4)
        self.rows = cli.write_rows(self.directory / "rows.jsonl", ROWS)

    def start(self, ranks, output):
        return subprocess.Popen(cli.command(ranks, "generate", "--model", self.model, "--input", self.rows, "--output",
                                            output, "--schedule.max_sequences", "8", "--threads", "1"),
                                stderr=subprocess.PIPE, stdout=subprocess.PIPE, env=cli.environment(),
                                start_new_session=True, text=True)

    def wait_for_growth(self, journal, size, process):
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if journal.exists() and journal.stat().st_size > size:
                return True
            time.sleep(0.01)
        return False

    def kill_until_done(self, ranks, kill):
        expected = self.generate(ranks, self.model, self.rows, "--threads", "1", output="whole.jsonl")
        output = self.directory / "killed.jsonl"
        journal = self.directory / "killed.jsonl.journal"
        kills = 0
        for _ in range(60):
            size = journal.stat().st_size if journal.exists() else 0
            process = self.start(ranks, output)
            if kills < 4 and self.wait_for_growth(journal, size + 2000, process):
                kill(process)
                kills += 1
                process.communicate(timeout=60)
                self.assertFalse(output.exists() and journal.exists(), "a result file stands beside an open journal")
                continue
            _, errors = process.communicate(timeout=cli.TIMEOUT_S)
            self.assertEqual(process.returncode, 0, errors)
            break
        self.assertGreaterEqual(kills, 2, "the job ended before it could be killed")
        self.assertIn("resum", errors)
        self.assertEqual(output.read_bytes(), expected)
        self.assertFalse(journal.exists())

    def test_kill_9_of_the_only_process(self):
        self.kill_until_done(0, lambda process: os.killpg(process.pid, signal.SIGKILL))

    def test_kill_9_of_mpirun_and_ranks(self):
        self.kill_until_done(2, lambda process: os.killpg(process.pid, signal.SIGKILL))

    def test_kill_9_of_one_rank_takes_the_job_down(self):
        def kill_last_rank(process):
            children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()
            os.kill(int(children[-1]), signal.SIGKILL)
        self.kill_until_done(2, kill_last_rank)


class ChangedJobs(cli.CliTest):
    def test_a_changed_job_is_refused_with_what_changed(self):
        model = cli.make_model(self.directory / "model", hidden=256, ffn=512, layers=4)
        rows = cli.write_rows(self.directory / "rows.jsonl", ROWS)
        output = self.directory / "out.jsonl"
        arguments = ["generate", "--model", model, "--input", rows, "--output", output, "--threads", "1"]
        process = subprocess.Popen(cli.command(0, *arguments), stderr=subprocess.DEVNULL, env=cli.environment(),
                                   start_new_session=True)
        journal = self.directory / "out.jsonl.journal"
        while process.poll() is None and not (journal.exists() and journal.stat().st_size > 2000):
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        changed = cli.run(0, *arguments, "--seed", "3")
        self.assertNotEqual(changed.returncode, 0)
        self.assertIn("seed", changed.stderr)
        self.assertIn("--restart", changed.stderr)
        for option, value, name in (("--cache.format", "kv8", "cache.format"),
                                    ("--attention.sparse_ratio", "0.5", "sparse attention")):
            changed = cli.run(0, *arguments, option, value)
            self.assertNotEqual(changed.returncode, 0)
            self.assertIn(name, changed.stderr)
        forced = self.directory / "forced.jsonl"
        shutil.copy(journal, self.directory / "forced.jsonl.journal")
        arguments[arguments.index(output)] = forced
        mixed = cli.run(0, *arguments, "--seed", "3", "--force-resume", "--summary", self.directory / "summary.json")
        self.assertEqual(mixed.returncode, 0, mixed.stderr)
        self.assertIn("under other settings", mixed.stderr)
        told = json.loads((self.directory / "summary.json").read_text())["rows_of_other_settings"]
        self.assertEqual(told[0]["manifest"]["seed"], "0")
        self.assertGreater(told[0]["rows"], 0)
        self.assertEqual(len(forced.read_bytes().splitlines()), len(ROWS))
        arguments[arguments.index(forced)] = output

        # The day that templates are told stays that of the first run.
        self.assertIn(b'"chat date"', journal.read_bytes())
        dated = cli.run(0, *arguments, "--chat-date", "1999-12-31")
        self.assertNotEqual(dated.returncode, 0)
        self.assertIn("chat date", dated.stderr)
        # Answers of class D0 depend neither on how far the scheduler sees nor on what is computed once.
        again = cli.run(0, *arguments, "--window", "200", "--cache.share_prefixes", "false")
        self.assertEqual(again.returncode, 0, again.stderr)
        finished = cli.run(0, *arguments)  # the output is there: nothing is overwritten by accident
        self.assertNotEqual(finished.returncode, 0)
        self.assertIn("--restart", finished.stderr)


if __name__ == "__main__":
    sys.exit(unittest.main())
