#include "launcher/runtime/disk_speed.h"

#include "core/error.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <string>
#include <unistd.h>

namespace lockstep {
namespace {

constexpr size_t kBlock = size_t{1} << 20;
constexpr size_t kBlocks = 16;

// Removed by the system when the descriptor closes.
class ProbeFile {
 public:
  explicit ProbeFile(const std::filesystem::path& directory)
      : path_((directory / ".speed.XXXXXX").string()), fd_(::mkostemp(path_.data(), O_CLOEXEC)) {
    LS_REQUIRE(IoError, fd_ >= 0, "{}: {}", directory.string(), std::strerror(errno));
  }
  ~ProbeFile() {
    ::close(fd_);
    ::unlink(path_.c_str());
  }
  ProbeFile(const ProbeFile&) = delete;
  ProbeFile& operator=(const ProbeFile&) = delete;

  int fd() const { return fd_; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
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
  for (size_t i = 0; i < kBlocks; ++i) {
    LS_REQUIRE(IoError, ::write(file.fd(), block.get(), kBlock) == static_cast<ssize_t>(kBlock), "{}: {}", file.path(),
               std::strerror(errno));
  }
  ::fdatasync(file.fd());
  ::posix_fadvise(file.fd(), 0, 0, POSIX_FADV_DONTNEED);
  int fd = ::open(file.path().c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT);
  if (fd < 0) fd = ::open(file.path().c_str(), O_RDONLY | O_CLOEXEC);
  LS_REQUIRE(IoError, fd >= 0, "{}: {}", file.path(), std::strerror(errno));
  const auto start = std::chrono::steady_clock::now();
  bool is_whole = true;
  for (size_t i = 0; i < kBlocks; ++i) {
    is_whole =
        ::pread(fd, block.get(), kBlock, static_cast<off_t>(i * kBlock)) == static_cast<ssize_t>(kBlock) && is_whole;
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  ::close(fd);
  LS_REQUIRE(IoError, is_whole, "{}: reading back what was written failed", directory.string());
  return static_cast<double>(kBlock * kBlocks) / std::max(seconds, 1e-6);
}

}  // namespace lockstep
