// main() of rank tests: every rank runs the same tests in the same order.
//
// A failure that leaves a test early (ASSERT, an exception) ends the whole job at once: the other ranks would wait for
// this one. Other failures are summed up over the ranks at the end, so that a failure on any rank fails the program.
#include "dist/comm/mpi/mpi_communicator.h"
#include "tests/support/rank_environment.h"

#include <cstdio>
#include <gtest/gtest.h>
#include <memory>
#include <string>

namespace lockstep {
namespace {

const MpiEnvironment* g_environment = nullptr;

// Prints failures with their rank; rank 0 has gtest's own printer besides.
class RankListener final : public testing::EmptyTestEventListener {
 public:
  explicit RankListener(const MpiEnvironment& environment) : environment_(environment) {}

  // gtest holds its own lock while it reports a result, so the name is kept from here.
  void OnTestStart(const testing::TestInfo& test) override {
    test_ = std::string(test.test_suite_name()) + "." + test.name();
  }

  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (!result.failed()) return;
    const int32_t rank = environment_.world_rank().value();
    std::fprintf(stderr, "rank %d of %d: %s\n%s:%d: %s\n", rank, environment_.world_size(), test_.c_str(),
                 result.file_name() ? result.file_name() : "unknown file", result.line_number(), result.message());
    std::fflush(stderr);
    if (result.fatally_failed()) {
      std::fflush(stdout);
      environment_.abort(1);
    }
  }

 private:
  const MpiEnvironment& environment_;
  std::string test_;
};

int run_tests(const MpiEnvironment& environment) {
  g_environment = &environment;
  testing::TestEventListeners& listeners = testing::UnitTest::GetInstance()->listeners();
  if (environment.world_rank() != Rank(0)) delete listeners.Release(listeners.default_result_printer());
  listeners.Append(new RankListener(environment));  // gtest deletes it

  const int result = RUN_ALL_TESTS();
  return static_cast<int>(make_mpi_communicator(environment, Transport::kMpi)->all_reduce_max(result));
}

}  // namespace

const MpiEnvironment& rank_environment() { return *g_environment; }

}  // namespace lockstep

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const lockstep::MpiEnvironment environment;
  return lockstep::run_tests(environment);
}
