// A Hugging Face model directory: config.json and its safetensors files, single or sharded by an index file.
#pragma once

#include "core/checkpoint/model_config.h"
#include "core/hash.h"
#include "core/tensor_view.h"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace lockstep {

/// Opens and maps; reads no weight until a view is touched, so a rank pays only for its own slices.
/// Thread-safe for reading. Move-only.
class Checkpoint {
 public:
  /// Uses model.safetensors.index.json if present, else model.safetensors. Throws IoError, FormatError.
  static Checkpoint open(const std::filesystem::path& directory);
  Checkpoint(Checkpoint&&) noexcept;
  Checkpoint& operator=(Checkpoint&&) noexcept;
  ~Checkpoint();

  const ModelConfig& config() const;
  bool contains(const std::string& name) const;
  /// The mapped tensor. Throws FormatError naming the tensor and directory if it is missing, or naming shape seen and
  /// shape expected if it differs from `expected`.
  ConstTensorView tensor(const std::string& name, const Shape& expected) const;
  std::vector<std::string> names() const;
  int64_t weight_bytes() const;
  /// Identity of the weights: hash of the canonical config, of every header, and of 4 KiB samples spread over every
  /// tensor. Equal on all ranks and across storage layouts of nothing: two different files give different values.
  Hash128 fingerprint() const;

 private:
  struct Impl;
  explicit Checkpoint(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace lockstep
