// An open file: positioned reads and writes that either do everything or throw IoError with the path and the reason.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

namespace lockstep {

/// Move-only owner of a file descriptor. Thread-safety: positioned reads and writes may run concurrently.
class File {
 public:
  /// Identity and age of a file: changes when another program writes, truncates or replaces it.
  struct Stamp {
    uint64_t device = 0, inode = 0;
    int64_t bytes = 0, seconds = 0, nanoseconds = 0;
    auto operator<=>(const Stamp&) const = default;
  };

  /// `flags` and `mode` as in open(2); O_CLOEXEC is added.
  File(std::filesystem::path path, int flags, unsigned mode = 0666);
  /// A second descriptor of an open one, such as standard input's; `name` stands for the path in messages.
  static File duplicate(int descriptor, std::filesystem::path name);
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();

  const std::filesystem::path& path() const { return path_; }
  int descriptor() const { return descriptor_; }
  Stamp stamp() const;
  int64_t bytes() const { return stamp().bytes; }
  /// True if path() still names this very file: nobody removed or replaced it.
  bool is_at_path() const;
  bool is_regular() const;

  /// Fills `out` from `offset`, less at the end of the file; returns the bytes read.
  int64_t read_some(std::span<std::byte> out, int64_t offset) const;
  /// Fills `out` or throws.
  void read(std::span<std::byte> out, int64_t offset) const;
  void write(std::span<const std::byte> bytes, int64_t offset);
  /// As read_some and write, at and past the descriptor's own position: what pipes can do. One thread at a time.
  int64_t read_next(std::span<std::byte> out);
  void write_next(std::span<const std::byte> bytes);
  void truncate(int64_t bytes);
  /// Whoever opens the file from now on, on any host, sees what was written: NFS needs a close for that. Not durable.
  void publish();
  /// fdatasync(2): content is on the device when this returns.
  void sync();

 private:
  File() = default;

  std::filesystem::path path_;
  int descriptor_ = -1;
};

/// Removes a file; false if there is none. Not durable before sync_directory_of.
bool remove_file(const std::filesystem::path& path);
/// Whether something other than a regular file has this name. What cannot be looked at counts as no such thing: opening
/// it will say why.
bool is_no_file(const std::filesystem::path& path);
/// Makes names created, renamed or removed beside `path` durable.
void sync_directory_of(const std::filesystem::path& path);
/// rename(2), then sync_directory_of: a reader sees the old or the new file, never a part.
void replace_file(const std::filesystem::path& from, const std::filesystem::path& to);
/// Writes `text` to "<path>.partial", syncs, and renames it to `path`.
void write_file_atomically(const std::filesystem::path& path, std::string_view text);

}  // namespace lockstep
