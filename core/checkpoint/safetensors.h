// One safetensors file, memory-mapped: every bound of its header is checked before anything is used.
// Source: https://github.com/huggingface/safetensors (format description).
#pragma once

#include "core/tensor_view.h"

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

/// What the header says of one tensor. `dtype` as spelled there ("BF16", "I64", …); offsets in bytes from the end of
/// the header. Any number of axes.
struct SafetensorsEntry {
  std::string dtype;
  std::vector<int64_t> shape;
  int64_t begin = 0, end = 0;
};

/// A mapped file. Move-only; views stay valid while it lives. Thread-safe for reading.
class SafetensorsFile {
 public:
  /// Throws IoError (cannot open or map), FormatError (naming the file, the tensor and what is wrong: header length
  /// beyond the file or above 100 MB, invalid JSON, unknown dtype, offsets out of range, overlapping, leaving holes, or
  /// not matching shape × dtype). The size of the file is checked here; it must not shrink afterwards.
  static SafetensorsFile open(const std::filesystem::path& path);
  SafetensorsFile(SafetensorsFile&&) noexcept;
  SafetensorsFile& operator=(SafetensorsFile&&) noexcept;
  ~SafetensorsFile();

  const std::filesystem::path& path() const;
  /// Every tensor of the header by name, viewable or not.
  const std::map<std::string, SafetensorsEntry>& entries() const;
  /// The tensor as a view of the mapping. Element addresses are aligned: a tensor whose offset in the file is not a
  /// multiple of its element size is copied once, at its first use. Throws FormatError if the tensor is missing, has a
  /// dtype other than F32, F16, BF16, or more axes than a view holds.
  ConstTensorView tensor(const std::string& name) const;
  /// The stored bytes of any tensor, in place. Throws FormatError if it is missing.
  std::span<const std::byte> bytes(const std::string& name) const;
  /// The raw JSON header (for fingerprints) and the size of the file in bytes.
  std::string_view header() const;
  int64_t file_bytes() const;

 private:
  struct Impl;
  explicit SafetensorsFile(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace lockstep
