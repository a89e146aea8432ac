// The requests of a trace as chains of blocks: what a replay runs over.
//
// A block is named by an id of its content, as a request gives it; here its name is its id and all blocks before it, so
// that blocks always form a forest, like pages of the prefix tree, and a block can be cached only behind its parent.
// 4 bytes an access. Not thread-safe while requests are added.
#pragma once

#include "core/hash.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <unordered_map>
#include <vector>

namespace lockstep {

/// Number of a distinct block, in order of its first appearance.
using BlockIndex = uint32_t;
inline constexpr BlockIndex kNoBlock = std::numeric_limits<BlockIndex>::max();

class RequestTrace {
 public:
  /// Appends a request for these blocks, in this order. Throws ConfigError beyond 2^32 - 1 distinct blocks.
  void add_request(std::span<const uint64_t> ids);

  int64_t num_requests() const { return static_cast<int64_t>(begins_.size()) - 1; }
  /// Blocks that requests ask for, all together.
  int64_t num_accesses() const { return static_cast<int64_t>(accesses_.size()); }
  int64_t num_blocks() const { return static_cast<int64_t>(parents_.size()); }
  /// Accesses to a block that an earlier request asked for too: hits of a cache that never forgets.
  int64_t num_attainable() const { return num_accesses() - num_blocks(); }
  /// Ids that stand behind more than one predecessor: 0 if the trace's ids form a forest by themselves.
  int64_t num_ambiguous_ids() const { return num_ambiguous_ids_; }
  int64_t longest_request() const { return longest_request_; }

  std::span<const BlockIndex> request(int64_t r) const {
    const auto begin = begins_[static_cast<size_t>(r)], end = begins_[static_cast<size_t>(r) + 1];
    return std::span(accesses_).subspan(begin, end - begin);
  }
  /// Index of the request's first access among all accesses.
  size_t first_access(int64_t r) const { return begins_[static_cast<size_t>(r)]; }
  /// kNoBlock for the first block of a chain.
  BlockIndex parent(BlockIndex block) const { return parents_[block]; }
  int64_t depth(BlockIndex block) const { return depths_[block]; }
  /// A hash of its number, as good as one of its content.
  static Hash128 key(BlockIndex block);

  /// The same requests in another order; `order` holds each request once.
  RequestTrace reordered(std::span<const int64_t> order) const;

 private:
  struct Place {
    BlockIndex parent;
    uint64_t id;
    bool operator==(const Place&) const = default;
  };
  struct PlaceHash {
    size_t operator()(const Place& place) const noexcept;
  };

  std::vector<BlockIndex> accesses_;
  std::vector<size_t> begins_{0};
  std::vector<BlockIndex> parents_;
  std::vector<uint32_t> depths_;
  std::vector<uint64_t> ids_;
  std::unordered_map<Place, BlockIndex, PlaceHash> blocks_;
  std::unordered_map<uint64_t, BlockIndex> parent_of_id_;  // kAmbiguous once counted
  int64_t num_ambiguous_ids_ = 0;
  int64_t longest_request_ = 0;
};

/// For each access the number of the next request that asks for the same block; kNoRequest if there is none.
inline constexpr uint32_t kNoRequest = std::numeric_limits<uint32_t>::max();
std::vector<uint32_t> next_requests(const RequestTrace& trace);

/// The order that visits the prefix tree depth first: requests that end at a block before those that go on behind it,
/// bigger subtrees (in accesses) first, of equal ones the one that was asked for first; equal requests as they came.
std::vector<int64_t> depth_first_order(const RequestTrace& trace);

}  // namespace lockstep
