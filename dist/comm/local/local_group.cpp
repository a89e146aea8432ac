#include "dist/comm/local/local_group.h"

#include "core/error.h"
#include "dist/comm/local/local_communicator.h"
#include "dist/comm/local/local_shared.h"

#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace lockstep {

LocalGroup::LocalGroup(int32_t size) {
  LS_REQUIRE(ConfigError, size >= 1, "a group of {} ranks; at least 1 is needed", size);
  shared_ = std::make_shared<LocalShared>(size, std::make_shared<LocalAbort>());
}

LocalGroup::~LocalGroup() = default;

std::unique_ptr<Communicator> LocalGroup::communicator(Rank rank) const {
  LS_CHECK(rank.value() >= 0 && rank.value() < shared_->size, "rank {} of a group of {}", rank.value(), shared_->size);
  return std::make_unique<LocalCommunicator>(shared_, rank);
}

void LocalGroup::abort(std::string_view reason) { shared_->abort->raise(reason); }

void run_local_ranks(int32_t size, const std::function<void(Communicator&)>& body) {
  LocalGroup group(size);
  std::mutex mutex;
  std::exception_ptr first;
  const auto fail = [&](int32_t rank, const char* what) {
    const std::scoped_lock lock(mutex);
    if (!first) first = std::current_exception();
    group.abort(fmt::format("rank {} failed: {}", rank, what));
  };

  std::vector<std::jthread> threads;
  for (int32_t r = 0; r < size; ++r) {
    threads.emplace_back([&, r] {
      try {
        const auto communicator = group.communicator(Rank(r));
        body(*communicator);
      } catch (const std::exception& error) {
        fail(r, error.what());
      } catch (...) {
        fail(r, "an exception of unknown type");
      }
    });
  }
  threads.clear();
  if (first) std::rethrow_exception(first);
}

}  // namespace lockstep
