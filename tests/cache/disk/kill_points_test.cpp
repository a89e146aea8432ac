// Power lost, or the process killed, at every single change to the disk: what is told afterwards is whole and right,
// what was reported durable is there, and what was forgotten stays so.
#include "core/error.h"
#include "core/log.h"
#include "tests/cache/disk/crashing_calls.h"
#include "tests/cache/disk/store_pages.h"
#include "tests/support/temporary_directory.h"

#include <algorithm>
#include <csignal>
#include <gtest/gtest.h>
#include <map>
#include <random>
#include <sys/wait.h>
#include <unistd.h>

namespace lockstep {
namespace {

using namespace testing_support;

/// What a caller knows of a page.
enum class Known { kDurable, kForgotten, kOpen };
using Knowledge = std::map<Hash128, Known>;

/// Two runs of a job, each of which writes and forgets, so that segments are made and removed, and logs rewritten.
/// `tell` is called with every new piece of knowledge.
template <class Tell>
void run_jobs(const DiskStoreOptions& options, const std::shared_ptr<SystemCalls>& calls, const Tell& tell) {
  int64_t next = 0;
  std::mt19937_64 random(5);
  std::vector<Hash128> held;
  for (int run = 0; run < 2; ++run) {
    DiskStore store(options, calls);
    for (int batch = 0; batch < 10; ++batch) {
      const std::vector<Hash128> keys = keys_of(next, 8);
      next += 8;
      for (const Hash128& key : keys) tell(key, Known::kOpen);
      const Results results = write_pages(store, options, keys);
      for (size_t i = 0; i < keys.size(); ++i) {
        if (results[i]) continue;
        tell(keys[i], Known::kDurable);
        held.push_back(keys[i]);
      }
      std::ranges::shuffle(held, random);
      const size_t num_kept = std::min<size_t>(held.size(), batch % 5 == 4 ? 6 : 20);
      const std::vector<Hash128> gone(held.begin() + static_cast<int64_t>(num_kept), held.end());
      held.resize(num_kept);
      for (const Hash128& key : gone) tell(key, Known::kOpen);
      if (store.forget(gone)) continue;
      for (const Hash128& key : gone) tell(key, Known::kForgotten);
    }
  }
}

/// Opens the store after the crash and holds it against what the caller knew.
void expect_recovered(const DiskStoreOptions& options, const Knowledge& knowledge, const std::string& where) {
  SCOPED_TRACE(where);
  std::vector<Hash128> told;
  {
    DiskStore store(options);
    told = store.pages();
    for (const Hash128& key : told) {
      EXPECT_EQ(read_page(store, options, key), "right");
      const auto known = knowledge.find(key);
      ASSERT_NE(known, knowledge.end());
      EXPECT_NE(known->second, Known::kForgotten);
    }
    for (const auto& [key, known] : knowledge) {
      const bool is_told = std::ranges::find(told, key) != told.end();
      EXPECT_TRUE(is_told || known != Known::kDurable) << key.to_string();
    }
    EXPECT_TRUE(store.opening().problems.empty());
    put_pages(store, options, {key_of(5000)});
  }
  // Life goes on, and recovery has not lost anything itself.
  DiskStore store(options);
  EXPECT_EQ(store.pages().size(), told.size() + 1);
  EXPECT_EQ(read_page(store, options, key_of(5000)), "right");
}

/// The parameter: level of packing.
class KillPoints : public testing::TestWithParam<int32_t> {
 protected:
  static DiskStoreOptions tested_store(const TemporaryDirectory& directory) {
    configure_log(LogLevel::kError, Rank(0), 1);
    DiskStoreOptions options = small_store(directory.path());
    options.packing_level = GetParam();
    options.shape = {2, GetParam() == 0 ? 30 : 2100};  // two blocks, of which packing saves one
    options.capacity_bytes = int64_t{8} << 20;         // nothing is reclaimed
    return options;
  }
  static int64_t count_changes();
};

/// The number of changes of a run in which nothing fails.
int64_t KillPoints::count_changes() {
  const TemporaryDirectory directory(memory_directory());
  const auto calls = std::make_shared<CrashingCalls>(0, 0);
  run_jobs(tested_store(directory), calls, [](const Hash128&, Known) {});
  return calls->num_changes();
}

TEST_P(KillPoints, PowerLostAtEveryChange) {
  const int64_t num_changes = count_changes();
  const auto num_seeds = static_cast<uint64_t>(1000 / num_changes + 1);
  int64_t num_points = 0;
  for (int64_t crash_at = 1; crash_at <= num_changes; ++crash_at) {
    for (uint64_t seed = 0; seed < num_seeds; ++seed) {
      const TemporaryDirectory directory(memory_directory());
      const DiskStoreOptions options = tested_store(directory);
      const auto calls = std::make_shared<CrashingCalls>(crash_at, seed * 7919 + static_cast<uint64_t>(crash_at));
      Knowledge knowledge;
      try {
        run_jobs(options, calls, [&](const Hash128& key, Known known) {
          if (!calls->is_dead()) knowledge[key] = known;
        });
      } catch (const IoError&) {  // dead while it opened
      }
      ASSERT_TRUE(calls->is_dead());
      calls->crash();
      expect_recovered(options, knowledge, fmt::format("change {} of {}, seed {}", crash_at, num_changes, seed));
      if (HasFailure()) return;
      ++num_points;
    }
  }
  RecordProperty("kill_points", static_cast<int>(num_points));
  std::printf("%lld kill points over %lld changes\n", static_cast<long long>(num_points),
              static_cast<long long>(num_changes));
  EXPECT_GE(num_points, 1000);
}

/// Kills its own process at the kill_at-th change, in the middle of a write.
class KillingCalls : public SystemCalls {
 public:
  explicit KillingCalls(int64_t kill_at) : left_(kill_at) {}
  int64_t pwrite(int fd, std::span<const std::byte> bytes, int64_t offset) override {
    if (--left_ == 0) {
      SystemCalls::pwrite(fd, bytes.first(bytes.size() / 2), offset);
      ::kill(::getpid(), SIGKILL);
    }
    return SystemCalls::pwrite(fd, bytes, offset);
  }
  int sync(int) override {
    if (--left_ == 0) ::kill(::getpid(), SIGKILL);
    return 0;
  }
  int sync_directory(const std::filesystem::path&) override {
    if (--left_ == 0) ::kill(::getpid(), SIGKILL);
    return 0;
  }
  int unlink(const std::filesystem::path& path) override {
    if (--left_ == 0) ::kill(::getpid(), SIGKILL);
    return SystemCalls::unlink(path);
  }

 private:
  int64_t left_;
};

struct Told {
  Hash128 key;
  int64_t known;
};

/// In a process of its own: works until it is killed, and says through the pipe what it knows.
[[noreturn]] void work_until_killed(const DiskStoreOptions& options, int64_t kill_at, int pipe) {
  try {
    run_jobs(options, std::make_shared<KillingCalls>(kill_at), [&](const Hash128& key, Known known) {
      const Told told{key, static_cast<int64_t>(known)};
      if (::write(pipe, &told, sizeof told) != static_cast<ssize_t>(sizeof told)) ::_exit(3);
    });
  } catch (const std::exception&) {
    ::_exit(4);
  }
  ::_exit(0);
}

TEST_P(KillPoints, ProcessKilled) {
  int64_t num_killed = 0;
  for (int64_t kill_at = 1;; kill_at += 3) {
    const TemporaryDirectory directory(memory_directory());
    const DiskStoreOptions options = tested_store(directory);
    int ends[2] = {-1, -1};
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) work_until_killed(options, kill_at, ends[1]);
    ::close(ends[1]);
    Knowledge knowledge;
    for (Told told; ::read(ends[0], &told, sizeof told) == static_cast<ssize_t>(sizeof told);)
      knowledge[told.key] = static_cast<Known>(told.known);
    ::close(ends[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    if (WIFEXITED(status)) {
      EXPECT_EQ(WEXITSTATUS(status), 0);
      break;
    }
    ASSERT_EQ(WTERMSIG(status), SIGKILL);
    expect_recovered(options, knowledge, fmt::format("killed at change {}", kill_at));
    if (HasFailure()) return;
    ++num_killed;
  }
  std::printf("%lld processes killed\n", static_cast<long long>(num_killed));
  EXPECT_GE(num_killed, 50);
}

INSTANTIATE_TEST_SUITE_P(Packing, KillPoints, testing::Values(0, 1));

}  // namespace
}  // namespace lockstep
