#include "launcher/runtime/disk_speed.h"

#include "core/error.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <memory>
#include <string>
#include <unistd.h>

namespace lockstep {
namespace {

constexpr size_t kBlock = size_t{1} << 20;
constexpr size_t kBlocks = 16;

// Has lost its name, so that nothing is left of it, however the process ends.
class ProbeFile {
 public:
  explicit ProbeFile(const std::filesystem::path& directory) {
    std::string path = (directory / ".speed.XXXXXX").string();
    fd_ = ::mkostemp(path.data(), O_CLOEXEC);
    LS_REQUIRE(IoError, fd_ >= 0, "{}: {}", directory.string(), std::strerror(errno));
    ::unlink(path.c_str());
  }
  ~ProbeFile() { ::close(fd_); }
  ProbeFile(const ProbeFile&) = delete;
  ProbeFile& operator=(const ProbeFile&) = delete;

  int fd() const { return fd_; }
  /// Another descriptor of it.
  int open(int flags) const { return ::open(fmt::format("/proc/self/fd/{}", fd_).c_str(), flags | O_CLOEXEC); }

 private:
  int fd_;
};

}  // namespace

double measure_disk_read(const std::filesystem::path& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  const ProbeFile file(directory);
  const std::unique_ptr<std::byte, decltype(&std::free)> block(
      static_cast<std::byte*>(std::aligned_alloc(4096, kBlock)), &std::free);
  std::memset(block.get(), 0x5a, kBlock);
  size_t num_blocks = 0;
  for (; num_blocks < kBlocks; ++num_blocks) {
    const ssize_t written = ::write(file.fd(), block.get(), kBlock);
    if (written == static_cast<ssize_t>(kBlock)) continue;
    LS_REQUIRE(IoError, written >= 0 || errno == ENOSPC || errno == EDQUOT, "{}: {}", directory.string(),
               std::strerror(errno));
    break;  // full: what is written tells as well
  }
  if (num_blocks == 0) return 0.0;
  ::fdatasync(file.fd());
  ::posix_fadvise(file.fd(), 0, 0, POSIX_FADV_DONTNEED);
  int fd = file.open(O_RDONLY | O_DIRECT);
  if (fd < 0) fd = file.open(O_RDONLY);
  LS_REQUIRE(IoError, fd >= 0, "{}: {}", directory.string(), std::strerror(errno));
  const auto start = std::chrono::steady_clock::now();
  bool is_whole = true;
  for (size_t i = 0; i < num_blocks; ++i) {
    is_whole =
        ::pread(fd, block.get(), kBlock, static_cast<off_t>(i * kBlock)) == static_cast<ssize_t>(kBlock) && is_whole;
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  ::close(fd);
  LS_REQUIRE(IoError, is_whole, "{}: reading back what was written failed", directory.string());
  return static_cast<double>(kBlock * num_blocks) / std::max(seconds, 1e-6);
}

}  // namespace lockstep
