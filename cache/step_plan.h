// One step of the engine as plain data: the only thing that tells a rank what to do.
//
// The leader's planner emits plans with consecutive numbers; every rank, the leader included, applies them strictly in
// order. digest_before is the digest of the cache state that the plan assumes: a rank whose own digest differs stops.
#pragma once

#include "core/hash.h"
#include "core/ids.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace lockstep {

enum class PageOpKind : uint8_t {
  kAllocate = 0,    // page gets device slot `slot`
  kSeal = 1,        // page is full and immutable from now on
  kEvict = 2,       // page leaves the device; its slot is free for the next allocation
  kDemote = 3,      // device → host (reserved: tiers)
  kPromote = 4,     // host or disk → device (reserved: tiers)
  kTranscode = 5,   // change of format (reserved: formats)
  kInvalidate = 6,  // content is void on every tier
};

struct PageOp {
  PageOpKind kind = PageOpKind::kAllocate;
  PageId page;
  SlotId slot;  // kAllocate: the slot given; kSeal: the page's slot; kEvict: the slot freed
  bool operator==(const PageOp&) const = default;
};

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
  bool operator==(const PlanRow&) const = default;
};

struct StepPlan {
  uint64_t number = 0;
  Hash128 digest_before;
  std::vector<PageOp> ops;  // applied in order, before the rows
  std::vector<PlanRow> rows;
  bool last = false;  // no plan follows: ranks leave their step loop
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
