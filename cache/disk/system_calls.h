// The system calls of the disk store behind one small interface, so that tests can refuse, delay and crash any of them.
//
// Results are as in the kernel's own interface: a negative value is -errno; interrupted calls are repeated. The bodies
// here are the real ones. Thread-safety: as the system calls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>

struct io_uring;

namespace lockstep {

class SystemCalls {
 public:
  virtual ~SystemCalls() = default;

  /// Flags as in open(2); O_CLOEXEC is added. Returns a descriptor.
  virtual int open(const std::filesystem::path& path, int flags);
  virtual void close(int fd) noexcept;
  /// Return the bytes moved, possibly less than asked.
  virtual int64_t pread(int fd, std::span<std::byte> bytes, int64_t offset);
  virtual int64_t pwrite(int fd, std::span<const std::byte> bytes, int64_t offset);
  /// Makes the file `bytes` long with its blocks set aside: fallocate(2), which refuses where the file system cannot.
  virtual int allocate(int fd, int64_t bytes);
  virtual int truncate(int fd, int64_t bytes);
  /// fdatasync(2).
  virtual int sync(int fd);
  /// fsync(2) of a directory: names created, renamed and removed in it are durable.
  virtual int sync_directory(const std::filesystem::path& directory);
  virtual int rename(const std::filesystem::path& from, const std::filesystem::path& to);
  virtual int unlink(const std::filesystem::path& path);
  /// io_uring_queue_init: 0, or why the kernel refuses.
  virtual int setup_uring(unsigned entries, io_uring* ring);
  /// Nanoseconds since 1970: the age of files and pages.
  virtual int64_t now();
};

/// Move-only owner of a descriptor. Closing drops its flock.
class FileHandle {
 public:
  FileHandle() = default;
  /// Takes over `fd`; a negative one is no file.
  FileHandle(std::shared_ptr<SystemCalls> calls, int fd) : calls_(std::move(calls)), fd_(fd) {}
  FileHandle(FileHandle&& other) noexcept;
  FileHandle& operator=(FileHandle&& other) noexcept;
  ~FileHandle();

  explicit operator bool() const { return fd_ >= 0; }
  int fd() const { return fd_; }

 private:
  std::shared_ptr<SystemCalls> calls_;
  int fd_ = -1;
};

/// Moves all of `bytes`. Returns 0 or -errno; a file that ends early is -ENODATA.
int read_all(SystemCalls& calls, int fd, std::span<std::byte> bytes, int64_t offset);
int write_all(SystemCalls& calls, int fd, std::span<const std::byte> bytes, int64_t offset);

/// flock(2) without waiting. True if it is held now.
bool try_lock(int fd, bool exclusive);
/// Of an open file; {-1, 0, 0} if it cannot be asked.
struct FileFacts {
  int64_t bytes = -1;  // its length
  int64_t num_names = 0;
  int64_t block_bytes = 0;  // what it occupies
};
FileFacts facts_of(int fd);

/// "No space left on device": the text of an error number, either sign; -ENODATA is "the file ends before".
std::string error_text(int error);

}  // namespace lockstep
