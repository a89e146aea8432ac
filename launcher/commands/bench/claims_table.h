// The table of `lockstep bench claims`: what the specification claims, beside what was measured here. Pure arithmetic
// and text; functions are thread-safe.
#pragma once

#include "launcher/commands/bench/statistics.h"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep::bench {

enum class Verdict : uint8_t {
  kHolds,
  kDoesNotHold,
  kCannotHold,     // whatever the machine: the reason says why
  kNotMeasurable,  // with this machine, model and number of ranks
};
/// "holds", "does not hold", "cannot hold", "not measurable here".
std::string_view name_of(Verdict verdict);

enum class ClaimUnit : uint8_t {
  kFactor,  // times as fast
  kSaving,  // 0.4: 40 % less; below 0: more
  kShare,   // 0.95: 95 %
};

/// One sentence of the specification. `least` is what a figure must reach to hold: the lower end of a range.
struct ClaimSpec {
  std::string_view name, text, claimed;
  ClaimUnit unit;
  double least;
};

/// All of them, in the order of the table.
std::span<const ClaimSpec> claim_specs();
/// Throws Error for an unknown name.
const ClaimSpec& claim_spec(std::string_view name);

struct Claim {
  std::string name, text, claimed;
  std::string measured;         // for people
  std::optional<Spread> value;  // in the claim's unit
  Verdict verdict = Verdict::kNotMeasurable;
  std::string reason;  // "" = none needed
  std::string how;     // what was compared
  std::string command;
};

/// "6.10 x (5.90..6.30)", "-48.0 %", "99.5 %": the range where there is one.
std::string text_of(ClaimUnit unit, const Spread& value);
/// Holds if the median reaches the claim; `reason` is for when it does not.
Claim judged(std::string_view name, const Spread& value, std::string how, std::string reason_against);
/// For a figure that follows from sizes: it can be no other on any machine.
Claim judged_for_all(std::string_view name, double value, std::string how, std::string reason_against);
/// For a share of which `attainable` is all that the work allows: with less than the claim in it, it cannot hold.
Claim judged_within(std::string_view name, const Spread& value, double attainable, std::string how);
Claim not_measurable(std::string_view name, std::string reason, std::string how);

/// Pair by pair: first / second, how many times as fast the second was. Requires as many of both.
Spread speedup_of(std::span<const double> first_seconds, std::span<const double> second_seconds);
/// Pair by pair: 1 - second / first.
Spread saving_of(std::span<const double> first, std::span<const double> second);

/// The names that `text` lists, comma-separated, in the table's order; "" = all. Throws ConfigError naming the known
/// ones.
std::vector<std::string> chosen_claims(const std::string& text);

/// The command line that repeats one claim: `arguments` without --only and --json, with --only NAME.
std::string command_for(std::string_view name, std::span<const std::string> arguments, int32_t ranks);

std::string table_head();
/// Several lines, the last one ended.
std::string table_lines(const Claim& claim);
nlohmann::json to_json(const Claim& claim);

}  // namespace lockstep::bench
