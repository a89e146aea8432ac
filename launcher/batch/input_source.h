// Where the rows of a job come from: a plain file, one packed by gzip or zstd, a pipe, or standard input ("-").
//
// A job reads its rows more than once and in any order, which needs a plain regular file. One that is given is used as
// it is; everything else is unpacked once, with bounded memory, to a spool file, anew in every run. row_index.h reads
// the result. One process (rank 0) owns the source; others may read file() while it lives. Not thread-safe.
#pragma once

#include "launcher/batch/file_lock.h"

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

namespace lockstep {

class InputSource {
 public:
  /// `input`: ".gz" and ".zst" demand that form; else the first bytes tell; "-" is standard input. `spool`: where to
  /// unpack if need be; held by a lock, so that no second job writes it under this one; `patience` as open_and_lock.
  /// Throws: FormatError for packed data that is damaged or cut off; IoError if the input is a directory or cannot be
  ///         read, another job holds the spool, or it cannot be written (a full disk); the spool is removed then.
  explicit InputSource(const std::filesystem::path& input, const std::filesystem::path& spool,
                       std::chrono::milliseconds patience = std::chrono::milliseconds{0});
  InputSource(const InputSource&) = delete;
  InputSource& operator=(const InputSource&) = delete;
  /// As remove_spool.
  ~InputSource();

  /// A plain regular file with all rows.
  const std::filesystem::path& file() const { return file_; }
  /// The input in messages: its path, or "standard input".
  const std::string& name() const { return name_; }
  bool is_spooled() const { return spool_.has_value(); }
  /// Removes the spool file, if there is one; call when no rank opens file() any more (open ones stay readable).
  void remove_spool() noexcept;

 private:
  void unpack(File& from, std::chrono::milliseconds patience);

  std::filesystem::path input_, file_;
  std::string name_;
  std::optional<LockedFile> spool_;
};

/// "<base>.input".
std::filesystem::path spool_path(const std::filesystem::path& base);

}  // namespace lockstep
