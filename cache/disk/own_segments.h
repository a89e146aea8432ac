// The segments that a rank writes: every attempt has its slot, whether it succeeds or not, and whenever it comes.
#pragma once

#include "cache/disk/page_index.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

namespace lockstep {

/// Not thread-safe.
class OwnSegments {
 public:
  /// At most `most` segments at a time; files are opened with `open_flags` beside the usual ones. Sparse ones have no
  /// blocks set aside: what packed records leave of their places takes none.
  OwnSegments(std::filesystem::path directory, const WriterFacts& facts, int64_t most, int open_flags, bool is_sparse,
              std::shared_ptr<SystemCalls> calls);

  struct Slot {
    std::shared_ptr<OpenSegment> segment;  // none: `problem` says why
    uint32_t slot = 0;
    std::string problem;
  };
  /// Behind the last one taken.
  uint64_t next_attempt() const { return next_attempt_; }
  /// The place of attempt n: slot n % pages_per_segment of segment n / pages_per_segment, which is made if it is not
  /// there. An attempt that gets no segment is used up all the same.
  Slot take(uint64_t attempt);
  /// Removes segments without a live head that lie behind the last attempt's. One that comes late makes its anew.
  void remove_empty();
  /// At the end: removes those without a live head, and gives back what the last was set aside for.
  void close();

 private:
  std::string create(uint64_t index);
  void remove(uint64_t index);

  std::filesystem::path directory_;
  WriterFacts facts_;
  int64_t most_;
  int open_flags_;
  bool is_sparse_;
  std::shared_ptr<SystemCalls> calls_;
  uint64_t next_attempt_ = 0;
  std::map<uint64_t, std::shared_ptr<OpenSegment>> segments_;
};

}  // namespace lockstep
