// The file of `--trace FILE`: opened by rank 0 before anything is computed, filled with the spans of all ranks at the
// end of a command, also of one that a signal stopped.
//
// Every rank puts its own spans into text; rank 0 takes the texts piece by piece, so its memory does not grow with the
// ranks. Not thread-safe.
#pragma once

#include "launcher/batch/file.h"
#include "launcher/trace/clock_offset.h"

#include <cstdint>
#include <exception>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace lockstep {

class Session;

class TraceWriter {
 public:
  /// `file` "": there is no trace, and nothing happens here or in write(). What is in the file stays until write().
  /// Ranks: collective; the same file on every rank. Throws: PhaseFailure with kExitUsage on every rank where rank 0
  /// cannot write it.
  TraceWriter(Communicator& world, std::string file);

  /// Writes what the session's ranks did; waits for their streams. Ranks: collective. Throws: PhaseFailure on every
  /// rank if the file cannot be written.
  void write(const Session& session);

 private:
  struct RankFacts;

  void take(Rank from, const std::string& text);
  void append(std::string_view text);
  void finish(const Session& session, std::span<const RankFacts> ranks);

  Communicator& world_;
  std::string name_;
  std::optional<File> file_;  // rank 0
  bool is_empty_ = true;
  std::exception_ptr failure_;  // of rank 0's writing: the others send all the same
  int64_t zero_ = 0;            // rank 0's clock when the trace began
  ClockOffset first_;
};

}  // namespace lockstep
