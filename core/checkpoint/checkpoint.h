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
  /// Uses model.safetensors.index.json if present, else model.safetensors. Files that an index names stand in the same
  /// directory. Throws IoError; FormatError, naming index entries whose file or tensor is missing.
  /// "synthetic:NAME" opens synthetic() weights of that shape instead (core/checkpoint/synthetic.h).
  static Checkpoint open(const std::filesystem::path& directory);
  /// Random weights of any size in the memory of the largest tensor, which they share. For measurements: activations
  /// stay finite, values mean nothing. The same bits on every rank; the fingerprint is the config's. `place` names it
  /// in messages.
  static Checkpoint synthetic(const std::string& place, const ModelConfig& config);
  Checkpoint(Checkpoint&&) noexcept;
  Checkpoint& operator=(Checkpoint&&) noexcept;
  ~Checkpoint();

  const ModelConfig& config() const;
  bool contains(const std::string& name) const;
  /// The mapped tensor, F32, F16 or BF16 as stored (which may differ from config().dtype). Throws FormatError naming
  /// the tensor and directory if it is missing or stored in another dtype, or naming shape seen and shape expected if
  /// it differs from `expected`.
  ConstTensorView tensor(const std::string& name, const Shape& expected) const;
  /// Names of all tensors, ascending.
  std::vector<std::string> names() const;
  /// Bytes of all tensors as stored.
  int64_t weight_bytes() const;
  /// Identity of the model: hash of the canonical config, of every file's header, and of 4 KiB samples spread over
  /// every tensor. The same value on every rank that reads the same files; other weights or another division into files
  /// give another value. Reads at most 32 KiB of each tensor.
  Hash128 fingerprint() const;

  struct Impl;

 private:
  explicit Checkpoint(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace lockstep
