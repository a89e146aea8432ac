// What single codes of sealed pages stand for: for measuring, transcoding and tests. Attention reads codes directly and
// never calls this. Thread-safe.
#pragma once

#include "kernels/kv_layout.h"

#include <cstddef>
#include <cstdint>

namespace lockstep {

/// The key of (token, dim) in a K block of codes of `bits` bits (8 or 4) at `block`; 0 for head_dim ≤ dim <
/// coded_head_dim(). In double: exact.
double decode_key(const KvLayout& layout, int64_t bits, const std::byte* block, int64_t token, int64_t dim);

/// The value of (token, dim) in a V block of codes.
double decode_value(const KvLayout& layout, int64_t bits, const std::byte* block, int64_t token, int64_t dim);

/// Mean and standard deviation of a channel of keys over the page, as its K block carries them.
struct KeySummary {
  double mean, deviation;
};
KeySummary decode_key_summary(const KvLayout& layout, int64_t bits, const std::byte* block, int64_t dim);

}  // namespace lockstep
