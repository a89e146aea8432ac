#include "tests/cache/disk/crashing_calls.h"

#include "tests/support/temporary_directory.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <utility>

namespace lockstep::testing_support {
namespace {

/// The content of a file, in one read: it is asked for at nearly every change.
std::string content_of(const std::filesystem::path& path) {
  std::string content(std::filesystem::file_size(path), '\0');
  std::ifstream(path, std::ios::binary).read(content.data(), static_cast<std::streamsize>(content.size()));
  return content;
}

}  // namespace

bool CrashingCalls::change() {
  if (is_dead()) return false;
  ++num_changes_;
  return true;
}

std::shared_ptr<CrashingCalls::FileState> CrashingCalls::state_of(const std::filesystem::path& path) {
  std::shared_ptr<FileState>& file = files_[path];
  if (!file) {
    file = std::make_shared<FileState>();
    file->path = path;
  }
  return file;
}

int CrashingCalls::open(const std::filesystem::path& path, int flags) {
  const bool creates = (flags & O_CREAT) != 0 && !std::filesystem::exists(path);
  const bool empties = (flags & O_TRUNC) != 0 && !creates && std::filesystem::exists(path);
  if ((creates || empties) && !change()) return -EIO;
  if (is_dead()) return -EIO;
  const auto file = state_of(path);
  if (empties && file->changes.empty()) file->durable = content_of(path);
  const int fd = SystemCalls::open(path, flags);
  if (fd < 0) return fd;
  if (creates) names_.push_back({NameChange::Kind::kCreated, path, {}, {}, false});
  if (empties) file->changes.push_back({0, {}, 0});
  open_[fd] = file;
  return fd;
}

void CrashingCalls::close(int fd) noexcept {
  open_.erase(fd);
  SystemCalls::close(fd);
}

void CrashingCalls::note(int fd, Change change) {
  FileState& file = *open_.at(fd);
  if (file.changes.empty() && std::filesystem::exists(file.path)) file.durable = content_of(file.path);
  file.changes.push_back(std::move(change));
}

int64_t CrashingCalls::pwrite(int fd, std::span<const std::byte> bytes, int64_t offset) {
  if (!change()) return -EIO;
  note(fd, {offset, std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()), -1});
  return is_dead() ? -EIO : SystemCalls::pwrite(fd, bytes, offset);
}

int CrashingCalls::allocate(int fd, int64_t bytes) {
  if (!change()) return -EIO;
  note(fd, {0, {}, bytes});
  return is_dead() ? -EIO : SystemCalls::truncate(fd, bytes);
}

int CrashingCalls::truncate(int fd, int64_t bytes) {
  if (!change()) return -EIO;
  note(fd, {0, {}, bytes});
  return is_dead() ? -EIO : SystemCalls::truncate(fd, bytes);
}

int CrashingCalls::sync(int fd) {
  if (!change() || is_dead()) return -EIO;
  open_.at(fd)->changes.clear();
  return 0;
}

int CrashingCalls::sync_directory(const std::filesystem::path&) {
  if (!change() || is_dead()) return -EIO;
  names_.clear();
  return 0;
}

int CrashingCalls::rename(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (!change() || is_dead()) return -EIO;
  const bool had_target = std::filesystem::exists(to);
  names_.push_back({NameChange::Kind::kRenamed, from, to, had_target ? content_of(to) : std::string(), had_target});
  auto file = state_of(from);
  files_.erase(from);
  file->path = to;
  files_[to] = file;
  return SystemCalls::rename(from, to);
}

int CrashingCalls::unlink(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return is_dead() ? -EIO : -ENOENT;
  if (!change() || is_dead()) return -EIO;
  names_.push_back({NameChange::Kind::kRemoved, path, {}, content_of(path), false});
  files_.erase(path);
  return SystemCalls::unlink(path);
}

std::string CrashingCalls::content_after_crash(FileState& file) {
  std::string content = file.durable;
  for (const Change& change : file.changes) {
    const uint64_t fate = random_() % 3;
    if (fate == 0) continue;
    if (change.size >= 0) {
      content.resize(static_cast<size_t>(change.size), '\0');
      continue;
    }
    size_t length = change.bytes.size();
    if (fate == 1) length = random_() % (length + 1);
    // Cut at either end: a disk may write the last sector of a request and not the first.
    const size_t begin = fate == 1 && random_() % 2 == 0 ? change.bytes.size() - length : 0;
    const size_t offset = static_cast<size_t>(change.offset) + begin;
    if (content.size() < offset + length) content.resize(offset + length, '\0');
    content.replace(offset, length, change.bytes, begin, length);
  }
  return content;
}

void CrashingCalls::undo(const NameChange& change) {
  switch (change.kind) {
    case NameChange::Kind::kCreated: std::filesystem::remove(change.path); break;
    case NameChange::Kind::kRemoved: write_file(change.path, change.content); break;
    case NameChange::Kind::kRenamed:
      std::filesystem::rename(change.to, change.path);
      if (change.had_target) write_file(change.to, change.content);
      break;
  }
}

void CrashingCalls::crash() {
  for (auto& [path, file] : files_) {
    if (!file->changes.empty() && std::filesystem::exists(path)) write_file(path, content_after_crash(*file));
  }
  const size_t num_kept = random_() % (names_.size() + 1);
  while (names_.size() > num_kept) {
    undo(names_.back());
    names_.pop_back();
  }
}

}  // namespace lockstep::testing_support
