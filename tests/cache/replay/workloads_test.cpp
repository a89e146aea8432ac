// Policies on made workloads: documents by Zipf's law with one-time tails, alone, with scans, and with drift.
#include "tests/cache/replay/replay_support.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>

namespace lockstep {
namespace {

enum class Kind { kZipf, kScans, kDrift };

RequestTrace documents(Kind kind) {
  constexpr uint64_t kDocuments = 4000;
  std::vector<uint64_t> up_to;  // of 2^40, by rank: integers, so that the trace is the same everywhere
  for (uint64_t rank = 1; rank <= kDocuments; ++rank) {
    up_to.push_back((up_to.empty() ? 0 : up_to.back()) + (uint64_t{1} << 40) / rank);
  }
  std::mt19937_64 random(7);
  RequestTrace trace;
  uint64_t fresh = uint64_t{1} << 40;
  for (uint64_t r = 0; r < 12000; ++r) {
    std::vector<uint64_t> blocks;
    const uint64_t draw = random() % up_to.back();
    if (kind == Kind::kScans && r / 500 % 2 == 1 && random() % 2 == 0) {
      for (int i = 0; i < 20; ++i) blocks.push_back(fresh++);
    } else {
      auto document = static_cast<uint64_t>(std::upper_bound(up_to.begin(), up_to.end(), draw) - up_to.begin());
      if (kind == Kind::kDrift) document = (document + r / 1000 * 150) % kDocuments;
      for (uint64_t i = 0; i < 4 + document * 7 % 13; ++i) blocks.push_back(document * 100 + i);
      for (int i = 0; i < 3; ++i) blocks.push_back(fresh++);
    }
    trace.add_request(blocks);
  }
  return trace;
}

double rate(const RequestTrace& trace, int64_t capacity, const char* policy) {
  const ReplayCounts counts = replay_of(trace, capacity, policy);
  return 100.0 * static_cast<double>(counts.hits) / static_cast<double>(counts.accesses);
}

class WorkloadsTest : public testing::TestWithParam<Kind> {};

TEST_P(WorkloadsTest, AdaptiveIsFarAboveLruAndNotBelowLfu) {
  const RequestTrace trace = documents(GetParam());
  for (const int64_t capacity : {500, 2000, 8000}) {
    const double adaptive = rate(trace, capacity, "adaptive");
    EXPECT_GT(adaptive, rate(trace, capacity, "lru") + 2.0) << capacity;
    // LFU is the best there is for what never changes, up to noise.
    EXPECT_GT(adaptive, rate(trace, capacity, "lfu") - 1.0) << capacity;
    if (GetParam() == Kind::kDrift) {
      EXPECT_GT(adaptive, rate(trace, capacity, "lfu") + 5.0) << capacity;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(ZipfScansDrift, WorkloadsTest, testing::Values(Kind::kZipf, Kind::kScans, Kind::kDrift));

TEST(LoopTest, AdaptiveKeepsAShareOfALoopThatLruLoses) {
  RequestTrace trace;
  for (uint64_t r = 0; r < 20000; ++r) {
    const uint64_t document = r % 1000;
    trace.add_request(std::vector<uint64_t>{document * 10, document * 10 + 1, document * 10 + 2});
  }
  EXPECT_EQ(replay_of(trace, 2400, "lru").hits, 0);
  EXPECT_GT(rate(trace, 2400, "adaptive"), 30.0);
}

}  // namespace
}  // namespace lockstep
