// Faults on purpose (`--inject SPEC`): which transfers of a rank go wrong, and how. Part of every build, so that what
// tests prove is what runs.
//
// SPEC is rules joined by `,`; a rule is a kind and its parameters joined by `:`, for example
//   host_copy:rank=1:nth=3,delay:ms=0.5:probability=0.1:seed=7,diverge:rank=2:step=40
// A rule counts the transfers that it could strike; which of them it strikes is a function of that count alone, so a
// run can be repeated.
#pragma once

#include "cache/step_plan.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

enum class FaultKind : uint8_t {
  kHostCopy,   // a copy between device and host fails
  kBitFlip,    // a bit of a host copy changes after its checksum was taken
  kDiskRead,   // a page cannot be read
  kDiskWrite,  // a page cannot be written
  kNoSpace,    // the disk is full for a page that is written
  kTimeout,    // a transfer hangs until its time-out
  kVanish,     // the file of a page that is read is gone
  kDelay,      // a transfer, or each piece of it, starts later by `delay`
  kDiverge,    // the rank's cache state parts from the others' at plan `step`
};

struct FaultRule {
  FaultKind kind = FaultKind::kDelay;
  std::optional<Rank> rank;                // nothing: every rank
  std::optional<TransferChannel> channel;  // nothing: every channel that the kind can strike
  uint64_t nth = 0;                        // only the nth, from 1; 0: not so
  uint64_t every = 0;                      // every so manieth; 0: not so
  std::optional<double> probability;       // each with this probability, by `seed`
  uint64_t seed = 0;
  std::chrono::microseconds delay{0};
  uint64_t step = 0;
};

/// Throws ConfigError naming the rule, what is wrong with it, and the accepted forms. "" is no rule.
std::vector<FaultRule> parse_faults(std::string_view text);

/// What happens to one transfer.
struct TransferFaults {
  std::optional<std::string> failure;  // it fails with these words
  bool flips_bit = false;
  bool hangs = false;
  std::chrono::microseconds delay{0};
};

/// The rules of one rank, with their counts. Not thread-safe.
class FaultPlan {
 public:
  FaultPlan() = default;
  FaultPlan(std::vector<FaultRule> rules, Rank rank);

  /// Of the next transfer on `channel`: call once for each, in the order of the plans.
  TransferFaults next(TransferChannel channel);
  /// Whether this rank's cache state is to part from the others' at plan `number`.
  bool diverges(uint64_t number) const;
  bool empty() const { return rules_.empty(); }

 private:
  struct Counted {
    FaultRule rule;
    uint64_t count = 0;
  };
  bool strikes(Counted& rule, uint64_t stream);

  std::vector<Counted> rules_;
  Rank rank_{0};
};

}  // namespace lockstep
