"""A disk that fills up: a clear message, nothing lost, and the same command goes on once there is room."""
import subprocess
import sys
import unittest

import lockstep_cli as cli

ROWS = [{"custom_id": f"row-{i}", "prompt": f"Row {i}", "max_tokens": 40, "ignore_eos": True, "return_token_ids": True}
        for i in range(300)]


class FullDisk(cli.CliTest):
    def setUp(self):
        super().setUp()
        self.model = cli.make_model(self.directory / "model")
        self.rows = cli.write_rows(self.directory / "rows.jsonl", ROWS)
        self.expected = self.generate(2, self.model, self.rows, "--threads", "1", output="whole.jsonl")
        self.disk = self.directory / "disk"
        self.disk.mkdir()
        self.output = self.disk / "out.jsonl"

    def mount(self, num_bytes):
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={num_bytes}", "tmpfs", str(self.disk)],
                              capture_output=True, text=True)
        if done.returncode != 0:
            self.skipTest("this user cannot mount a small tmpfs: " + done.stderr.strip())
        self.addCleanup(lambda: subprocess.run(["umount", "-l", str(self.disk)], check=False))

    def grow(self, num_bytes):
        subprocess.run(["mount", "-o", f"remount,size={num_bytes}", str(self.disk)], check=True)

    def run_job(self):
        return cli.run(2, "generate", "--model", self.model, "--input", self.rows, "--output", self.output, "--threads", "1")

    def check_goes_on(self):
        done = self.run_job()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("resuming", done.stderr)
        self.assertEqual(self.output.read_bytes(), self.expected)
        self.assertEqual([path.name for path in self.disk.iterdir()], ["out.jsonl"])

    def test_full_while_rows_are_journaled(self):
        self.mount(len(self.expected) // 2)
        done = self.run_job()
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("No space left on device", done.stderr)
        self.assertIn("same command", done.stderr)
        self.assertFalse(self.output.exists())
        self.grow(4 * len(self.expected))
        self.check_goes_on()

    def test_full_while_the_output_is_written(self):
        self.mount(len(self.expected) * 3 // 2)  # room for the journal, not for both
        done = self.run_job()
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("No space left on device", done.stderr)
        self.assertFalse(self.output.exists())
        self.assertEqual([path.name for path in self.disk.iterdir()], ["out.jsonl.journal"], "no part is left behind")
        self.grow(4 * len(self.expected))
        self.check_goes_on()


if __name__ == "__main__":
    sys.exit(unittest.main())
