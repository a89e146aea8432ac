"""A job killed at many random moments, any rank or mpirun, ends with the bytes of a job that was left alone."""
import os
import random
import signal
import subprocess
import sys
import time
import unittest

import lockstep_cli as cli

NUM_ROWS = 200
# One row in 20 cannot be answered: its error must survive too.
ROWS = [{"custom_id": f"row-{i}", "prompt": f"Row number {i % 37} of many", "max_tokens": 30 + i * 7 % 50,
         "ignore_eos": True, "temperature": 0.7 * (i % 2), "n": 1 + (i % 10 == 3)} if i % 20 != 7 else
        {"custom_id": f"row-{i}", "prompt": i} for i in range(NUM_ROWS)]


def children_of(process):
    return [int(pid) for pid in subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True,
                                               text=True).stdout.split()]


class RandomKills(cli.CliTest):
    def setUp(self):
        super().setUp()
        self.seed = int(os.environ.get("LOCKSTEP_TEST_SEED", "20"))
        self.random = random.Random(self.seed)
        # Slow enough to be caught between two rows.
        self.model = cli.make_model(self.directory / "model", hidden=512, ffn=1024, layers=6)
        self.rows = cli.write_rows(self.directory / "rows.jsonl", ROWS)
        self.expected = self.generate(2, self.model, self.rows, "--threads", "1", output="whole.jsonl", code=3)
        self.expected_errors = (self.directory / "whole.jsonl.errors.jsonl").read_bytes()
        self.output = self.directory / "killed.jsonl"
        self.journal = self.directory / "killed.jsonl.journal"

    def start(self, ranks):
        arguments = cli.command(ranks, "generate", "--model", self.model, "--input", self.rows, "--output", self.output,
                                "--schedule.max_sequences", "3", "--threads", "1")
        return subprocess.Popen(arguments, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env=cli.environment(),
                                start_new_session=True, text=True)

    def wait_for_a_moment(self, process):
        """Until some rows more are finished, or for a random time: loading and ending are moments too."""
        if self.random.random() < 0.3:
            deadline, growth = time.monotonic() + self.random.uniform(0, 1.5), 1 << 60
        else:
            deadline, growth = time.monotonic() + 60, self.random.choice([1, 300, 900, 2000])
        size = self.journal.stat().st_size if self.journal.exists() else 0
        while process.poll() is None and time.monotonic() < deadline:
            if self.journal.exists() and self.journal.stat().st_size >= size + growth:
                break
            time.sleep(0.003)

    def check_finished(self):
        self.assertEqual(self.output.read_bytes(), self.expected, f"seed {self.seed}")
        self.assertEqual((self.directory / "killed.jsonl.errors.jsonl").read_bytes(), self.expected_errors)
        self.assertFalse(self.journal.exists())

    def run_killed(self, ranks, num_kills, kill):
        """Kills `num_kills` times, then lets the job end. A job that ends before is checked, and begun anew."""
        kills = 0
        while True:
            process = self.start(ranks)
            if kills < num_kills:
                self.wait_for_a_moment(process)
                if process.poll() is None:
                    kill(process)
                    kills += 1
            errors = self.errors_of(process, kills)
            # Killed behind the last step, the job is finished all the same.
            is_finished = self.output.exists() and not self.journal.exists()
            self.assertTrue(is_finished or process.returncode != 3, errors)
            if not is_finished:
                self.assertLess(0, kills, errors)
                continue
            self.check_finished()
            if kills >= num_kills:
                return
            self.output.unlink()

    def errors_of(self, process, kills):
        """What the job wrote to stderr, once it has ended. All ranks have to; Open MPI 4's mpiexec sometimes locks itself
        up behind them, in PMIx_server_finalize, and is helped out."""
        deadline, seconds_alone = time.monotonic() + cli.TIMEOUT_S, 0
        while True:
            try:
                return process.communicate(timeout=1)[1]
            except subprocess.TimeoutExpired:
                states = subprocess.run(["ps", "-o", "stat=", "--ppid", str(process.pid)], capture_output=True,
                                        text=True).stdout.split()
                seconds_alone = seconds_alone + 1 if all(state.startswith("Z") for state in states) else 0
            if seconds_alone > 15:
                os.killpg(process.pid, signal.SIGKILL)
            elif time.monotonic() > deadline:
                os.killpg(process.pid, signal.SIGKILL)
                self.fail(f"seed {self.seed}: the job hangs after {kills} kills")

    def kill_any(self, process):
        victims = children_of(process)
        target = process.pid if self.random.random() < 0.25 or not victims else self.random.choice(victims)
        try:
            os.kill(target, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def test_fifty_kills_at_two_ranks(self):
        self.run_killed(2, 50, self.kill_any)

    def test_kills_at_four_ranks(self):
        self.run_killed(4, 12, self.kill_any)

    def test_kills_of_two_replicas(self):
        # Rows reach the journal from another leader here.
        start = self.start
        self.start = lambda ranks: start_with_tp(start, ranks)
        self.run_killed(2, 8, self.kill_any)

    def test_sigterm_at_one_and_two_ranks(self):
        for ranks in (0, 2):
            self.run_killed(ranks, 6, lambda process: process.send_signal(signal.SIGTERM))
            self.output.unlink()


def start_with_tp(start, ranks):
    command = cli.command
    try:
        cli.command = lambda count, *arguments: command(count, *arguments, "--tp", "1")
        return start(ranks)
    finally:
        cli.command = command


class Signals(cli.CliTest):
    """A signal ends the job after the step at hand, with its own exit code and a word on how to go on."""

    def setUp(self):
        super().setUp()
        self.model = cli.make_model(self.directory / "model", hidden=512, ffn=1024, layers=6)
        self.rows = cli.write_rows(self.directory / "rows.jsonl", ROWS)
        self.output = self.directory / "out.jsonl"

    def stopped(self, ranks, send, expected_code):
        journal = self.directory / "out.jsonl.journal"
        journal.unlink(missing_ok=True)
        process = subprocess.Popen(
            cli.command(ranks, "generate", "--model", self.model, "--input", self.rows, "--output", self.output,
                        "--threads", "1"), stderr=subprocess.PIPE, env=cli.environment(), text=True)
        while process.poll() is None and not (journal.exists() and journal.stat().st_size > 3000):
            time.sleep(0.005)
        send(process)
        _, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, expected_code, errors)
        self.assertIn("the same command goes on", errors)
        self.assertTrue(journal.exists())
        self.assertFalse(self.output.exists())

    def test_signals_of_a_single_process(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            self.stopped(0, lambda process: process.send_signal(number), 128 + number)

    def test_a_signal_to_one_rank_stops_all(self):
        for which in (0, -1):
            self.stopped(2, lambda process: os.kill(sorted(children_of(process))[which], signal.SIGUSR1),
                         128 + signal.SIGUSR1)

    def test_a_forwarded_signal(self):
        # What `sbatch --signal=USR1@60` sends to mpirun, and mpirun to every rank.
        self.stopped(2, lambda process: process.send_signal(signal.SIGUSR1), 128 + signal.SIGUSR1)


class DeadRanks(cli.CliTest):
    def test_a_step_that_does_not_end_takes_the_job_down(self):
        """A rank that is stopped, not dead: no launcher notices, the others must."""
        model = cli.make_model(self.directory / "model", hidden=512, ffn=1024, layers=6)
        rows = cli.write_rows(self.directory / "rows.jsonl", ROWS)
        process = subprocess.Popen(
            cli.command(2, "generate", "--model", model, "--input", rows, "--output", self.directory / "out.jsonl",
                        "--threads", "1", "--step-timeout", "2"), stderr=subprocess.PIPE, env=cli.environment(),
            text=True)
        journal = self.directory / "out.jsonl.journal"
        while process.poll() is None and not (journal.exists() and journal.stat().st_size > 3000):
            time.sleep(0.005)
        os.kill(sorted(children_of(process))[-1], signal.SIGSTOP)
        _, errors = process.communicate(timeout=60)
        self.assertNotEqual(process.returncode, 0)
        self.assertIn("no step has ended for 2 s", errors)
        self.assertIn("same command", errors)


if __name__ == "__main__":
    sys.exit(unittest.main())
