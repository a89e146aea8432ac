#include "cache/policy/adaptive.h"

#include <algorithm>
#include <bit>

namespace lockstep {
namespace {

constexpr size_t kUseClasses = 4;    // 1, 2, 3, more
constexpr size_t kDepthClasses = 8;  // 0, 1, 2-3, 4-7, … 64 and more

// Events between two times of learning: a few thousand, and enough that its cost per event stays below that of the
// event itself.
constexpr int64_t kEventsToLearn = 1024;
// Waiting pages are sampled, so that learning does not walk over a large cache.
constexpr size_t kMaxSamples = 4096;
// Counts are halved when they cover so many pages per page of the cache: several times what ghosts remember.
constexpr int64_t kWindowPages = 16;
constexpr int64_t kMinWindow = 16384, kMaxWindow = int64_t{1} << 21;

// The target of KeepTimes, in 1 / kWhole of the cache, moves so that about one eviction in kEarly comes before its
// time.
constexpr int64_t kWhole = 1024, kLeastTarget = kWhole / 4, kMostTarget = 2 * kWhole;
constexpr int64_t kEarly = 16;

// Equal for pages that entered together: a chain is kept longer as a whole.
uint64_t draw_of(const PageFacts& page) { return page.inserted * 0x9e3779b97f4a7c15U >> 32; }

uint64_t age_since(uint64_t then, uint64_t now) { return now > then ? now - then : 0; }

std::vector<int64_t> costs_of_classes(const RestoreCost& cost) {
  std::vector<int64_t> costs;
  for (size_t c = 0; c < kUseClasses * kDepthClasses * 2; ++c) {
    const size_t depth_class = c / 2 % kDepthClasses;
    const int64_t depth = depth_class == 0 ? 0 : int64_t{1} << (depth_class - 1);
    costs.push_back(std::clamp<int64_t>(cost.base + cost.per_depth * depth, 1, KeepTimes::kMaxCost));
  }
  return costs;
}

}  // namespace

AdaptivePolicy::AdaptivePolicy(const RestoreCost& cost)
    : keep_times_(costs_of_classes(cost)), events_to_learn_(kEventsToLearn) {}

size_t AdaptivePolicy::class_of(int64_t num_uses, int64_t depth, bool is_output) {
  const auto uses = static_cast<size_t>(std::clamp<int64_t>(num_uses, 1, kUseClasses)) - 1;
  const auto octave = static_cast<size_t>(std::bit_width(static_cast<uint64_t>(std::max<int64_t>(depth, 0))));
  return (uses * kDepthClasses + std::min(octave, kDepthClasses - 1)) * 2 + (is_output ? 1 : 0);
}

uint64_t AdaptivePolicy::score(const PageFacts& page) const {
  const PageHistory::Entry* entry = history_.find(page.key);
  const size_t page_class = entry != nullptr ? entry->page_class : class_of(page.num_uses, page.depth, page.is_output);
  const uint64_t keep = keep_times_.keep_time(page_class, draw_of(page));
  return page.last_use > kNeverUsed - keep ? kNeverUsed : page.last_use + keep;
}

void AdaptivePolicy::inserted(const PageFacts& page) {
  PageHistory::Entry& entry = history_.enter(page.key);
  if (entry.num_uses > 0) keep_times_.reused(entry.page_class, age_since(entry.last_use, page.inserted));
  capacity_ = std::max(capacity_, history_.num_cached());
  wait_from(entry, page, page.inserted);
}

void AdaptivePolicy::used(const PageFacts& page, uint64_t now) {
  PageHistory::Entry& entry = history_.enter(page.key);
  // Its wait began when its last reader left, which only the facts know.
  if (entry.num_uses > 0) keep_times_.reused(entry.page_class, age_since(page.last_use, now));
  wait_from(entry, page, now);
}

void AdaptivePolicy::evicted(const PageFacts& page, uint64_t now) {
  PageHistory::Entry* entry = history_.find(page.key);
  if (entry == nullptr || !entry->is_cached) return;
  capacity_ = history_.num_cached();
  ++num_evicted_;
  if (score(page) > now) ++num_early_;
  entry->last_use = page.last_use;
  now_ = std::max(now_, now);
  history_.leave(*entry, [&](const PageHistory::Entry& ghost) {
    keep_times_.given_up(ghost.page_class, age_since(ghost.last_use, now_));
  });
}

void AdaptivePolicy::wait_from(PageHistory::Entry& entry, const PageFacts& page, uint64_t now) {
  entry.num_uses += 1;
  entry.last_use = now;
  entry.page_class = static_cast<uint32_t>(class_of(entry.num_uses, page.depth, page.is_output));
  keep_times_.began(entry.page_class);
  now_ = std::max(now_, now);
  if (--events_to_learn_ <= 0) learn();
}

void AdaptivePolicy::correct_target() {
  // Keep times that fill the cache on paper may not do so: what a page's children hold, or counts from other days.
  if (num_evicted_ == 0) return;
  const int64_t step = target_ / 16;
  target_ += num_early_ * kEarly > num_evicted_ ? -step : step;
  target_ = std::clamp(target_, kLeastTarget, kMostTarget);
  num_evicted_ = num_early_ = 0;
}

void AdaptivePolicy::learn() {
  const auto& entries = history_.entries();
  events_to_learn_ = std::max(kEventsToLearn, static_cast<int64_t>(entries.size() / 4));
  elapsed_ += now_ - counted_to_;
  counted_to_ = now_;

  const size_t stride = std::max<size_t>(1, entries.size() / kMaxSamples);
  first_sample_ = (first_sample_ + 1) % stride;
  for (size_t i = first_sample_; i < entries.size(); i += stride) {
    const PageHistory::Entry& entry = entries[i];
    if (entry.is_used) {
      keep_times_.waiting(entry.page_class, age_since(entry.last_use, now_), static_cast<int64_t>(stride));
    }
  }
  correct_target();
  keep_times_.learn(capacity_ * target_ / kWhole, elapsed_);

  if (keep_times_.num_began() > std::clamp(kWindowPages * capacity_, kMinWindow, kMaxWindow)) {
    keep_times_.decay();
    elapsed_ /= 2;
  }
}

}  // namespace lockstep
