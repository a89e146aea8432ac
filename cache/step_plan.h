// One step of the engine as plain data: the only thing that tells a rank what to do.
//
// The leader's planner emits plans with consecutive numbers; every rank, the leader included, applies them strictly in
// order. digest_before is the digest of the cache state that the plan assumes: a rank whose own digest differs stops.
#pragma once

#include "core/hash.h"
#include "core/ids.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace lockstep {

/// Where a copy of a page can lie.
enum class Tier : uint8_t { kDevice = 0, kHost = 1, kDisk = 2 };
inline constexpr size_t kNumTiers = 3;

enum class PageOpKind : uint8_t {
  kAllocate = 0,    // page gets device slot `slot`, and, where pages are coded, `open_slot` to be written in
  kSeal = 1,        // page is full and immutable from now on; the open slot it had is free for later ops
  kEvict = 2,       // the copy in `tier` is given up; the slot it had is free for later ops. tier kDevice with a
                    // host_slot: rows of this plan and later ones read the page there; the plan `confirms`
  kDemote = 3,      // copy down. tier kHost: slot → host_slot; tier kDisk: host_slot → the disk store, under `key`
  kPromote = 4,     // copy up. tier kHost: the disk store's `key` → host_slot; tier kDevice: host_slot → slot
  kTranscode = 5,   // host_slot → cold_slot: the page's copy on the host gets the cold format and leaves host_slot
  kInvalidate = 6,  // content is void: the page leaves every tier, its slots are free for later ops
};

/// A change of one page. Demotions and promotions only copy: the copy they read stays until an EVICT. They run beside
/// the computation; whoever carries them out keeps every slot's reads and writes in the order of the plans.
/// A copy into or out of a cold slot (cache/transfer/host_pool.h) changes the format on its way.
struct PageOp {
  PageOpKind kind = PageOpKind::kAllocate;
  PageId page;
  SlotId slot{-1};            // of the device; -1 where none takes part
  Tier tier = Tier::kDevice;  // kEvict: the tier it leaves; kDemote, kPromote: the tier it is copied to
  SlotId host_slot{-1};       // of the host pool, its cold part included; -1 where none takes part
  Hash128 key{};              // of the page's content; kDemote to and kPromote from the disk only
  SlotId open_slot{-1};       // of the pool of open pages; kAllocate only, -1 where none is needed
  SlotId cold_slot{-1};       // of the host pool's cold part; kTranscode only
  bool operator==(const PageOp&) const = default;
};

/// Whether the page leaves the device to be read in its host slot.
inline bool is_offload(const PageOp& op) {
  return op.kind == PageOpKind::kEvict && op.tier == Tier::kDevice && op.host_slot.value() >= 0;
}

/// Ways on which copies travel. The transfers of each are numbered 1, 2, … in the order of their ops over all plans,
/// on every rank alike.
enum class TransferChannel : uint8_t { kToHost = 0, kToDevice = 1, kToDisk = 2, kFromDisk = 3 };
inline constexpr size_t kNumTransferChannels = 4;

/// The channel of an op; nothing for ops that copy nothing. A kTranscode is on the way of copies to the host.
std::optional<TransferChannel> channel_of(const PageOp& op);

/// Stands for a token that was not known when the plan was made.
inline constexpr TokenId kUnknownToken{-1};

/// A run of consecutive tokens of one sequence to be computed in this step.
struct PlanRow {
  SequenceId sequence;
  int64_t first_position = 0;
  std::vector<TokenId> tokens;     // inputs, at first_position, first_position + 1, …
  std::vector<PageId> pages;       // page table covering positions [0, first_position + tokens.size())
  bool wants_logits = false;       // the last token's logits are sampled
  bool needs_full_logits = false;  // sampling needs the whole vocabulary row, not only its maximum
  // The last token is one that the plan before this sampled, for its token_source-th row with wants_logits, and only
  // the devices know it yet: `tokens` ends in kUnknownToken. -1: all tokens are known.
  int32_t token_source = -1;
  // Positions [score_begin, score_end) of this row, whose whole logits are wanted to score the token behind each. Never
  // the position that is sampled. Equal: none.
  int64_t score_begin = 0, score_end = 0;
  // Tokens at this position and behind attend to a selection of pages; -1: none do.
  int64_t sparse_begin = -1;
  bool operator==(const PlanRow&) const = default;
};

struct StepPlan {
  uint64_t number = 0;
  Hash128 digest_before;
  std::vector<PageOp> ops;  // applied in order, before the rows
  std::vector<PlanRow> rows;
  bool last = false;  // no plan follows: ranks leave their step loop
  // Rows may read pages that this plan promotes to the device, layer by layer as they arrive, or leaves to the host.
  // Behind the step all ranks agree on which of these copies failed; rows that read such a page are void.
  bool confirms = false;
  bool operator==(const StepPlan&) const = default;

  int64_t num_tokens() const;
};

/// The rolling digest of cache state after one more op: covers kind, page and slot, in order.
Hash128 digest_after(const Hash128& before, const PageOp& op);

/// Little-endian, versioned bytes that end in their CRC32C. Equal plans give equal bytes.
std::vector<std::byte> serialize(const StepPlan& plan);
/// Throws FormatError on truncation, a wrong version or checksum, counts beyond the data, or unknown kinds and flags.
StepPlan deserialize_step_plan(std::span<const std::byte> bytes);

}  // namespace lockstep
