// Rows of logits on disk: written in one pass, read in others, in any order. The file has no name any more once it is
// open, so that it goes with the process, however that ends.
#pragma once

#include "launcher/batch/file.h"

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace lockstep {

/// Memory: one row. Not thread-safe.
class LogitSpool {
 public:
  /// Without rows. Throws IoError where the directory cannot be written.
  LogitSpool(std::filesystem::path directory, int64_t vocab_size);

  /// Takes the room for so many rows, at least as many as before. Throws IoError where there is not so much.
  void grow(int64_t num_rows);

  int64_t vocab_size() const { return vocab_size_; }
  /// Throws IoError; Error for a row that is none or of another size.
  void write(int64_t row, std::span<const float> logits);
  /// What was written there, valid until the next call.
  std::span<const float> read(int64_t row);

 private:
  int64_t offset_of(int64_t row) const;

  std::filesystem::path directory_;
  int64_t num_rows_ = 0, vocab_size_;
  File file_;
  std::vector<float> row_;
};

}  // namespace lockstep
