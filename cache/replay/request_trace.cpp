#include "cache/replay/request_trace.h"

#include "core/error.h"

#include <algorithm>

namespace lockstep {
namespace {

// Not a block: "no single parent".
constexpr BlockIndex kAmbiguous = kNoBlock - 1;

// Finaliser of SplitMix64 (Steele et al. 2014).
constexpr uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}
constexpr uint64_t kGolden = 0x9e3779b97f4a7c15U;

}  // namespace

size_t RequestTrace::PlaceHash::operator()(const Place& place) const noexcept {
  return static_cast<size_t>(mix(mix(place.id + kGolden) + place.parent));
}

Hash128 RequestTrace::key(BlockIndex block) {
  return {mix((uint64_t{block} + 1) * kGolden), mix(uint64_t{block} ^ kGolden)};
}

void RequestTrace::add_request(std::span<const uint64_t> ids) {
  BlockIndex parent = kNoBlock;
  uint32_t depth = 0;
  for (const uint64_t id : ids) {
    const auto [at, is_new] = blocks_.try_emplace({parent, id}, static_cast<BlockIndex>(parents_.size()));
    if (is_new) {
      LS_REQUIRE(ConfigError, parents_.size() < kAmbiguous, "the trace has more than {} distinct blocks", kAmbiguous);
      parents_.push_back(parent);
      depths_.push_back(depth);
      ids_.push_back(id);
      const auto [known, is_first] = parent_of_id_.try_emplace(id, parent);
      if (!is_first && known->second != kAmbiguous) {
        known->second = kAmbiguous;
        ++num_ambiguous_ids_;
      }
    }
    parent = at->second;
    accesses_.push_back(parent);
    ++depth;
  }
  begins_.push_back(accesses_.size());
  longest_request_ = std::max(longest_request_, static_cast<int64_t>(ids.size()));
}

RequestTrace RequestTrace::reordered(std::span<const int64_t> order) const {
  LS_CHECK(static_cast<int64_t>(order.size()) == num_requests(), "an order of {} requests for {}", order.size(),
           num_requests());
  RequestTrace other;
  std::vector<uint64_t> ids;
  for (const int64_t r : order) {
    ids.clear();
    for (const BlockIndex block : request(r)) ids.push_back(ids_[block]);
    other.add_request(ids);
  }
  return other;
}

std::vector<uint32_t> next_requests(const RequestTrace& trace) {
  LS_REQUIRE(ConfigError, trace.num_requests() < kNoRequest, "the trace has {} requests; accepted: below {}",
             trace.num_requests(), kNoRequest);
  std::vector<uint32_t> next(static_cast<size_t>(trace.num_accesses()));
  std::vector<uint32_t> last(static_cast<size_t>(trace.num_blocks()), kNoRequest);
  for (int64_t r = trace.num_requests(); r-- > 0;) {
    size_t access = trace.first_access(r);
    for (const BlockIndex block : trace.request(r)) {
      next[access++] = last[block];
      last[block] = static_cast<uint32_t>(r);
    }
  }
  return next;
}

std::vector<int64_t> depth_first_order(const RequestTrace& trace) {
  const auto num_blocks = static_cast<size_t>(trace.num_blocks());
  std::vector<std::vector<BlockIndex>> children(num_blocks + 1);  // the last: of no block
  std::vector<std::vector<int64_t>> ending(num_blocks + 1);
  std::vector<int64_t> size(num_blocks + 1, 0);
  for (int64_t r = 0; r < trace.num_requests(); ++r) {
    const auto blocks = trace.request(r);
    for (const BlockIndex block : blocks) ++size[block];
    ending[blocks.empty() ? num_blocks : blocks.back()].push_back(r);
  }
  // A parent's number is lower than its children's, so that one walk from the end adds up subtrees.
  for (size_t b = num_blocks; b-- > 0;) {
    const BlockIndex parent = trace.parent(static_cast<BlockIndex>(b));
    size[parent == kNoBlock ? num_blocks : parent] += size[b];
  }
  for (size_t b = 0; b < num_blocks; ++b) {
    const BlockIndex parent = trace.parent(static_cast<BlockIndex>(b));
    children[parent == kNoBlock ? num_blocks : parent].push_back(static_cast<BlockIndex>(b));
  }
  std::vector<int64_t> order;
  std::vector<size_t> stack{num_blocks};
  while (!stack.empty()) {
    const size_t at = stack.back();
    stack.pop_back();
    order.insert(order.end(), ending[at].begin(), ending[at].end());
    auto& next = children[at];
    // The first to be visited is pushed last.
    std::sort(next.begin(), next.end(),
              [&](BlockIndex a, BlockIndex b) { return size[a] != size[b] ? size[a] < size[b] : a > b; });
    stack.insert(stack.end(), next.begin(), next.end());
  }
  return order;
}

}  // namespace lockstep
