#include "tests/cache/disk/faulty_calls.h"

#include <fcntl.h>

namespace lockstep::testing_support {

void FaultyCalls::hang() {
  const std::lock_guard lock(mutex_);
  is_hanging_ = true;
}

void FaultyCalls::release() {
  const std::lock_guard lock(mutex_);
  is_hanging_ = false;
  released_.notify_all();
}

void FaultyCalls::wait() {
  std::unique_lock lock(mutex_);
  released_.wait(lock, [&] { return !is_hanging_; });
}

int FaultyCalls::open(const std::filesystem::path& path, int flags) {
  const int error = fault((flags & O_DIRECT) != 0 ? "open_direct" : "open");
  return error != 0 ? error : SystemCalls::open(path, flags);
}

int64_t FaultyCalls::pread(int fd, std::span<std::byte> bytes, int64_t offset) {
  wait();
  const int error = fault("pread");
  return error != 0 ? error : SystemCalls::pread(fd, bytes, offset);
}

int64_t FaultyCalls::pwrite(int fd, std::span<const std::byte> bytes, int64_t offset) {
  const int error = fault("pwrite");
  return error != 0 ? error : SystemCalls::pwrite(fd, bytes, offset);
}

int FaultyCalls::allocate(int fd, int64_t bytes) {
  const int error = fault("allocate");
  return error != 0 ? error : SystemCalls::allocate(fd, bytes);
}

int FaultyCalls::truncate(int fd, int64_t bytes) {
  const int error = fault("truncate");
  return error != 0 ? error : SystemCalls::truncate(fd, bytes);
}

int FaultyCalls::sync(int fd) {
  wait();
  const int error = fault("sync");
  return error != 0 ? error : SystemCalls::sync(fd);
}

int FaultyCalls::sync_directory(const std::filesystem::path& directory) {
  const int error = fault("sync_directory");
  return error != 0 ? error : SystemCalls::sync_directory(directory);
}

int FaultyCalls::rename(const std::filesystem::path& from, const std::filesystem::path& to) {
  const int error = fault("rename");
  return error != 0 ? error : SystemCalls::rename(from, to);
}

int FaultyCalls::unlink(const std::filesystem::path& path) {
  const int error = fault("unlink");
  return error != 0 ? error : SystemCalls::unlink(path);
}

int FaultyCalls::setup_uring(unsigned entries, io_uring* ring) {
  const int error = fault("setup_uring");
  return error != 0 ? error : SystemCalls::setup_uring(entries, ring);
}

}  // namespace lockstep::testing_support
