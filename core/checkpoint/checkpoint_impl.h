// What the sources of a checkpoint implement: files (checkpoint.cpp) and made-up weights (synthetic.cpp). Private to
// core/checkpoint/.
#pragma once

#include "core/checkpoint/checkpoint.h"

#include <cstdint>
#include <string>
#include <vector>

namespace lockstep {

struct Checkpoint::Impl {
  virtual ~Impl() = default;
  /// nullptr if there is no such tensor.
  virtual const std::vector<int64_t>* shape(const std::string& name) const = 0;
  /// Of a tensor that exists; throws FormatError if it cannot be viewed.
  virtual ConstTensorView view(const std::string& name) const = 0;
  /// Where the tensor stands, for messages.
  virtual std::string place_of(const std::string& name) const = 0;
  virtual std::vector<std::string> names() const = 0;
  virtual int64_t weight_bytes() const = 0;
  virtual Hash128 fingerprint() const = 0;

  std::string place;  // the whole, for messages
  ModelConfig config;
};

}  // namespace lockstep
