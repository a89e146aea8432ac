// Writes safetensors files and whole checkpoints from memory, well-formed or not.
#pragma once

#include "core/dtype.h"

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace lockstep::testing_support {

/// One tensor as a safetensors file stores it.
struct StoredTensor {
  std::string name;
  std::string dtype;  // "F32", "I64", …
  std::vector<int64_t> shape;
  std::string bytes;
};

/// `values` rounded to `dtype`, row-major.
StoredTensor stored(const std::string& name, DType dtype, std::vector<int64_t> shape, std::span<const float> values);

/// The bytes of a file with this header text, for files that are broken on purpose.
std::string safetensors_file(const std::string& header, const std::string& data);
/// A well-formed file: tensors in the given order, spaces after the header so that the data starts at a multiple of
/// `alignment` plus `misalignment` bytes.
std::string safetensors_file(std::span<const StoredTensor> tensors, size_t alignment = 8, size_t misalignment = 0);

/// Makes `directory` and writes config.json and model.safetensors.
void write_checkpoint(const std::filesystem::path& directory, const std::string& config_json,
                      std::span<const StoredTensor> tensors);

}  // namespace lockstep::testing_support
