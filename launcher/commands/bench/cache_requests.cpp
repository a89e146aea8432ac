#include "launcher/commands/bench/cache_requests.h"

#include "core/error.h"
#include "core/philox.h"

#include <chrono>
#include <thread>
#include <utility>

namespace lockstep::bench {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Streams of random tokens: prefixes count from 0.
constexpr uint64_t kSuffixes = uint64_t{1} << 32, kDecoded = uint64_t{2} << 32;

CacheUsage difference(const CacheUsage& after, const CacheUsage& before) {
  CacheUsage result = after;
  result.seconds -= before.seconds;
  result.disk_wait -= before.disk_wait;
  result.exposed -= before.exposed;
  for (size_t i = 0; i < kNumStallCauses; ++i) result.stalls[i] -= before.stalls[i];
  for (size_t i = 0; i < kNumTiers; ++i) result.hit_tokens[i] -= before.hit_tokens[i];
  result.promoted_pages -= before.promoted_pages;
  result.fetched_pages -= before.fetched_pages;
  for (size_t i = 0; i < kNumTransferChannels; ++i) {
    result.channels[i].transfers -= before.channels[i].transfers;
    result.channels[i].failures -= before.channels[i].failures;
    result.channels[i].bytes -= before.channels[i].bytes;
    result.channels[i].busy_seconds -= before.channels[i].busy_seconds;
  }
  return result;
}

}  // namespace

CacheUsage& CacheUsage::operator+=(const CacheUsage& other) {
  seconds += other.seconds;
  disk_wait += other.disk_wait;
  exposed += other.exposed;
  for (size_t i = 0; i < kNumStallCauses; ++i) stalls[i] += other.stalls[i];
  for (size_t i = 0; i < kNumTiers; ++i) hit_tokens[i] += other.hit_tokens[i];
  promoted_pages += other.promoted_pages;
  fetched_pages += other.fetched_pages;
  for (size_t i = 0; i < kNumTransferChannels; ++i) {
    channels[i].transfers += other.channels[i].transfers;
    channels[i].failures += other.channels[i].failures;
    channels[i].bytes += other.channels[i].bytes;
    channels[i].busy_seconds += other.channels[i].busy_seconds;
  }
  return *this;
}

CacheRequests::CacheRequests(Engine& engine, int64_t vocab_size, const RequestSizes& sizes, uint64_t seed)
    : engine_(engine), vocab_(vocab_size), sizes_(sizes), seed_(seed), requested_(0) {}

std::vector<TokenId> CacheRequests::tokens(uint64_t stream, int64_t count) const {
  std::vector<TokenId> result;
  for (int64_t i = 0; i < count; ++i) {
    const double u = philox_uniform(seed_, static_cast<uint64_t>(i), stream);
    result.emplace_back(static_cast<int32_t>(u * static_cast<double>(vocab_)));
  }
  return result;
}

CacheUsage CacheRequests::count() const {
  const PlannerStats& planner = engine_.planner_stats();
  const MoverStats mover = engine_.mover_stats();
  return {.seconds = std::chrono::duration<double>(Clock::now().time_since_epoch()).count(),
          .disk_wait = engine_.times().disk,
          .stalls = mover.stall_seconds,
          .exposed = exposed_,
          .hit_tokens = planner.hit_tokens,
          .promoted_pages = planner.promoted_pages,
          .fetched_pages = planner.fetched_pages,
          .channels = mover.channels};
}

void CacheRequests::start(int64_t prefix) {
  std::vector<TokenId> prompt = tokens(static_cast<uint64_t>(prefix), sizes_.prefix_tokens);
  const std::vector<TokenId> suffix = tokens(kSuffixes + num_suffixes_++, sizes_.suffix_tokens);
  prompt.insert(prompt.end(), suffix.begin(), suffix.end());
  requested_ = engine_.add(std::move(prompt), 1, {});
  is_answered_ = false;
}

void CacheRequests::step() {
  const double disk_before = engine_.times().disk, stalls_before = engine_.mover_stats().exposed_seconds();
  const auto tokens = engine_.step();
  // All of a step without rows is a wait, stalls and all.
  const double disk_wait = engine_.times().disk - disk_before;
  exposed_ += disk_wait > 0.0 ? disk_wait : engine_.mover_stats().exposed_seconds() - stalls_before;
  for (const SampledToken& sampled : tokens) {
    const auto decoded = decoding_.find(sampled.sequence);
    const bool is_request = !is_answered_ && sampled.sequence == requested_;
    if (!is_request && decoded == decoding_.end()) continue;  // planned ahead, over before it was computed
    LS_REQUIRE(Error, sampled.token.has_value(), "a sequence has logits that are not finite");
    if (is_request) {
      is_answered_ = true;
    } else {
      if (--decoded->second > 0) continue;
      decoding_.erase(decoded);
    }
    engine_.finish(sampled.sequence);
  }
}

CacheUsage CacheRequests::request(int64_t prefix) {
  const CacheUsage before = count();
  start(prefix);
  while (!is_answered_) step();
  return difference(count(), before);
}

void CacheRequests::fill_up_decoding() {
  while (std::ssize(decoding_) < sizes_.decoding) {
    const SequenceId id = engine_.add(tokens(kDecoded + num_decoded_++, 1), sizes_.decoded_tokens, {});
    decoding_.emplace(id, sizes_.decoded_tokens);
  }
}

MixedSteps CacheRequests::request_while_decoding(const std::vector<int64_t>& prefixes, int64_t pause) {
  MixedSteps steps;
  const auto measured_step = [&] {
    fill_up_decoding();
    const CacheUsage before = count();
    step();
    const CacheUsage usage = difference(count(), before);
    (usage.promoted_pages > 0 ? steps.with_promotions : steps.others).push_back(usage);
  };
  fill_up_decoding();
  step();  // their prompts
  for (const int64_t prefix : prefixes) {
    for (int64_t i = 0; i < pause; ++i) measured_step();
    start(prefix);
    while (!is_answered_) measured_step();
  }
  for (const auto& [id, left] : std::exchange(decoding_, {})) engine_.finish(id);
  settle();
  return steps;
}

// Reports of other ranks come with steps: one more than this rank needs.
void CacheRequests::settle() {
  constexpr double kLimit = 60.0;
  const auto start = Clock::now();
  const auto one_step = [&] {
    requested_ = engine_.add(tokens(kDecoded + num_decoded_++, 1), 1, {});
    is_answered_ = false;
    while (!is_answered_) step();
  };
  const auto is_through = [&] {
    const auto& channels = engine_.mover_stats().channels;
    return channels[static_cast<size_t>(TransferChannel::kToDisk)].transfers >= engine_.planner_stats().stored_pages &&
           channels[static_cast<size_t>(TransferChannel::kToHost)].transfers >= engine_.planner_stats().demoted_pages;
  };
  for (one_step(); !is_through(); one_step()) {
    LS_REQUIRE(Error, seconds_since(start) < kLimit, "pages are not on the disk {:.0f} s after they were sent there",
               kLimit);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  one_step();
}

}  // namespace lockstep::bench
