// Requests with long prefixes on their way through an engine, one at a time, with what each took of the cache.
#pragma once

#include "core/ids.h"
#include "launcher/engine.h"

#include <array>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace lockstep::bench {

/// What the engine counts, or the difference between two of its counts. Of the leader's rank.
struct CacheUsage {
  double seconds = 0.0;
  double disk_wait = 0.0;  // of these, in steps in which nothing could be computed
  std::array<double, kNumStallCauses> stalls{};
  /// In which nothing was computed since transfers were not through: disk_wait and, of other steps, all stalls.
  double exposed = 0.0;
  std::array<int64_t, kNumTiers> hit_tokens{};
  int64_t promoted_pages = 0, fetched_pages = 0;
  std::array<ChannelStats, kNumTransferChannels> channels{};

  CacheUsage& operator+=(const CacheUsage& other);
};

/// Steps in which other sequences decode while requests bring prefixes back to the device.
struct MixedSteps {
  std::vector<CacheUsage> with_promotions, others;
};

struct RequestSizes {
  int64_t prefix_tokens = 0, suffix_tokens = 0;
  int64_t decoding = 0, decoded_tokens = 0;  // sequences of a mixed load; tokens of each, then another takes its place
};

/// Leader. Nothing else uses the engine meanwhile. Not thread-safe.
class CacheRequests {
 public:
  /// `seed` makes the tokens.
  CacheRequests(Engine& engine, int64_t vocab_size, const RequestSizes& sizes, uint64_t seed);

  /// One token behind prefix number `prefix` and a suffix that no other request has, with nothing beside it.
  CacheUsage request(int64_t prefix);
  /// The same for each of `prefixes` in turn, while others decode; `pause` steps lie before each request.
  MixedSteps request_while_decoding(const std::vector<int64_t>& prefixes, int64_t pause);
  /// Until everything that left the host has reached the disk. Throws Error if it does not within a minute.
  void settle();

 private:
  std::vector<TokenId> tokens(uint64_t stream, int64_t count) const;
  void start(int64_t prefix);
  void step();
  void fill_up_decoding();
  CacheUsage count() const;

  Engine& engine_;
  int64_t vocab_;
  RequestSizes sizes_;
  uint64_t seed_;
  uint64_t num_suffixes_ = 0, num_decoded_ = 0;
  SequenceId requested_;
  bool is_answered_ = true;
  double exposed_ = 0.0;
  std::unordered_map<SequenceId, int64_t> decoding_;  // tokens to come
};

}  // namespace lockstep::bench
