"""Benches that judge: exit codes, limits, and the figures that no machine changes."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

BIN = pathlib.Path(os.environ["LOCKSTEP_BIN_DIR"])
ISA = "avx2" if " avx2 " in pathlib.Path("/proc/cpuinfo").read_text() else "scalar"  # scalar takes long


def run(program, *arguments):
    return subprocess.run([str(BIN / program), *map(str, arguments)], capture_output=True, text=True, timeout=240)


class Benches(unittest.TestCase):
    def bench(self, program, *arguments, code=0):
        done = run(program, *arguments)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout if code != 2 else done.stderr

    def refused(self, program, *arguments, words=()):
        error = self.bench(program, *arguments, code=2)
        for word in (*words, "usage: " + program):
            self.assertIn(word, error)

    def test_sealed_attention_refuses_what_it_cannot_measure(self):
        for contexts in ((600, 1024), (512, 1000), (1024, 1024), (2048, 1024)):
            self.refused("bench_sealed_attention", 1, "scalar", *contexts, words=(*map(str, contexts), "multiples of 512"))
        for arguments, word in (((0,), "threads = 0"), (("x",), "threads = x"), ((1, "avx3"), "avx2, avx512"),
                                ((1, "scalar", 0), "short context = 0"), ((1, "scalar", 512, 1024, 9), "one value too many"),
                                (("--limit",), "no value"), (("--limits=kv8=1",), "no option --limits"),
                                (("--limit", "full=1"), "kv8, k8v4, kv4"), (("--limit", "kv8=0"), "numbers above 0"),
                                (("--limit", "kv8"), "NAME=NUMBER"), (("--limit", "kv8=1,kv8=2"), "given twice")):
            self.refused("bench_sealed_attention", *arguments, words=(word,))

    def test_sealed_attention_judges_every_group(self):
        small = (1, ISA, 512, 1024)
        out = self.bench("bench_sealed_attention", *small)
        self.assertIn("prefill 64 behind 512 ", out)
        self.assertNotIn("limit passed", out)
        out = self.bench("bench_sealed_attention", *small, "--limit", "kv8=0.00001,kv4=100000", code=1)
        self.assertEqual(re.findall(r"limit passed: decode, group (\d), (\w+) of bf16", out),
                         [("1", "kv8"), ("4", "kv8"), ("8", "kv8")])

    def test_sparse_speed_counts_all_bytes_and_judges(self):
        out = self.bench("bench_sparse", "speed", 4096, "--limit=speedup=0.00001,bytes=0.17", code=1)
        # 64 pages, 8 of them read: the first one, which k8v4 and kv4 keep in 8 bits, six sealed ones, and the own one
        # in BF16; entries of the 63 pages before the own one.
        full, first, entry = 2 * 64 * 128 * 2, 64 * 128 * 2 + 4 * 128 + 2 * 64, 3 * 128
        sealed = {"bf16": full, "kv8": first, "k8v4": 64 * 128 * 3 // 2 + 4 * 128 + 4 * 64,
                  "kv4": 64 * 128 + 5 * 128 + 4 * 64}
        shares = {name: (63 * entry + full + 6 * page + (full if name == "bf16" else first)) /
                        (full + 62 * page + (full if name == "bf16" else first)) for name, page in sealed.items()}
        self.assertEqual(re.findall(r"(?m)^(\w+) +heads (\S+), .*bytes ([\d.]+) %$", out),
                         [(name, heads, f"{100 * share:.1f}") for name, share in shares.items() for heads in ("8/2", "4/4")])
        passed = re.findall(r"limit passed: (\w+), heads \S+: (.*) is", out)
        self.assertEqual(passed, [(name, "share of the bytes") for name, share in shares.items() if share > 0.17
                                  for _ in range(2)])
        self.assertIn(len(passed), range(1, 7), "the limit lies between the formats")
        self.refused("bench_sparse", "speed", 1024, words=("tokens = 1024", "from 2048"))
        self.refused("bench_sparse", "speed", 4100, words=("multiples of 64",))
        self.refused("bench_sparse", "speed", "--limit", "kv8=1", words=("speedup, bytes",))

    def test_sparse_recall_fails_where_an_answer_is_wrong(self):
        with tempfile.TemporaryDirectory(prefix="lockstep-test-") as directory:
            make = str(BIN / "make_associative_checkpoint")
            for name, sharpness, code in (("good", 14, 0), ("blunt", 0.5, 1)):
                subprocess.run([make, "--output", f"{directory}/{name}", "--sharpness", str(sharpness)], check=True,
                               capture_output=True, timeout=240)
                out = self.bench("bench_sparse", "recall", f"{directory}/{name}", 4096, "--ratios", "0.2", code=code)
                self.assertEqual(out.count("answers 128 of 128") == 8, code == 0, out)  # four formats, dense and sparse
                self.assertEqual("answers are wrong" in out, code == 1)
        self.refused("bench_sparse", "recall", words=("MODEL_DIR",))
        self.refused("bench_sparse", "recall", "x", "--ratios", "2", words=("numbers below 1",))
        self.refused("bench_sparse", "recall", "x", "--limit", "bytes=1", words=("no limits",))
        self.refused("bench_sparse", words=("accepted are recall, speed",))


if __name__ == "__main__":
    sys.exit(unittest.main())
