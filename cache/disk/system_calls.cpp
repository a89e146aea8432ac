#include "cache/disk/system_calls.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <liburing.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace lockstep {
namespace {

/// The call's result, or -errno; repeated while a signal interrupts it.
template <class Call>
auto checked(const Call& call) -> decltype(call()) {
  for (;;) {
    const auto result = call();
    if (result >= 0) return result;
    if (errno != EINTR) return -errno;
  }
}

}  // namespace

int SystemCalls::open(const std::filesystem::path& path, int flags) {
  constexpr mode_t kMode = 0666;
  return checked([&] { return ::open(path.c_str(), flags | O_CLOEXEC, kMode); });
}

void SystemCalls::close(int fd) noexcept { ::close(fd); }

int64_t SystemCalls::pread(int fd, std::span<std::byte> bytes, int64_t offset) {
  return checked([&] { return ::pread(fd, bytes.data(), bytes.size(), offset); });
}

int64_t SystemCalls::pwrite(int fd, std::span<const std::byte> bytes, int64_t offset) {
  return checked([&] { return ::pwrite(fd, bytes.data(), bytes.size(), offset); });
}

int SystemCalls::allocate(int fd, int64_t bytes) {
  // Not posix_fallocate: where the file system refuses, glibc writes to every block instead.
  return checked([&] { return ::fallocate(fd, 0, 0, bytes); });
}

int SystemCalls::truncate(int fd, int64_t bytes) {
  return checked([&] { return ::ftruncate(fd, bytes); });
}

int SystemCalls::sync(int fd) {
  return checked([&] { return ::fdatasync(fd); });
}

int SystemCalls::sync_directory(const std::filesystem::path& directory) {
  const int fd = checked([&] { return ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (fd < 0) return fd;
  const int result = checked([&] { return ::fsync(fd); });
  ::close(fd);
  return result;
}

int SystemCalls::rename(const std::filesystem::path& from, const std::filesystem::path& to) {
  return checked([&] { return ::rename(from.c_str(), to.c_str()); });
}

int SystemCalls::unlink(const std::filesystem::path& path) {
  return checked([&] { return ::unlink(path.c_str()); });
}

int SystemCalls::setup_uring(unsigned entries, io_uring* ring) { return io_uring_queue_init(entries, ring, 0); }

int64_t SystemCalls::now() {
  using std::chrono::duration_cast, std::chrono::nanoseconds, std::chrono::system_clock;
  return duration_cast<nanoseconds>(system_clock::now().time_since_epoch()).count();
}

FileHandle::FileHandle(FileHandle&& other) noexcept
    : calls_(std::move(other.calls_)), fd_(std::exchange(other.fd_, -1)) {}

FileHandle& FileHandle::operator=(FileHandle&& other) noexcept {
  std::swap(calls_, other.calls_);
  std::swap(fd_, other.fd_);
  return *this;
}

FileHandle::~FileHandle() {
  if (fd_ >= 0) calls_->close(fd_);
}

int read_all(SystemCalls& calls, int fd, std::span<std::byte> bytes, int64_t offset) {
  while (!bytes.empty()) {
    const int64_t moved = calls.pread(fd, bytes, offset);
    if (moved < 0) return static_cast<int>(moved);
    if (moved == 0) return -ENODATA;
    bytes = bytes.subspan(static_cast<size_t>(moved));
    offset += moved;
  }
  return 0;
}

int write_all(SystemCalls& calls, int fd, std::span<const std::byte> bytes, int64_t offset) {
  while (!bytes.empty()) {
    const int64_t moved = calls.pwrite(fd, bytes, offset);
    if (moved < 0) return static_cast<int>(moved);
    if (moved == 0) return -EIO;
    bytes = bytes.subspan(static_cast<size_t>(moved));
    offset += moved;
  }
  return 0;
}

bool try_lock(int fd, bool exclusive) {
  return checked([&] { return ::flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB); }) == 0;
}

FileFacts facts_of(int fd) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return {};
  constexpr int64_t kBlockBytes = 512;  // stat(2) counts in these, whatever the file system does
  return {info.st_size, static_cast<int64_t>(info.st_nlink), info.st_blocks * kBlockBytes};
}

std::string error_text(int error) {
  const int code = error < 0 ? -error : error;
  return code == ENODATA ? "the file ends before" : std::strerror(code);
}

}  // namespace lockstep
