"""Jobs on CUDA devices, emulated ones by default: same bytes however they are run, and clear ends when something is missing.

LOCKSTEP_EMULATED_MODULE names the emulated CUDA module; set LOCKSTEP_TEST_GPU=1 to run on real GPUs instead.
"""
import json
import os
import signal
import subprocess
import sys
import time
import unittest

import lockstep_cli as cli
from d0_test import requests

EMULATED = os.environ.get("LOCKSTEP_EMULATED_MODULE", "")
ON_GPU = os.environ.get("LOCKSTEP_TEST_GPU") == "1"


def device_environment(**extra):
    """What a rank needs to find its device; `extra` comes on top."""
    if ON_GPU:
        return cli.environment(**extra)
    # One algorithm to try for a product: loading takes seconds less. The choice has tests of its own.
    emulation = {"LOCKSTEP_CUDA_MODULE": EMULATED, "LOCKSTEP_EMULATED_GPUS": 4, "LOCKSTEP_EMULATED_CUBLASLT": "plain"}
    return cli.environment(**{**emulation, **extra})


class CudaTest(cli.CliTest):
    def start(self, ranks, model, rows, *arguments, output="out.jsonl", env=None, restart=True):
        rows = cli.write_rows(self.directory / "in.jsonl", rows)
        line = cli.command(ranks, "generate", "--model", model, "--input", rows, "--output", self.directory / output,
                           "--return-token-ids", "--threads", "1", *(("--restart",) if restart else ()), *arguments)
        return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=env or device_environment())

    def finish(self, process, code=0):
        _, errors = process.communicate(timeout=cli.TIMEOUT_S)
        self.assertEqual(process.returncode, code, errors)
        return errors

    def job(self, ranks, model, rows, *arguments, output="out.jsonl"):
        log = self.finish(self.start(ranks, model, rows, "--device", "cuda", *arguments, output=output))
        return (self.directory / output).read_bytes(), log


class SameBytes(CudaTest):
    def check(self, model, variants, *numerics):
        expected, log = self.job(1, model, requests(), *numerics)
        self.assertIn("device cuda", log)
        self.assertEqual(expected.count(b"\n"), len(requests()))
        for ranks, arguments in variants:
            got, log = self.job(ranks, model, requests(), *numerics, *arguments)
            self.assertEqual(got, expected, f"{ranks} ranks, {numerics}, {arguments}\n{log}")
        return expected

    def test_heads_of_8(self):
        model = cli.make_model(self.directory / "model")
        self.check(model, [(1, ("--graphs", "false", "--plan-ahead", "off")),
                           (1, ("--schedule.max_sequences", 3, "--schedule.prefill_chunk", 64)),
                           (1, ("--cache.device_tokens", 1024, "--cache.share_prefixes", "false")),
                           (2, ("--transport", "nccl")), (2, ("--transport", "mpi")),
                           (4, ("--schedule.max_sequences", 3)), (2, ("--tp", 1))])

    def test_heads_of_64(self):
        model = cli.make_model(self.directory / "model", hidden=128, heads=4, head_dim=64, kv_heads=2, ffn=192)
        self.check(model, [(2, ("--graphs", "false")), (4, ("--transport", "mpi", "--plan-ahead", "off"))])


    def test_coded_pages_and_sparse_attention(self):
        model = cli.make_model(self.directory / "model", hidden=128, heads=4, head_dim=64, kv_heads=2, ffn=192)
        variants = [(1, ("--graphs", "false", "--plan-ahead", "off", "--schedule.max_sequences", 3)),
                    (2, ("--cache.device_tokens", 1024, "--cache.host_tokens", 2048, "--cache.load_or_recompute", "load"))]
        pages = ("--cache.page_tokens", 16)
        sparse = ("--attention.sparse_ratio", 0.3, "--attention.sparse_dense_below", 0, "--attention.sparse_least_pages", 1,
                  "--attention.sparse_dense_layers", 0, "--attention.sparse_recent_pages", 0)
        seen = {self.check(model, variants, *pages, *numerics)
                for numerics in ((), ("--cache.format", "kv8"), ("--cache.format", "kv4"), sparse,
                                 ("--cache.format", "k8v4", *sparse))}
        self.assertEqual(len(seen), 5)

    def test_pages_read_on_the_host(self):
        # A device too small for what runs: copies of what is selected come and go, ahead of use or not, or not at all.
        model = cli.make_model(self.directory / "model", hidden=128, heads=4, head_dim=64, kv_heads=2, ffn=192)
        sparse = ("--cache.page_tokens", 16, "--attention.sparse_ratio", 0.3, "--attention.sparse_dense_below", 0,
                  "--attention.sparse_least_pages", 1, "--attention.sparse_dense_layers", 0,
                  "--attention.sparse_recent_pages", 0)
        small = ("--cache.device_tokens", 512, "--cache.host_tokens", 4096, "--cache.load_or_recompute", "load",
                 "--attention.sparse_offload", "true")
        rows = [{**row, "max_tokens": 60} for row in requests()]
        for numerics in ((), ("--cache.format", "kv4")):
            expected, _ = self.job(1, model, rows, *sparse, *numerics)
            for ranks, arguments in ((1, ()), (2, ("--attention.sparse_hot_pages", 8)),
                                     (1, ("--attention.sparse_hot_pages", 0, "--graphs", "false"))):
                got, log = self.job(ranks, model, rows, *sparse, *numerics, *small, *arguments, "--summary",
                                    self.directory / "out.json")
                self.assertEqual(got, expected, f"{ranks} ranks, {numerics}, {arguments}\n{log}")
                counts = json.loads((self.directory / "out.json").read_text())["cache"]["sparse"]
                self.assertGreater(counts["in_place_page_reads"], 0)
                has_copies = "--graphs" not in arguments
                self.assertEqual(counts["hot_fetches"] > 0, has_copies)
                self.assertEqual(counts["hot_reads"] > counts["hot_fetches"], has_copies)

    def test_evaluation_looks_one_step_ahead(self):
        done = subprocess.run(cli.command(2, "eval", "--model", cli.RECALL, "--device", "cuda", "--rows", 2, "--threads", 1,
                                          "--settings", "full,kv8"), capture_output=True, text=True,
                              timeout=cli.TIMEOUT_S, env=device_environment())
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("2 of 2", done.stdout)


class AsTheCpu(CudaTest):
    def test_recall_answers(self):
        rows = cli.read_rows(cli.SOURCE / "examples" / "requests" / "recall_64.jsonl")[:12]
        expected = self.generate(1, cli.RECALL, rows, "--return-token-ids")
        got, _ = self.job(2, cli.RECALL, rows)
        self.assertEqual(got, expected)


@unittest.skipIf(ON_GPU, "what is missing is made missing by the emulation")
class Missing(CudaTest):
    def setUp(self):
        super().setUp()
        self.model = cli.make_model(self.directory / "model")

    def refuse(self, ranks, texts, *arguments, code=2, **extra):
        process = self.start(ranks, self.model, [{"prompt": "x"}], *arguments, env=device_environment(**extra))
        errors = self.finish(process, code)
        for text in texts:
            self.assertIn(text, errors)
        self.assertFalse((self.directory / "out.jsonl").exists())

    def test_no_driver(self):
        process = self.start(2, self.model, [{"prompt": "x"}], "--device", "cuda", env=cli.environment())
        self.assertIn("device = cuda: this machine has no CUDA driver", self.finish(process, 2))

    def test_driver_without_gpu(self):
        self.refuse(2, ["device = cuda: the driver offers no usable GPU"], "--device", "cuda", LOCKSTEP_EMULATED_GPUS=0)

    def test_auto_without_gpu_says_so(self):
        process = self.start(1, self.model, [{"prompt": "x"}], env=device_environment(LOCKSTEP_EMULATED_GPUS=0))
        self.assertIn("device cpu (the driver offers no usable GPU", self.finish(process))

    def test_module_of_another_build(self):
        other = self.directory / "other.so"
        subprocess.run(["cc", "-shared", "-x", "c", "-", "-o", str(other)], check=True, text=True,
                       input='const char* const lockstep_cuda_abi = "0.0.0-other";\n')
        self.refuse(1, ["belongs to another build", "0.0.0-other"], "--device", "cuda", LOCKSTEP_CUDA_MODULE=other)

    def test_fewer_gpus_than_ranks(self):
        self.refuse(4, ["4 ranks on node", "for 2 GPUs", "--share-gpu"], "--device", "cuda", LOCKSTEP_EMULATED_GPUS=2)

    def test_memory_that_is_too_small(self):
        self.refuse(2, ["cache.device_tokens"], "--device", "cuda", code=1, LOCKSTEP_EMULATED_MEMORY=2 << 20)
        self.refuse(2, ["cannot allocate", "this rank holds", "bytes free"], "--device", "cuda",
                    "--cache.device_tokens", 1 << 20, code=1, LOCKSTEP_EMULATED_MEMORY=64 << 20)

    def test_gpus_on_some_ranks_only(self):
        rows = cli.write_rows(self.directory / "in.jsonl", [{"prompt": "x"}])
        program = cli.command(0, "generate", "--model", self.model, "--input", rows, "--output",
                              self.directory / "out.jsonl", "--restart")
        for device, text in (("auto", "other ranks have a GPU"), ("cuda", "no usable GPU")):
            line = [cli.MPIEXEC, "-n", "1", *program, "--device", device,
                    ":", "-n", "1", "-x", "LOCKSTEP_EMULATED_GPUS=0", *program, "--device", device]
            done = subprocess.run(line, capture_output=True, text=True, env=device_environment(),
                                  timeout=cli.TIMEOUT_S)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(text, done.stderr)
            self.assertIn("rank 1", done.stderr)

    def test_nccl_needs_gpus_of_their_own(self):
        self.refuse(2, ["nccl"], "--device", "cuda", "--share-gpu", "true", "--transport", "nccl", code=1,
                    LOCKSTEP_EMULATED_GPUS=1)
        self.refuse(2, ["nccl"], "--device", "cpu", "--transport", "nccl", code=1)


@unittest.skipUnless(os.environ.get("LOCKSTEP_REAL_MODULE"), "this build has no CUDA module")
@unittest.skipIf(ON_GPU, "there is a GPU")
class RealModule(CudaTest):
    """It loads with all its libraries and names what is missing, on a machine without driver or GPU."""

    def setUp(self):
        super().setUp()
        self.env = cli.environment(LOCKSTEP_CUDA_MODULE=os.environ["LOCKSTEP_REAL_MODULE"])

    def test_info(self):
        done = subprocess.run(cli.command(0, "info", "--model", cli.RECALL), capture_output=True, text=True,
                              env=self.env, timeout=cli.TIMEOUT_S)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("the driver offers no usable GPU: ", done.stdout)

    def test_cuda_is_refused_and_auto_goes_on(self):
        for device, code, text in (("cuda", 2, "device = cuda: the driver offers no usable GPU"),
                                   ("auto", 0, "device cpu (the driver offers no usable GPU")):
            process = self.start(2, cli.RECALL, [{"prompt": "x"}], "--device", device, env=self.env)
            self.assertIn(text, self.finish(process, code))


class DeadRank(CudaTest):
    def test_a_killed_rank_ends_the_job_and_nothing_is_lost(self):
        model = cli.make_model(self.directory / "model")
        rows = [{"prompt": f"row {i}", "max_tokens": 30, "ignore_eos": True} for i in range(40)]
        expected, _ = self.job(1, model, rows, output="expected.jsonl")
        arguments = ("--device", "cuda", "--transport", "nccl", "--schedule.max_sequences", 2)
        process = self.start(2, model, rows, *arguments)
        journal = self.directory / "out.jsonl.journal"
        deadline = time.monotonic() + cli.TIMEOUT_S
        while not (journal.exists() and journal.stat().st_size > 4000):
            self.assertIsNone(process.poll(), "the job ended before it could be killed")
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)
        children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()
        os.kill(int(children[-1]), signal.SIGKILL)
        start = time.monotonic()
        process.communicate(timeout=60)
        self.assertNotEqual(process.returncode, 0)
        self.assertLess(time.monotonic() - start, 30)
        # On GPUs the CPU's instruction set decides no bit: it does not stand in the way of going on elsewhere.
        log = self.finish(self.start(2, model, rows, *arguments, "--isa", "scalar", restart=False))
        self.assertIn("resumed", log)
        self.assertEqual((self.directory / "out.jsonl").read_bytes(), expected)


if __name__ == "__main__":
    sys.exit(unittest.main())
