// A machine that loses power at a chosen system call: what was not synced is dropped, kept, or kept in part.
#pragma once

#include "cache/disk/system_calls.h"

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace lockstep::testing_support {

/// Calls go to the real files at once. At the crash_at-th change (0: never) the machine is dead: that call and all
/// later ones fail and change nothing. crash() then makes the files what a disk may hold: of each file's unsynced
/// changes any subset, writes also cut within; of unsynced names (created, renamed, removed) the first few.
class CrashingCalls : public SystemCalls {
 public:
  CrashingCalls(int64_t crash_at, uint64_t seed) : crash_at_(crash_at), random_(seed) {}

  int64_t num_changes() const { return num_changes_; }
  bool is_dead() const { return crash_at_ != 0 && num_changes_ >= crash_at_; }
  void crash();

  int open(const std::filesystem::path& path, int flags) override;
  void close(int fd) noexcept override;
  int64_t pwrite(int fd, std::span<const std::byte> bytes, int64_t offset) override;
  int allocate(int fd, int64_t bytes) override;
  int truncate(int fd, int64_t bytes) override;
  int sync(int fd) override;
  int sync_directory(const std::filesystem::path& directory) override;
  int rename(const std::filesystem::path& from, const std::filesystem::path& to) override;
  int unlink(const std::filesystem::path& path) override;

 private:
  struct Change {
    int64_t offset = 0;
    std::string bytes;  // written there, or
    int64_t size = -1;  // the file's new length
  };
  struct FileState {
    std::filesystem::path path;
    std::string durable;  // valid while there are changes
    std::vector<Change> changes;
  };
  struct NameChange {
    enum class Kind { kCreated, kRemoved, kRenamed } kind;
    std::filesystem::path path, to;
    std::string content;  // what was removed, or replaced at `to`
    bool had_target = false;
  };

  /// Counts a change; false if the machine is dead.
  bool change();
  std::shared_ptr<FileState> state_of(const std::filesystem::path& path);
  void note(int fd, Change change);
  std::string content_after_crash(FileState& file);
  static void undo(const NameChange& change);

  int64_t crash_at_;
  int64_t num_changes_ = 0;
  std::mt19937_64 random_;
  std::map<int, std::shared_ptr<FileState>> open_;
  std::map<std::filesystem::path, std::shared_ptr<FileState>> files_;
  std::vector<NameChange> names_;
};

}  // namespace lockstep::testing_support
