// How long a page of each class deserves its place: reuse counted by class and age, and the price of a page's place.
//
// Of each page that begins to wait for a next reader this learns at which age the reader came, or up to which age none
// had come. That gives the chance of reuse and the time spent waiting, age by age (life table, Kaplan & Meier 1958).
// A place in the cache has a price: so many units of time per hit. A class keeps its pages to the age at which hits at
// that price pay best for the time; the price is the one at which all classes together fill the cache. (Lagrange
// relaxation of "most hits for a mean number of pages"; related: least hit density, Beckmann et al., NSDI 2018; TTL
// caches, Ferragut et al., SIGMETRICS 2016.) Integers only. Not thread-safe.
#pragma once

#include "cache/policy/age_buckets.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace lockstep {

class KeepTimes {
 public:
  /// Restore costs are relative and count from 1 to this.
  static constexpr int64_t kMaxCost = 127;

  /// `restore_cost[c]`: what a hit of a page of class c saves; all pages have the same size. At least one class.
  explicit KeepTimes(std::vector<int64_t> restore_cost);

  size_t num_classes() const { return classes_.size(); }
  /// A page of the class was read, or entered, and waits for its next reader.
  void began(size_t page_class) { classes_[page_class].began += 1; }
  /// Its next reader came at `age`.
  void reused(size_t page_class, uint64_t age);
  /// No reader had come at `age`, and nobody waits any longer.
  void given_up(size_t page_class, uint64_t age);

  /// Halves all counts: what is learned later weighs more.
  void decay();
  /// Pages that began since the start, each halved as often as counts were since.
  int64_t num_began() const;

  /// Pages that still wait, `count` of that class and age; counted in the next learn() only.
  void waiting(size_t page_class, uint64_t age, int64_t count);
  /// Sets the keep times from all counts for a cache of `capacity` pages. `elapsed`: the time that the counts cover,
  /// decayed as they are.
  void learn(int64_t capacity, uint64_t elapsed);

  /// Age at which a page of the class is no longer worth its place; 0 before anything is learned. Where the cache
  /// cannot hold a class whole, a share of its pages is kept longer than the rest (so a loop that is larger than the
  /// cache gets hits for what fits): `draw`, a number that stays the same while the page is cached, decides which.
  uint64_t keep_time(size_t page_class, uint64_t draw) const {
    return draw % kShares < longer_share_ ? classes_[page_class].keep_longer : classes_[page_class].keep;
  }

 private:
  /// What happened in one age bucket: ends in it, and the sums of their ages within it.
  struct Bucket {
    int64_t reused = 0, given_up = 0, waiting = 0;
    int64_t age_sum = 0, waiting_age_sum = 0;
  };
  struct Class {
    int64_t cost = 1;
    int64_t began = 0;
    uint64_t keep = 0, keep_longer = 0;
    std::array<Bucket, kNumAgeBuckets> buckets{};
  };
  /// Of a page that begins to wait, bucket by bucket, added up from age 0: the chance of having been reused
  /// (in 1 / 2^20) and the mean time waited (in 1 / 2^24 of the unit).
  struct Gain {
    int64_t hits = 0, time = 0;
  };
  struct Outlook {
    size_t page_class = 0;
    std::vector<Gain> gains;
  };
  /// The bucket of that age, the age added to its sum.
  Bucket& end_of(size_t page_class, uint64_t age);
  static std::vector<Gain> outlook_of(const Class& c);
  /// The gains to have until the best age to leave; its bucket.
  size_t best_end(const Outlook& outlook, uint64_t price) const;
  static constexpr uint64_t kShares = 1024;
  int64_t pages_kept(const Outlook& outlook, uint64_t price, uint64_t elapsed) const;

  std::vector<Class> classes_;
  uint64_t longer_share_ = 0;  // of kShares
};

}  // namespace lockstep
