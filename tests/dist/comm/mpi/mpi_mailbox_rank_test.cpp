#include "dist/comm/mpi/mpi_mailbox.h"
#include "tests/support/world.h"

#include <cstring>
#include <gtest/gtest.h>

namespace lockstep {
namespace {

TEST(MpiMailbox, EveryMessageArrivesOnceAndInOrder) {
  constexpr int32_t kMessages = 200;
  const MpiEnvironment& environment = rank_environment();
  const auto mailbox = make_mpi_mailbox(environment);
  const int32_t rank = environment.world_rank().value();
  if (rank != 0) {
    for (int32_t i = 0; i < kMessages; ++i) {
      std::vector<std::byte> message(8 + static_cast<size_t>(i) * 37);  // beyond what MPI buffers, too
      std::memcpy(message.data(), &rank, 4);
      std::memcpy(message.data() + 4, &i, 4);
      mailbox->send(message);
    }
    return;
  }
  std::vector<int32_t> next(static_cast<size_t>(environment.world_size()), 0);
  for (int32_t left = kMessages * (environment.world_size() - 1); left > 0;) {
    const auto message = mailbox->poll();
    if (!message) continue;
    int32_t sender = 0, number = 0;
    std::memcpy(&sender, message->data(), 4);
    std::memcpy(&number, message->data() + 4, 4);
    EXPECT_EQ(number, next[static_cast<size_t>(sender)]++);
    EXPECT_EQ(message->size(), 8 + static_cast<size_t>(number) * 37);
    --left;
  }
  EXPECT_FALSE(mailbox->poll().has_value());
}

}  // namespace
}  // namespace lockstep
