#include "cache/disk/store_share.h"

#include <algorithm>
#include <map>

namespace lockstep {
namespace {

struct Group {
  const WriterFacts* facts = nullptr;
  int32_t num_live = 0;
  int64_t segment_bytes = 0;  // of its living writers
};

bool is_same_job(const WriterFacts& a, const WriterFacts& b) {
  return a.content == b.content && a.shape == b.shape && a.heads.count == b.heads.count &&
         a.pages_per_segment == b.pages_per_segment && a.num_writers == b.num_writers &&
         a.capacity_bytes == b.capacity_bytes;
}

}  // namespace

StoreShare take_share(StoreScan& scan, const WriterFacts& facts, const SegmentPlan& plan, uint64_t new_group,
                      const std::shared_ptr<SystemCalls>& calls, Cleaned& cleaned) {
  std::map<uint64_t, Group> groups;
  int64_t reserved = 0;
  for (const auto& [id, writer] : scan.writers) {
    if (!writer.is_live) continue;
    if (!writer.facts) {
      reserved += writer.segment_bytes();
      continue;
    }
    Group& group = groups[writer.facts->group];
    group.facts = &*writer.facts;
    ++group.num_live;
    group.segment_bytes += writer.segment_bytes();
  }
  for (const auto& [id, group] : groups) {
    if (group.num_live < facts.num_writers && is_same_job(*group.facts, facts)) return {id, group.facts->budget_bytes};
    reserved += std::max(group.facts->budget_bytes * group.facts->num_writers, group.segment_bytes);
  }
  reclaim(scan, std::max<int64_t>(plan.others_bytes - reserved, 0), calls, cleaned);
  const int64_t rest = facts.capacity_bytes - reserved - scan.dead_segment_bytes();
  return {new_group, std::max<int64_t>(rest, 0) / facts.num_writers};
}

}  // namespace lockstep
