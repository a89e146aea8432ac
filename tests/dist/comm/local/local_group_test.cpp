#include "dist/comm/local/local_group.h"

#include "core/error.h"
#include "dist/comm/local/local_work_counter.h"
#include "tests/dist/comm/collective_cases.h"
#include "tests/support/local_ranks.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <latch>
#include <string>
#include <thread>
#include <vector>

namespace lockstep {
namespace {

class LocalRanks : public testing::TestWithParam<int32_t> {
 protected:
  void run(const std::function<void(Communicator&)>& body) { check_on_local_ranks(GetParam(), body); }
};
INSTANTIATE_TEST_SUITE_P(Sizes, LocalRanks, testing::Values(1, 2, 3, 4, 5, 8, 11));

TEST_P(LocalRanks, SumsAreExact) {
  run([](Communicator& c) { collective_cases::sums_are_exact(c, 1000); });
}
TEST_P(LocalRanks, SumsArePairwise) {
  run([](Communicator& c) { collective_cases::sums_are_pairwise(c); });
}
TEST_P(LocalRanks, ResultsMayBeChangedAtOnce) {
  run([](Communicator& c) { collective_cases::results_may_be_changed_at_once(c); });
}
TEST_P(LocalRanks, BroadcastsFromEveryRoot) { run(collective_cases::broadcasts_from_every_root); }
TEST_P(LocalRanks, AllGathersInRankOrder) { run(collective_cases::all_gathers_in_rank_order); }
TEST_P(LocalRanks, GathersOnDevice) {
  run([](Communicator& c) { collective_cases::gathers_on_device(c); });
}
TEST_P(LocalRanks, SumAndNormIsItsParts) {
  run([](Communicator& c) {
    ThreadPool pool(1);
    OpContext context;
    context.threads = &pool;
    collective_cases::sum_and_norm_is_its_parts(c, context);
  });
}
TEST_P(LocalRanks, GathersUnequalSizes) { run(collective_cases::gathers_unequal_sizes); }
TEST_P(LocalRanks, MinimumAndMaximum) { run(collective_cases::minimum_and_maximum); }
TEST_P(LocalRanks, SplitGroupsWorkSideBySide) {
  run([](Communicator& c) { collective_cases::split_groups_work_side_by_side(c); });
}
TEST_P(LocalRanks, WrongArgumentsAreRefused) { run(collective_cases::wrong_arguments_are_refused); }

// Runs `body` with rank 2 of 4 failing in place of it; the failure must reach everybody.
void expect_peers_of_a_failed_rank_throw(const std::function<void(Communicator&)>& body) {
  try {
    run_local_ranks(4, [&](Communicator& c) {
      if (c.rank() == Rank(2)) LS_THROW(IoError, "disk is gone");
      try {
        body(c);
      } catch (const CommError& error) {
        EXPECT_NE(std::string(error.what()).find("rank 2 failed: disk is gone"), std::string::npos) << error.what();
        throw;
      }
      ADD_FAILURE() << "rank " << c.rank().value() << " did not notice";
    });
    ADD_FAILURE() << "nothing was thrown";
  } catch (const IoError&) {  // the cause, not a consequence
  }
}

TEST(LocalGroup, AFailedRankEndsEveryCollective) {
  expect_peers_of_a_failed_rank_throw([](Communicator& c) { c.barrier(); });
  expect_peers_of_a_failed_rank_throw([](Communicator& c) { c.all_reduce_min(1); });
  expect_peers_of_a_failed_rank_throw([](Communicator& c) { c.partial_buffer(64); });
  expect_peers_of_a_failed_rank_throw([](Communicator& c) { c.split(0, 0); });
}

TEST(LocalGroup, AbortReachesSumsAndSplitGroups) {
  LocalGroup group(3);
  std::latch summed(3);  // an abort ends a sum that others are still leaving, too
  std::vector<std::jthread> threads;
  for (int32_t r = 0; r < 3; ++r) {
    threads.emplace_back([&, r] {
      const auto whole = group.communicator(Rank(r));
      const auto part = whole->split(0, 0);
      float value = 1.0F;
      const TensorView view(&value, DType::kF32, {1});
      part->all_reduce_sum(OpContext{}, view, view);
      summed.arrive_and_wait();
      if (r == 0) return group.abort("by request");
      EXPECT_THROW(part->all_reduce_sum(OpContext{}, view, view), CommError);
      EXPECT_THROW(whole->barrier(), CommError);
    });
  }
}

TEST(LocalGroup, RanksThatBringDifferentCountsAreTold) {
  EXPECT_THROW(run_local_ranks(2,
                               [](Communicator& c) {
                                 std::vector<float> value(8);
                                 const TensorView view(value.data(), DType::kF32, {4 + c.rank().value()});
                                 c.all_reduce_sum(OpContext{}, view, view);
                               }),
               CommError);
}

TEST(LocalGroup, ThreadPoolsDoNotChangeSums) {
  check_on_local_ranks(2, [](Communicator& c) {
    const int64_t count = 100001;
    std::vector<float> input(static_cast<size_t>(count)), one(input.size()), three(input.size());
    for (size_t i = 0; i < input.size(); ++i)
      input[i] = 1.0F / static_cast<float>(i + 1 + static_cast<size_t>(c.rank().value()));
    const ConstTensorView view(input.data(), DType::kF32, {count});
    c.all_reduce_sum(OpContext{}, view, TensorView(one.data(), DType::kF32, {count}));
    ThreadPool pool(3);
    OpContext context;
    context.threads = &pool;
    c.all_reduce_sum(context, view, TensorView(three.data(), DType::kF32, {count}));
    EXPECT_EQ(one, three);
  });
}

TEST(LocalGroup, RefusesAnEmptyGroup) { EXPECT_THROW(LocalGroup(0), ConfigError); }

TEST(LocalWorkCounter, HandsOutEveryNumberOnce) {
  const auto count = std::make_shared<std::atomic<int64_t>>(0);
  std::vector<std::vector<int64_t>> drawn(4);
  {
    std::vector<std::jthread> threads;
    for (auto& mine : drawn) {
      threads.emplace_back([&mine, counter = LocalWorkCounter(count)]() mutable {
        for (int i = 0; i < 1000; ++i) mine.push_back(counter.fetch_add(2));
      });
    }
  }
  std::vector<int64_t> all;
  for (const auto& mine : drawn) all.insert(all.end(), mine.begin(), mine.end());
  std::sort(all.begin(), all.end());
  for (size_t i = 0; i < all.size(); ++i) ASSERT_EQ(all[i], static_cast<int64_t>(2 * i));
}

}  // namespace
}  // namespace lockstep
