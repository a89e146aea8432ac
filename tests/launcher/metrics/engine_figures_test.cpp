#include "launcher/metrics/engine_figures.h"

#include "launcher/batch/result_channel.h"
#include "tests/launcher/metrics/example_stats.h"

#include <deque>
#include <gtest/gtest.h>

namespace lockstep {
namespace {

// What is sent comes out again.
class Loop : public Mailbox {
 public:
  void send(std::span<const std::byte> message) override { messages_.emplace_back(message.begin(), message.end()); }
  void advance() override {}
  std::optional<std::vector<std::byte>> poll() override {
    if (messages_.empty()) return std::nullopt;
    std::vector<std::byte> first = std::move(messages_.front());
    messages_.pop_front();
    return first;
  }

 private:
  std::deque<std::vector<std::byte>> messages_;
};

TEST(EngineFigures, AddUp) {
  const EngineFigures one = testing_support::example_snapshot().report.engines;
  const EngineFigures two = one + one;
  const StepTimes expected{.steps = 60,
                           .prefill = 2.0,
                           .decode = 4.0,
                           .mixed = 6.0,
                           .plan = 0.2,
                           .publish = 0.4,
                           .forward = 0.6,
                           .sampling = 0.8,
                           .wait = 1.0};
  EXPECT_EQ(two.times, expected);
  EXPECT_EQ(two.cache, one.cache + one.cache);
}

TEST(EngineFigures, TravelWithRowsAndWithoutThem) {
  const EngineFigures figures = testing_support::example_snapshot().report.engines;
  Loop loop;
  send_row(loop, {.leader = 2, .gauges = {1, 2, 3}, .has_row = true, .row = 7, .line = "a line", .figures = figures});
  send_row(loop, {.leader = 3, .gauges = {}, .has_row = true, .row = 8, .line = "another"});
  send_row(loop, {.leader = 2, .gauges = {}, .has_row = false, .figures = figures});
  const auto with = receive_row(loop), without = receive_row(loop), last = receive_row(loop);
  ASSERT_TRUE(with && without && last);
  EXPECT_EQ(with->figures, figures);
  EXPECT_EQ(with->line, "a line");
  EXPECT_EQ(with->row, 7);
  EXPECT_FALSE(without->figures);
  EXPECT_EQ(without->line, "another");
  EXPECT_EQ(last->figures, figures);
  EXPECT_FALSE(last->has_row);
  EXPECT_EQ(last->line, "");
}

}  // namespace
}  // namespace lockstep
