// How a job's share of a store's directory is cut into segments: arithmetic on what all ranks were told alike.
#pragma once

#include "cache/disk/record_shape.h"

#include <cstdint>

namespace lockstep {

struct SegmentPlan {
  int64_t pages_per_segment = 0;
  int64_t segment_bytes = 0;
  /// Bytes that files of earlier and other jobs may keep when a job opens.
  int64_t others_bytes = 0;
};

/// A segment is a sixteenth of the share that is certain (the directory less others_bytes, over num_writers), at least
/// 64 records and at most 256 MiB; then at most a quarter of that share; and at least one page.
/// Throws ConfigError naming the least capacity, which is two segments of one page for each writer.
SegmentPlan plan_segments(const RecordShape& shape, int32_t num_heads, int64_t capacity_bytes, int32_t num_writers);

}  // namespace lockstep
