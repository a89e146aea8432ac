// Ages in buckets whose width grows with the age, four to an octave: what reuse is counted by.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace lockstep {

/// Ages from here on count as this one.
inline constexpr uint64_t kMaxAge = (uint64_t{1} << 32) - 1;
inline constexpr size_t kNumAgeBuckets = 124;

constexpr size_t age_bucket(uint64_t age) {
  age = std::min(age, kMaxAge);
  if (age < 4) return static_cast<size_t>(age);
  const auto top = static_cast<int>(std::bit_width(age)) - 1;
  return static_cast<size_t>(4 * (top - 1)) + static_cast<size_t>((age >> (top - 2)) & 3);
}

/// The first age of bucket `bucket` ≤ kNumAgeBuckets; the bucket ends where the next begins.
constexpr uint64_t age_bucket_begin(size_t bucket) {
  if (bucket < 4) return bucket;
  return (uint64_t{4} + bucket % 4) << (bucket / 4 - 1);
}

static_assert(age_bucket(kMaxAge) == kNumAgeBuckets - 1 && age_bucket_begin(kNumAgeBuckets) == kMaxAge + 1);

}  // namespace lockstep
