#include "cache/replay/stack_distance.h"

#include "core/error.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace lockstep {

StackDistance::StackDistance(const Options& options)
    : sampling_(options.sampling), max_pages_(static_cast<size_t>(options.max_pages)) {
  LS_REQUIRE(ConfigError, options.sampling >= 0 && options.sampling <= 20, "sampling 1/2^{}; accepted: 2^0 to 2^20",
             options.sampling);
  LS_REQUIRE(ConfigError, options.max_pages >= 2 && options.max_pages <= int64_t{1} << 30,
             "{} followed pages; accepted: 2 to 2^30", options.max_pages);
  mask_ = (uint64_t{1} << sampling_) - 1;
  // Twice as many moments as pages: renumbering is paid by as many accesses as it has pages to move.
  marks_.assign(2 * max_pages_ + 2, 0);
  recent_.resize(kNear);
  near_.resize(kNear);
}

bool StackDistance::comes_back_soon(const Hash128& key) {
  Recent& recent = recent_[key.low % kNear];
  const int64_t ago = num_accesses_ - recent.access;
  ++num_looked_;
  const bool is_near = recent.access > 0 && recent.key == key && ago <= static_cast<int64_t>(kNear);
  recent = {key, num_accesses_};
  if (is_near) {
    ++near_[static_cast<size_t>(ago - 1)];
    ++num_near_;
  }
  return is_near;
}

void StackDistance::follow(const Hash128& key, bool is_near) {
  if (next_moment_ + 1 == marks_.size()) renumber();
  const int64_t weight = int64_t{1} << sampling_;
  if (!is_near) followed_ += weight;
  const auto [at, is_first] = last_use_.try_emplace(key, next_moment_);
  if (is_first) {
    first_ += weight;
  } else {
    const auto used_before = static_cast<size_t>(marked_before(at->second + 1));
    const size_t distance = last_use_.size() - used_before;
    if (distance >= counts_.size()) counts_.resize(distance + 1);
    if (!is_near) counts_[distance] += weight;
    mark(at->second, -1);
    at->second = next_moment_;
  }
  mark(next_moment_++, 1);
  while (last_use_.size() > max_pages_) halve_rate();
}

void StackDistance::mark(size_t moment, int32_t change) {
  for (size_t i = moment + 1; i < marks_.size(); i += i & (~i + 1)) marks_[i] += change;
}

int64_t StackDistance::marked_before(size_t moment) const {
  int64_t sum = 0;
  for (size_t i = moment; i > 0; i &= i - 1) sum += marks_[i];
  return sum;
}

void StackDistance::renumber() {
  std::vector<std::pair<size_t, size_t*>> moments;
  moments.reserve(last_use_.size());
  for (auto& [key, moment] : last_use_) moments.emplace_back(moment, &moment);
  std::sort(moments.begin(), moments.end());
  std::fill(marks_.begin(), marks_.end(), 0);
  next_moment_ = 0;
  for (const auto& [old, moment] : moments) {
    *moment = next_moment_;
    mark(next_moment_++, 1);
  }
}

void StackDistance::halve_rate() {
  ++sampling_;
  mask_ = (uint64_t{1} << sampling_) - 1;
  std::erase_if(last_use_, [&](const auto& page) { return (sampling_hash(page.first) & mask_) != 0; });
  for (size_t d = 1; d < counts_.size(); ++d) counts_[d / 2] += std::exchange(counts_[d], 0);
  renumber();
}

int64_t StackDistance::scaled(int64_t followed) const {
  if (followed_ == 0) return 0;
  return static_cast<int64_t>(static_cast<__int128>(followed) * (num_accesses_ - num_near_) / followed_);
}

void StackDistance::for_each_near(const std::function<void(int64_t, int64_t)>& visit) const {
  // Of the accesses in between, those are other pages whose own last use lies before the window: on average as many as
  // reuse times say (Denning & Schwartz 1972; Hu et al., ATC 2016).
  int64_t shorter = 0, distance = 0;  // the distance in 1 / num_looked_
  for (const int64_t accesses : near_) {
    if (accesses > 0) visit(distance / num_looked_, accesses);
    shorter += accesses;
    distance += num_looked_ - shorter;
  }
}

int64_t StackDistance::hits(int64_t capacity) const {
  if (capacity <= 0) return 0;
  const auto whole = static_cast<size_t>(capacity >> sampling_);
  int64_t far = 0;
  for (size_t d = 0; d < std::min(whole, counts_.size()); ++d) far += counts_[d];
  // Distances spread evenly over what their number stands for.
  if (whole < counts_.size()) far += ((capacity & static_cast<int64_t>(mask_)) * counts_[whole]) >> sampling_;
  int64_t near = 0;
  for_each_near([&](int64_t distance, int64_t accesses) {
    if (distance < capacity) near += accesses;
  });
  return scaled(far) + near;
}

std::vector<int64_t> StackDistance::histogram() const {
  std::vector<int64_t> octaves;
  const auto add = [&](uint64_t distance, int64_t accesses) {
    if (accesses == 0) return;
    const auto octave = static_cast<size_t>(std::bit_width(distance));
    if (octave >= octaves.size()) octaves.resize(octave + 1);
    octaves[octave] += accesses;
  };
  for (size_t d = 0; d < counts_.size(); ++d) add(uint64_t{d} << sampling_, scaled(counts_[d]));
  for_each_near([&](int64_t distance, int64_t accesses) { add(static_cast<uint64_t>(distance), accesses); });
  return octaves;
}

int64_t StackDistance::num_first() const { return scaled(first_); }

}  // namespace lockstep
