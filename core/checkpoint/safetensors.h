// One safetensors file, memory-mapped: every bound of its header is checked before anything is used.
// Source: https://github.com/huggingface/safetensors (format description).
#pragma once

#include "core/tensor_view.h"

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace lockstep {

/// A mapped file. Move-only; views stay valid while it lives. Thread-safe for reading.
class SafetensorsFile {
 public:
  /// Throws IoError (cannot open or map), FormatError (naming the file, the tensor and what is wrong: header length
  /// beyond the file, invalid JSON, unknown dtype, offsets out of range, overlapping or not matching shape × dtype,
  /// holes).
  static SafetensorsFile open(const std::filesystem::path& path);
  SafetensorsFile(SafetensorsFile&&) noexcept;
  SafetensorsFile& operator=(SafetensorsFile&&) noexcept;
  ~SafetensorsFile();

  const std::filesystem::path& path() const;
  /// Tensors by name. F32, F16, BF16 only are viewable; others are listed by list_dtype and refused on use.
  const std::map<std::string, ConstTensorView>& tensors() const;
  /// The raw JSON header (for fingerprints) and the size of the file in bytes.
  std::string_view header() const;
  int64_t file_bytes() const;

 private:
  struct Impl;
  explicit SafetensorsFile(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace lockstep
