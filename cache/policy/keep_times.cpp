#include "cache/policy/keep_times.h"

#include "core/error.h"

namespace lockstep {
namespace {

// Widths: a chance has 20 bits and a time 32 bits and 4 of fraction; price (32) × chance (20) × cost (7) and the 4 bits
// of fraction make 63.
constexpr int64_t kOne = int64_t{1} << 20;
constexpr int64_t kTimeParts = 16;
// Pages that a chance is shared with beyond those seen: a class of which little is known is worth little.
constexpr int64_t kDoubt = 1;
constexpr int64_t kMostCounts = int64_t{1} << 22;

// Prices in steps of 1/16 octave.
constexpr size_t kNumPrices = 16 * 28;
constexpr uint64_t price_at(size_t step) { return (16 + uint64_t{step % 16}) << (step / 16); }
static_assert(price_at(kNumPrices - 1) <= kMaxAge);

}  // namespace

KeepTimes::KeepTimes(std::vector<int64_t> restore_cost) : classes_(restore_cost.size()) {
  LS_CHECK(!classes_.empty(), "keep times for no class");
  for (size_t c = 0; c < classes_.size(); ++c) {
    LS_CHECK(restore_cost[c] >= 1 && restore_cost[c] <= kMaxCost, "restore cost {}; accepted: 1 to {}", restore_cost[c],
             kMaxCost);
    classes_[c].cost = restore_cost[c];
  }
}

void KeepTimes::reused(size_t page_class, uint64_t age) { end_of(page_class, age).reused += 1; }

void KeepTimes::given_up(size_t page_class, uint64_t age) { end_of(page_class, age).given_up += 1; }

KeepTimes::Bucket& KeepTimes::end_of(size_t page_class, uint64_t age) {
  age = std::min(age, kMaxAge);
  const size_t b = age_bucket(age);
  Bucket& bucket = classes_[page_class].buckets[b];
  bucket.age_sum += static_cast<int64_t>(age - age_bucket_begin(b));
  return bucket;
}

void KeepTimes::waiting(size_t page_class, uint64_t age, int64_t count) {
  age = std::min(age, kMaxAge);
  const size_t b = age_bucket(age);
  Bucket& bucket = classes_[page_class].buckets[b];
  bucket.waiting += count;
  bucket.waiting_age_sum += count * static_cast<int64_t>(age - age_bucket_begin(b));
}

void KeepTimes::decay() {
  for (Class& c : classes_) {
    c.began /= 2;
    for (Bucket& bucket : c.buckets) {
      // Sums shrink with their counts, so that a mean age stays what it was.
      const int64_t before = bucket.reused + bucket.given_up;
      bucket.reused /= 2;
      bucket.given_up /= 2;
      if (before > 0) bucket.age_sum = bucket.age_sum / before * (bucket.reused + bucket.given_up);
    }
  }
}

int64_t KeepTimes::num_began() const {
  int64_t sum = 0;
  for (const Class& c : classes_) sum += c.began;
  return sum;
}

std::vector<KeepTimes::Gain> KeepTimes::outlook_of(const Class& c) {
  // Who reaches each bucket, from the last one down.
  std::array<int64_t, kNumAgeBuckets + 1> reaching{};
  for (size_t b = kNumAgeBuckets; b-- > 0;) {
    const Bucket& bucket = c.buckets[b];
    reaching[b] = reaching[b + 1] + bucket.reused + bucket.given_up + bucket.waiting;
  }
  std::vector<Gain> gains{{}};
  int64_t surviving = kOne;
  for (size_t b = 0; b < kNumAgeBuckets && reaching[b] > 0 && surviving > 0; ++b) {
    const Bucket& bucket = c.buckets[b];
    const auto width = static_cast<int64_t>(age_bucket_begin(b + 1) - age_bucket_begin(b));
    const int64_t ended = reaching[b] - reaching[b + 1];
    // Who ends at an age has waited half a unit more, on average.
    const int64_t waited =
        kTimeParts * (reaching[b + 1] * width + bucket.age_sum + bucket.waiting_age_sum) + kTimeParts / 2 * ended;
    const int64_t hits = surviving * bucket.reused / (reaching[b] + kDoubt);
    gains.push_back({gains.back().hits + hits, gains.back().time + surviving * (waited / reaching[b])});
    surviving -= hits;
  }
  return gains;
}

size_t KeepTimes::best_end(const Outlook& outlook, uint64_t price) const {
  const int64_t worth = static_cast<int64_t>(price) * kTimeParts * classes_[outlook.page_class].cost;
  size_t best = 0;
  int64_t best_profit = 0;
  for (size_t b = 1; b < outlook.gains.size(); ++b) {
    const int64_t profit = worth * outlook.gains[b].hits - outlook.gains[b].time;
    if (profit > best_profit) {
      best_profit = profit;
      best = b;
    }
  }
  return best;
}

int64_t KeepTimes::pages_kept(const Outlook& outlook, uint64_t price, uint64_t elapsed) const {
  const Class& c = classes_[outlook.page_class];
  const int64_t time = outlook.gains[best_end(outlook, price)].time / kOne;  // in 1 / kTimeParts
  // Little's law: pages = arrivals per time × time of stay.
  return std::min(c.began, kMostCounts) * time / (kTimeParts * static_cast<int64_t>(elapsed));
}

void KeepTimes::learn(int64_t capacity, uint64_t elapsed) {
  elapsed = std::clamp<uint64_t>(elapsed, 1, kMaxAge);
  std::vector<Outlook> outlooks;
  for (size_t c = 0; c < classes_.size(); ++c) {
    if (classes_[c].began > 0) outlooks.push_back({c, outlook_of(classes_[c])});
  }
  const auto all_kept = [&](uint64_t price) {
    int64_t pages = 0;
    for (const Outlook& outlook : outlooks) pages += pages_kept(outlook, price, elapsed);
    return pages;
  };
  // The lowest price per hit, in time, at which classes take the whole cache; the highest if they never do.
  size_t step = 0;
  for (size_t end = kNumPrices - 1; step < end;) {
    const size_t middle = step + (end - step) / 2;
    if (all_kept(price_at(middle)) >= capacity) {
      end = middle;
    } else {
      step = middle + 1;
    }
  }
  // Just below that price they take less: a mixture of both takes exactly what there is.
  const uint64_t longer = price_at(step), shorter = step == 0 ? 0 : price_at(step - 1);
  const int64_t most = all_kept(longer), least = all_kept(shorter);
  longer_share_ = most <= capacity ? kShares
                                   : static_cast<uint64_t>(std::max<int64_t>(0, capacity - least)) * kShares /
                                         static_cast<uint64_t>(most - least);
  for (const Outlook& outlook : outlooks) {
    Class& c = classes_[outlook.page_class];
    c.keep = age_bucket_begin(best_end(outlook, shorter));
    c.keep_longer = age_bucket_begin(best_end(outlook, longer));
  }
  for (Class& c : classes_) {
    for (Bucket& bucket : c.buckets) bucket.waiting = bucket.waiting_age_sum = 0;
  }
}

}  // namespace lockstep
