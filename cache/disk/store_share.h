// What a job may write into a store's directory, so that all jobs together stay within its capacity.
//
// The first writer of a job to open takes the job's share and writes it into its log's header; the job's other writers
// find it there and take the same. Jobs are told apart by the group in that header, and need no name from outside: a
// writer joins a group of equal settings that still lacks living writers, or begins one.
#pragma once

#include "cache/disk/segment_plan.h"
#include "cache/disk/store_cleaning.h"

#include <cstdint>
#include <memory>

namespace lockstep {

struct StoreShare {
  uint64_t group = 0;
  int64_t budget_bytes = 0;  // of this writer's segments
};

/// `facts`: all but group and budget. Removes the oldest segments of earlier jobs for room.
StoreShare take_share(StoreScan& scan, const WriterFacts& facts, const SegmentPlan& plan, uint64_t new_group,
                      const std::shared_ptr<SystemCalls>& calls, Cleaned& cleaned);

}  // namespace lockstep
