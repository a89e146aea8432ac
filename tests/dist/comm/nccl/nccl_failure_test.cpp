// What happens to the ranks of an NCCL group when one of them fails: never a hang, always an NcclError.
#include "core/buffer.h"
#include "core/error.h"
#include "dist/comm/nccl/nccl_communicator.h"
#include "tests/dist/comm/gpu_rank.h"
#include "tests/dist/comm/nccl/forked_pair.h"
#include "tests/support/local_ranks.h"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <gtest/gtest.h>
#include <string>
#include <unistd.h>

namespace lockstep {
namespace {

using namespace std::chrono_literals;

// Before main() looks for devices.
[[maybe_unused]] const int g_two_gpus = ::setenv("LOCKSTEP_EMULATED_GPUS", "2", 0);

// Two ranks on two emulated GPUs. Real ones survive no fork, and need a process each.
class NcclFailure : public testing::Test {
 protected:
  void SetUp() override {
    if (std::getenv("LOCKSTEP_CUDA_MODULE") == nullptr) GTEST_SKIP() << "runs on the emulation";
    ASSERT_GE(cuda_status().num_devices, 2);
  }
};

// A rank with a communicator that has made one sum.
struct Rig {
  explicit Rig(std::unique_ptr<Communicator> control, NcclOptions options = {})
      : gpu(control->rank()), memory(4096, gpu.device()) {
    memory.fill_zero();
    nccl = make_nccl_communicator(std::move(control), gpu.device(), options);
    sum(100);
  }
  void sum(int64_t count) {
    const TensorView view = memory.view(DType::kF32, {count});
    nccl->all_reduce_sum(gpu.context(), view, view);
    gpu.stream().synchronize();
    nccl->throw_if_failed();
  }

  GpuRank gpu;
  Buffer memory;
  std::unique_ptr<Communicator> nccl;
};

template <class Body>
std::string nccl_error_of(Body&& body) {
  const auto start = std::chrono::steady_clock::now();
  try {
    body();
  } catch (const NcclError& error) {
    EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
    return error.what();
  }
  return "nothing was thrown";
}

TEST_F(NcclFailure, AKilledPeerEndsTheOthers) {
  ForkedPair pair([](std::unique_ptr<Communicator> control) {
    Rig rig(std::move(control));
    rig.nccl->barrier();  // the first sum has ended on both
    ::raise(SIGKILL);
  });
  Rig rig(pair.parent());
  rig.nccl->barrier();
  EXPECT_EQ(nccl_error_of([&] { rig.sum(100); }), "the process of rank 1 has ended");
  EXPECT_THROW(rig.nccl->partial_buffer(64), NcclError);
  EXPECT_THROW(rig.nccl->barrier(), NcclError);  // nobody waits for a dead rank in MPI either
}

TEST_F(NcclFailure, APeerThatThrowsEndsTheOthers) {
  ForkedPair pair([](std::unique_ptr<Communicator> control) {
    try {
      Rig rig(std::move(control));
      rig.nccl->barrier();
      LS_THROW(IoError, "disk is gone");
    } catch (const IoError&) {
      ::sleep(60);  // alive, but without its communicator
    }
  });
  Rig rig(pair.parent());
  rig.nccl->barrier();
  const std::string text = nccl_error_of([&] { rig.sum(100); });
  EXPECT_NE(text.find("rank 1 is gone"), std::string::npos) << text;
}

TEST_F(NcclFailure, TheHostWaitsOnlySoLong) {
  run_local_ranks(2, [](Communicator& c) {
    Rig rig(c.split(0, c.rank().value()), {.time_limit = 300ms});
    if (c.rank() == Rank(0)) {
      const std::string text = nccl_error_of([&] { rig.nccl->partial_buffer(int64_t{64} << 20); });
      EXPECT_EQ(text, "NCCL: registering memory took longer than 0.3 s (LOCKSTEP_NCCL_TIMEOUT)");
    }
    c.barrier();  // rank 1 asks for nothing meanwhile
  });
}

TEST_F(NcclFailure, UnequalSizesAreRefused) {
  run_local_ranks(2, [](Communicator& c) {
    Rig rig(c.split(0, c.rank().value()));
    const std::string text = nccl_error_of([&] { rig.sum(100 + c.rank().value()); });
    EXPECT_TRUE(text.find("different sizes") != std::string::npos || text.find("is gone") != std::string::npos) << text;
    c.barrier();
  });
}

TEST_F(NcclFailure, ATimeLimitThatIsNoNumberIsRefused) {
  ::setenv("LOCKSTEP_NCCL_TIMEOUT", "soon", 1);
  try {
    make_nccl_communicator(LocalGroup(1).communicator(Rank(0)), Device::cuda(0));
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("LOCKSTEP_NCCL_TIMEOUT is 'soon'; accepted: seconds"), std::string::npos)
        << error.what();
  }
  ::unsetenv("LOCKSTEP_NCCL_TIMEOUT");
}

}  // namespace
}  // namespace lockstep
