// Lines written to a new file or to standard output, packed if the name says so. Part of output_files.h.
#pragma once

#include "launcher/batch/compression.h"
#include "launcher/batch/file.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

/// "-" is standard output; any other file is written as `<name>.partial` until commit() gives it its name. The suffix
/// of the name decides the packing. All functions throw IoError naming the file. Not thread-safe.
class OutputStream {
 public:
  /// Replaces what an earlier, killed run left at the partial name.
  explicit OutputStream(std::filesystem::path name);
  OutputStream(const OutputStream&) = delete;
  OutputStream& operator=(const OutputStream&) = delete;
  /// Removes the partial file, unless commit() was called.
  ~OutputStream();

  void write_line(std::string_view line);
  /// All lines are written: gives them to the device. A pipe has none and takes them only.
  void finish();
  /// Renames the partial file and makes the name durable; nothing for standard output.
  void commit();

 private:
  void give_buffer();

  std::filesystem::path name_;
  File file_;
  std::unique_ptr<ByteStream> packer_;
  std::string buffer_;
  bool is_committed_ = false;
};

/// "<name>.partial".
std::filesystem::path partial_path(const std::filesystem::path& name);

}  // namespace lockstep
