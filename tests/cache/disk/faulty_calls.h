// System calls that fail, or hang, when a test says so.
#pragma once

#include "cache/disk/system_calls.h"

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

namespace lockstep::testing_support {

/// `fault` is asked before each call with its name ("open", "pread", "pwrite", "allocate", "truncate", "sync",
/// "sync_directory", "rename", "unlink", "setup_uring") and returns 0 or -errno. Opens with O_DIRECT ask "open_direct".
/// Set it while no call runs.
class FaultyCalls : public SystemCalls {
 public:
  std::function<int(std::string_view call)> fault = [](std::string_view) { return 0; };

  /// From now on pread and sync do not come back before release().
  void hang();
  void release();

  int open(const std::filesystem::path& path, int flags) override;
  int64_t pread(int fd, std::span<std::byte> bytes, int64_t offset) override;
  int64_t pwrite(int fd, std::span<const std::byte> bytes, int64_t offset) override;
  int allocate(int fd, int64_t bytes) override;
  int truncate(int fd, int64_t bytes) override;
  int sync(int fd) override;
  int sync_directory(const std::filesystem::path& directory) override;
  int rename(const std::filesystem::path& from, const std::filesystem::path& to) override;
  int unlink(const std::filesystem::path& path) override;
  int setup_uring(unsigned entries, io_uring* ring) override;

 private:
  void wait();

  std::mutex mutex_;
  std::condition_variable released_;
  bool is_hanging_ = false;
};

}  // namespace lockstep::testing_support
