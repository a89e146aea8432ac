// Strong integer types for values that would otherwise get mixed up: a page id is not a rank.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace lockstep {

/// An integer with a name. Trivially copyable; ordered and hashable; no arithmetic.
template <class Tag, class Integer>
class StrongId {
 public:
  using value_type = Integer;

  constexpr StrongId() = default;
  constexpr explicit StrongId(Integer value) : value_(value) {}
  constexpr Integer value() const { return value_; }
  constexpr auto operator<=>(const StrongId&) const = default;

 private:
  Integer value_ = 0;
};

using Rank = StrongId<struct RankTag, int32_t>;
using TokenId = StrongId<struct TokenIdTag, int32_t>;
using LayerId = StrongId<struct LayerIdTag, int32_t>;
/// A logical KV page, the same number on every rank. Ids are never reused within a job.
using PageId = StrongId<struct PageIdTag, int64_t>;
/// A place in a page pool, the same number on every rank. Reused after its page left.
using SlotId = StrongId<struct SlotIdTag, int32_t>;
using SequenceId = StrongId<struct SequenceIdTag, int64_t>;

}  // namespace lockstep

template <class Tag, class Integer>
struct std::hash<lockstep::StrongId<Tag, Integer>> {
  std::size_t operator()(lockstep::StrongId<Tag, Integer> id) const noexcept {
    return std::hash<Integer>{}(id.value());
  }
};
