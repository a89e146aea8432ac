// Tests with threads as ranks.
#pragma once

#include "dist/comm/local/local_group.h"

#include <functional>
#include <gtest/gtest.h>
#include <stdexcept>

namespace lockstep {

/// run_local_ranks for test bodies: a rank that leaves its body by a failed ASSERT aborts the group, so that the others
/// do not wait for it.
inline void check_on_local_ranks(int32_t size, const std::function<void(Communicator&)>& body) {
  run_local_ranks(size, [&](Communicator& communicator) {
    body(communicator);
    if (testing::Test::HasFatalFailure()) throw std::runtime_error("a check failed");
  });
}

}  // namespace lockstep
