#include "dist/comm/transport.h"

#include "core/error.h"
#include "dist/comm/local/local_group.h"
#include "dist/comm/nccl/nccl_communicator.h"

#include <gtest/gtest.h>
#include <string>

namespace lockstep {
namespace {

TEST(Transport, NamesAreParsedBack) {
  for (const Transport one : {Transport::kAuto, Transport::kMpi, Transport::kSharedMemory, Transport::kNccl}) {
    EXPECT_EQ(parse_transport(name_of(one)), one);
  }
}

TEST(Transport, AnUnknownNameIsAnsweredWithTheKnownOnes) {
  try {
    parse_transport("gloo");
    FAIL() << "nothing was thrown";
  } catch (const ConfigError& error) {
    EXPECT_STREQ(error.what(), "unknown transport 'gloo'; accepted: auto, mpi, shared_memory, nccl");
  }
}

TEST(Transport, NcclIsForCudaDevices) {
  try {
    make_nccl_communicator(LocalGroup(1).communicator(Rank(0)), Device::cpu());
    FAIL() << "nothing was thrown";
  } catch (const ConfigError& error) {
    EXPECT_STREQ(error.what(), "transport nccl sums on CUDA devices, not on cpu");
  }
}

}  // namespace
}  // namespace lockstep
