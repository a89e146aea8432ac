#include "launcher/batch/file.h"

#include "core/error.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace lockstep {
namespace {

[[noreturn]] void throw_io(std::string_view verb, const std::filesystem::path& path) {
  const int code = errno;
  LS_THROW(IoError, "cannot {} {}: {}", verb, path.string(), std::strerror(code));
}

int64_t ssize(size_t bytes) { return static_cast<int64_t>(bytes); }

/// Calls step(bytes done), a system call that returns the bytes it moved, until all are moved or it returns 0.
template <class Step>
int64_t transfer_all(size_t bytes, std::string_view verb, const std::filesystem::path& path, const Step& step) {
  size_t done = 0;
  while (done < bytes) {
    const ssize_t moved = step(done);
    if (moved < 0 && errno == EINTR) continue;
    if (moved < 0) throw_io(verb, path);
    if (moved == 0) break;
    done += static_cast<size_t>(moved);
  }
  return ssize(done);
}

}  // namespace

File::File(std::filesystem::path path, int flags, unsigned mode) : path_(std::move(path)) {
  do {
    descriptor_ = ::open(path_.c_str(), flags | O_CLOEXEC, static_cast<mode_t>(mode));
  } while (descriptor_ < 0 && errno == EINTR);
  if (descriptor_ < 0) throw_io("open", path_);
}

File File::duplicate(int descriptor, std::filesystem::path name) {
  File file;
  file.path_ = std::move(name);
  file.descriptor_ = ::fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  if (file.descriptor_ < 0) throw_io("open", file.path_);
  return file;
}

File::File(File&& other) noexcept : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

File& File::operator=(File&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

File::Stamp File::stamp() const {
  struct stat info {};
  if (::fstat(descriptor_, &info) != 0) throw_io("inspect", path_);
  return {info.st_dev, info.st_ino, info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec};
}

bool File::is_at_path() const {
  struct stat info {};
  if (::stat(path_.c_str(), &info) != 0) return false;
  const Stamp own = stamp();
  return own.device == info.st_dev && own.inode == info.st_ino;
}

bool File::is_regular() const {
  struct stat info {};
  if (::fstat(descriptor_, &info) != 0) throw_io("inspect", path_);
  return S_ISREG(info.st_mode);
}

int64_t File::read_some(std::span<std::byte> out, int64_t offset) const {
  return transfer_all(out.size(), "read", path_, [&](size_t done) {
    return ::pread(descriptor_, out.data() + done, out.size() - done, static_cast<off_t>(offset + ssize(done)));
  });
}

int64_t File::read_next(std::span<std::byte> out) {
  return transfer_all(out.size(), "read", path_,
                      [&](size_t done) { return ::read(descriptor_, out.data() + done, out.size() - done); });
}

void File::read(std::span<std::byte> out, int64_t offset) const {
  const int64_t got = read_some(out, offset);
  LS_REQUIRE(IoError, got == static_cast<int64_t>(out.size()), "cannot read {}: it ends at byte {}, expected {} more",
             path_.string(), offset + got, static_cast<int64_t>(out.size()) - got);
}

void File::write(std::span<const std::byte> bytes, int64_t offset) {
  transfer_all(bytes.size(), "write", path_, [&](size_t done) {
    return ::pwrite(descriptor_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + ssize(done)));
  });
}

void File::write_next(std::span<const std::byte> bytes) {
  transfer_all(bytes.size(), "write", path_,
               [&](size_t done) { return ::write(descriptor_, bytes.data() + done, bytes.size() - done); });
}

void File::truncate(int64_t bytes) {
  if (::ftruncate(descriptor_, static_cast<off_t>(bytes)) != 0) throw_io("truncate", path_);
}

void File::publish() {
  const int second = ::fcntl(descriptor_, F_DUPFD_CLOEXEC, 0);
  if (second < 0 || ::close(second) != 0) throw_io("write", path_);
}

void File::sync() {
  if (::fdatasync(descriptor_) != 0) throw_io("sync", path_);
}

bool remove_file(const std::filesystem::path& path) {
  if (::unlink(path.c_str()) == 0) return true;
  if (errno != ENOENT) throw_io("remove", path);
  return false;
}

bool is_no_file(const std::filesystem::path& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode);
}

void sync_directory_of(const std::filesystem::path& path) {
  const std::filesystem::path parent = path.parent_path();
  const File directory(parent.empty() ? "." : parent, O_RDONLY | O_DIRECTORY);
  // Some file systems cannot sync a directory and need not: they say EINVAL.
  if (::fsync(directory.descriptor()) != 0 && errno != EINVAL) throw_io("sync directory", directory.path());
}

void replace_file(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) throw_io(fmt::format("rename {} to", from.string()), to);
  sync_directory_of(to);
}

void write_file_atomically(const std::filesystem::path& path, std::string_view text) {
  std::filesystem::path partial = path;
  partial += ".partial";
  File file(partial, O_WRONLY | O_CREAT | O_TRUNC);
  file.write(std::as_bytes(std::span(text)), 0);
  file.sync();
  replace_file(partial, path);
}

}  // namespace lockstep
