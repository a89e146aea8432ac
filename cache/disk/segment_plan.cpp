#include "cache/disk/segment_plan.h"

#include "cache/disk/store_format.h"
#include "core/error.h"

#include <algorithm>

namespace lockstep {

SegmentPlan plan_segments(const RecordShape& shape, int32_t num_heads, int64_t capacity_bytes, int32_t num_writers) {
  constexpr int64_t kFewestRecords = 64, kMostBytes = int64_t{256} << 20;
  constexpr int64_t kSegmentsWanted = 16, kFewestSegments = 4;
  const int64_t record_bytes = shape.aligned_payload_bytes(), page_bytes = num_heads * record_bytes;
  const int64_t least = num_writers * 2 * (kSegmentHeaderBytes + page_bytes);
  LS_REQUIRE(ConfigError, capacity_bytes >= least,
             "a disk cache of {} bytes is too small for {} ranks with pages of {} bytes each; it needs at least {}",
             capacity_bytes, num_writers, page_bytes, least);
  SegmentPlan plan;
  plan.others_bytes = std::min(capacity_bytes / 2, capacity_bytes - least);
  const int64_t share = (capacity_bytes - plan.others_bytes) / num_writers;
  const int64_t most = std::max(kMostBytes, kSegmentHeaderBytes + page_bytes);
  const int64_t wanted = std::min(std::max(share / kSegmentsWanted, kFewestRecords * record_bytes), most);
  const int64_t payload = std::min(wanted, share / kFewestSegments) - kSegmentHeaderBytes;
  plan.pages_per_segment = std::clamp(payload / page_bytes, int64_t{1}, int64_t{UINT32_MAX});
  plan.segment_bytes = kSegmentHeaderBytes + plan.pages_per_segment * page_bytes;
  return plan;
}

}  // namespace lockstep
