#include "dist/comm/mpi/mpi_work_counter.h"

#include "core/error.h"
#include "dist/comm/mpi/mpi_communicator.h"
#include "tests/support/rank_environment.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace lockstep {
namespace {

class MpiWorkCounter : public testing::TestWithParam<Transport> {};
INSTANTIATE_TEST_SUITE_P(Transports, MpiWorkCounter, testing::Values(Transport::kAuto, Transport::kMpi),
                         [](const auto& suite) { return std::string(name_of(suite.param)); });

TEST_P(MpiWorkCounter, HandsOutEveryNumberOnce) {
  const auto communicator = make_mpi_communicator(rank_environment());
  const auto counter = make_mpi_work_counter(rank_environment(), GetParam());
  constexpr int64_t kWork = 2000;

  // Ranks draw as many as they can get, in steps that differ by rank.
  const int64_t step = 1 + communicator->rank().value() % 3;
  std::vector<char> mine(static_cast<size_t>(kWork), 0);
  while (true) {
    const int64_t begin = counter->fetch_add(step);
    if (begin >= kWork) break;
    for (int64_t i = begin; i < std::min(begin + step, kWork); ++i) ++mine[static_cast<size_t>(i)];
  }

  std::vector<char> all(mine.size() * static_cast<size_t>(communicator->size()));
  communicator->all_gather(std::as_bytes(std::span(mine)), std::as_writable_bytes(std::span(all)));
  for (size_t i = 0; i < mine.size(); ++i) {
    int owners = 0;
    for (size_t at = i; at < all.size(); at += mine.size()) owners += all[at];
    ASSERT_EQ(owners, 1) << "number " << i;
  }
}

TEST(MpiWorkCounters, AreIndependent) {
  const auto first = make_mpi_work_counter(rank_environment());
  const auto second = make_mpi_work_counter(rank_environment());
  first->fetch_add(5);
  make_mpi_communicator(rank_environment())->barrier();
  EXPECT_EQ(second->fetch_add(0), 0);
  EXPECT_EQ(first->fetch_add(0), 5 * rank_environment().world_size());
  EXPECT_THROW(make_mpi_work_counter(rank_environment(), Transport::kNccl), ConfigError);
}

}  // namespace
}  // namespace lockstep
