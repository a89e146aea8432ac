// Bounds on what a template may ask for: it comes with a model directory and is not trusted.
#pragma once

#include "core/text/jinja/fault.h"

#include <cstddef>
#include <cstdint>

namespace lockstep::jinja {

inline constexpr std::size_t kMaxSourceBytes = 4u << 20;   // real templates are below 64 KiB
inline constexpr std::size_t kMaxOutputBytes = 64u << 20;  // also of any one string inside
inline constexpr int64_t kMaxSteps = 10'000'000;           // nodes evaluated, elements copied
inline constexpr int64_t kBytesPerStep = 64;               // of strings built
inline constexpr int64_t kMaxRange = 100'000;              // as Jinja2's sandbox
inline constexpr int kMaxExpressionHeight = 200;           // of one expression's or statement's tree
inline constexpr int kMaxEvaluationDepth = 1500;  // nested evaluations, macro calls included; 8 MB stacks hold it
inline constexpr int kMaxCallDepth = 200;         // macros, callers and recursive loops
inline constexpr int kMaxValueDepth = 200;        // nesting of lists and dicts
inline constexpr int64_t kMaxWeight = int64_t{1} << 40;  // of a value: beyond any budget, and sums do not overflow
inline constexpr int64_t kMaxKeyWeight = 10'000;         // of a tuple that is a key

/// What a rendering may still spend. One per rendering, not thread-safe.
class Budget {
 public:
  /// Throws Fault when all is spent.
  void charge(int64_t steps) {
    spent_ += steps;
    if (spent_ > kMaxSteps) [[unlikely]]
      fail("the template takes more than {} steps", kMaxSteps);
  }
  /// For a string of `bytes` that is about to be built.
  void charge_bytes(std::size_t bytes) {
    if (bytes > kMaxOutputBytes) [[unlikely]]
      fail("a string of {} bytes; at most {} are accepted", bytes, kMaxOutputBytes);
    charge(1 + static_cast<int64_t>(bytes) / kBytesPerStep);
  }

 private:
  int64_t spent_ = 0;
};

}  // namespace lockstep::jinja
