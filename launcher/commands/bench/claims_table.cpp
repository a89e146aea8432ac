#include "launcher/commands/bench/claims_table.h"

#include "core/error.h"
#include "launcher/commands/bench/report.h"

#include <algorithm>
#include <array>
#include <sstream>
#include <utility>

namespace lockstep::bench {
namespace {

constexpr std::array kSpecs{
    ClaimSpec{"reuse", "time of requests over shared prefixes", "5-10 x", ClaimUnit::kFactor, 5.0},
    ClaimSpec{"hit-rate", "prompt tokens found in the cache", "90-95 %", ClaimUnit::kShare, 0.90},
    ClaimSpec{"sparse-speed", "decode attention to few pages", "2-3 x", ClaimUnit::kFactor, 2.0},
    ClaimSpec{"sparse-memory", "memory with sparse attention", "-40 %", ClaimUnit::kSaving, 0.40},
    ClaimSpec{"sparse-accuracy", "exact answers with sparse attention", "99.5 %", ClaimUnit::kShare, 0.995},
    ClaimSpec{"kv8-bytes", "bytes of pages of 8 bits", "-50 %", ClaimUnit::kSaving, 0.50},
    ClaimSpec{"kv8-accuracy", "exact answers with 8 bits", "99.5 %", ClaimUnit::kShare, 0.995},
    ClaimSpec{"kv4-bytes", "bytes of pages of 4 bits", "-75 %", ClaimUnit::kSaving, 0.75},
    ClaimSpec{"kv4-accuracy", "exact answers with 4 bits", "98.8 %", ClaimUnit::kShare, 0.988},
    ClaimSpec{"parallel", "throughput of all ranks and threads", "2-4 x", ClaimUnit::kFactor, 2.0},
    ClaimSpec{"mixed-precision", "generation in BF16 over F32", "1.6 x", ClaimUnit::kFactor, 1.6},
    ClaimSpec{"latency", "time between tokens beside a long prompt", "-80 %", ClaimUnit::kSaving, 0.80},
};

std::string number(ClaimUnit unit, double value) {
  switch (unit) {
    case ClaimUnit::kFactor: return fmt::format("{:.2f} x", value);
    case ClaimUnit::kSaving: return fmt::format("{:+.1f} %", -100.0 * value);
    case ClaimUnit::kShare: return fmt::format("{:.1f} %", 100.0 * value);
  }
  LS_THROW(Error, "claim unit {}", static_cast<int>(unit));
}

Claim claim_of(std::string_view name, std::string how) {
  const ClaimSpec& spec = claim_spec(name);
  Claim claim;
  claim.name = spec.name;
  claim.text = spec.text;
  claim.claimed = spec.claimed;
  claim.how = std::move(how);
  return claim;
}

Claim with_value(std::string_view name, const Spread& value, std::string how, std::string reason, Verdict against) {
  const ClaimSpec& spec = claim_spec(name);
  Claim claim = claim_of(name, std::move(how));
  claim.value = value;
  claim.measured = text_of(spec.unit, value);
  claim.verdict = value.median >= spec.least ? Verdict::kHolds : against;
  if (claim.verdict != Verdict::kHolds) claim.reason = std::move(reason);
  return claim;
}

Spread spread_by_pairs(std::span<const double> first, std::span<const double> second,
                       double (*figure)(double, double)) {
  LS_CHECK(first.size() == second.size(), "{} measurements beside {}", first.size(), second.size());
  std::vector<double> figures;
  for (size_t i = 0; i < first.size(); ++i) figures.push_back(figure(first[i], second[i]));
  return spread_of(std::move(figures));
}

std::string quoted(const std::string& argument) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=,+@%";
  if (!argument.empty() && argument.find_first_not_of(kPlain) == std::string::npos) return argument;
  std::string text = "'";
  for (const char c : argument) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

}  // namespace

std::string_view name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kHolds: return "holds";
    case Verdict::kDoesNotHold: return "does not hold";
    case Verdict::kCannotHold: return "cannot hold";
    case Verdict::kNotMeasurable: return "not measurable here";
  }
  LS_THROW(Error, "verdict {}", static_cast<int>(verdict));
}

std::span<const ClaimSpec> claim_specs() { return kSpecs; }

const ClaimSpec& claim_spec(std::string_view name) {
  const auto found = std::find_if(kSpecs.begin(), kSpecs.end(), [&](const ClaimSpec& s) { return s.name == name; });
  LS_CHECK(found != kSpecs.end(), "no claim is called '{}'", name);
  return *found;
}

std::string text_of(ClaimUnit unit, const Spread& value) {
  if (value.low == value.high) return number(unit, value.median);
  const bool is_factor = unit == ClaimUnit::kFactor;
  // A saving of more is a lower number: the range goes from the best one.
  const double sign = unit == ClaimUnit::kSaving ? -100.0 : is_factor ? 1.0 : 100.0;
  const double ends[] = {sign * value.low, sign * value.high};
  const int decimals = is_factor ? 2 : 1;
  return fmt::format("{} ({:.{}f}..{:.{}f})", number(unit, value.median), std::min(ends[0], ends[1]), decimals,
                     std::max(ends[0], ends[1]), decimals);
}

Claim judged(std::string_view name, const Spread& value, std::string how, std::string reason_against) {
  return with_value(name, value, std::move(how), std::move(reason_against), Verdict::kDoesNotHold);
}

Claim judged_for_all(std::string_view name, double value, std::string how, std::string reason_against) {
  return with_value(name, {value, value, value}, std::move(how), std::move(reason_against), Verdict::kCannotHold);
}

Claim judged_within(std::string_view name, const Spread& value, double attainable, std::string how) {
  const bool is_in_reach = attainable >= claim_spec(name).least;
  return with_value(name, value, std::move(how),
                    is_in_reach
                        ? fmt::format("{:.1f} % were attainable", 100.0 * attainable)
                        : fmt::format("this work allows {:.1f} % at most: what nobody asked for before cannot be "
                                      "found",
                                      100.0 * attainable),
                    is_in_reach ? Verdict::kDoesNotHold : Verdict::kCannotHold);
}

Claim not_measurable(std::string_view name, std::string reason, std::string how) {
  Claim claim = claim_of(name, std::move(how));
  claim.measured = "-";
  claim.reason = std::move(reason);
  return claim;
}

Spread speedup_of(std::span<const double> first_seconds, std::span<const double> second_seconds) {
  return spread_by_pairs(first_seconds, second_seconds, [](double first, double second) { return first / second; });
}

Spread saving_of(std::span<const double> first, std::span<const double> second) {
  return spread_by_pairs(first, second, [](double before, double after) { return 1.0 - after / before; });
}

std::vector<std::string> chosen_claims(const std::string& text) {
  std::vector<std::string> known, asked, chosen;
  for (const ClaimSpec& spec : kSpecs) known.emplace_back(spec.name);
  if (text.empty()) return known;
  std::stringstream stream(text);
  for (std::string name; std::getline(stream, name, ',');) {
    LS_REQUIRE(ConfigError, std::find(known.begin(), known.end(), name) != known.end(),
               "only = '{}': '{}' is none of {}", text, name, fmt::join(known, ", "));
    asked.push_back(name);
  }
  for (const std::string& name : known)
    if (std::find(asked.begin(), asked.end(), name) != asked.end()) chosen.push_back(name);
  return chosen;
}

std::string command_for(std::string_view name, std::span<const std::string> arguments, int32_t ranks) {
  std::string command = ranks > 1 ? fmt::format("mpirun -n {} ", ranks) : "";
  command += "lockstep bench claims";
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument.starts_with("--only=") || argument.starts_with("--json=")) continue;
    if (argument == "--only" || argument == "--json") {
      ++i;  // its value
      continue;
    }
    command += " " + quoted(argument);
  }
  return command + fmt::format(" --only {}", name);
}

std::string table_head() {
  return fmt::format("{:<15} | {:<40} | {:<8} | {:<26} | {}\n", "claim", "what", "claimed", "measured here", "verdict");
}

std::string table_lines(const Claim& claim) {
  std::string lines = fmt::format("{:<15} | {:<40} | {:<8} | {:<26} | {}\n", claim.name, claim.text, claim.claimed,
                                  claim.measured, name_of(claim.verdict));
  const auto note = [&](std::string_view word, const std::string& text) {
    if (!text.empty()) lines += fmt::format("{:>15}   {}\n", word, text);
  };
  note("why", claim.reason);
  note("how", claim.how);
  note("again", claim.command);
  return lines;
}

nlohmann::json to_json(const Claim& claim) {
  return {{"name", claim.name},
          {"text", claim.text},
          {"claimed", claim.claimed},
          {"measured", claim.measured},
          {"value", claim.value ? to_json(*claim.value) : nlohmann::json(nullptr)},
          {"least", claim_spec(claim.name).least},
          {"verdict", name_of(claim.verdict)},
          {"reason", claim.reason},
          {"how", claim.how},
          {"command", claim.command}};
}

}  // namespace lockstep::bench
