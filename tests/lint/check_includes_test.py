#!/usr/bin/env python3
"""The include lint finds what it is there to find."""
import sys
import unittest

from check_includes import breach


class Breaches(unittest.TestCase):
    def test_down_the_chain_is_fine(self):
        self.assertEqual(breach("dist/topology.cpp", True, "core/error.h"), "")
        self.assertEqual(breach("tests/core/a.cpp", True, "launcher/engine.h"), "")

    def test_up_the_chain(self):
        self.assertIn("must not know", breach("core/error.cpp", True, "kernels/linear.h"))
        self.assertIn("must not know", breach("cache/planner.h", True, "dist/topology.h"))
        self.assertIn("must not know", breach("launcher/main.cpp", True, "tests/support/a.h"))

    def test_relative_includes(self):
        self.assertIn("root", breach("core/error.cpp", True, "error.h"))

    def test_transport_headers(self):
        self.assertIn("mpi", breach("launcher/main.cpp", False, "mpi.h"))
        self.assertEqual(breach("dist/comm/mpi/a.cpp", False, "mpi.h"), "")
        self.assertIn("nccl", breach("dist/comm/mpi/a.cpp", False, "nccl.h"))
        self.assertIn("cuda", breach("core/buffer.cpp", False, "cuda_runtime_api.h"))
        self.assertEqual(breach("core/cuda/check.h", False, "cuda_runtime_api.h"), "")
        self.assertEqual(breach("kernels/cuda/rms_norm.cu", False, "cuda_bf16.h"), "")


if __name__ == "__main__":
    sys.exit(unittest.main())
