#include "cache/transfer/fault_plan.h"

#include "core/error.h"
#include "core/philox.h"

#include <array>
#include <charconv>
#include <limits>
#include <utility>

namespace lockstep {
namespace {

struct KindInfo {
  std::string_view name;
  std::string_view channels;  // one digit for each TransferChannel that it can strike
  std::string_view failure;   // "" : it does not fail by itself
};

// In the order of FaultKind.
constexpr std::array<KindInfo, 9> kKinds = {{
    {"host_copy", "01", "injected: the copy failed"},
    {"bit_flip", "03", ""},
    {"disk_read", "3", "injected: the page cannot be read"},
    {"disk_write", "2", "injected: the page cannot be written"},
    {"enospc", "2", "injected: no space left on the device"},
    {"timeout", "0123", ""},
    {"vanish", "3", "injected: the file is gone"},
    {"delay", "0123", ""},
    {"diverge", "", ""},
}};
constexpr std::array<std::string_view, kNumTransferChannels> kChannels = {"to_host", "to_device", "to_disk",
                                                                          "from_disk"};

constexpr std::string_view kForms =
    "accepted: KIND[:PARAMETER=VALUE]…[,…] with KIND host_copy, bit_flip, disk_read, disk_write, enospc, timeout, "
    "vanish, "
    "delay:ms=NUMBER or diverge:rank=N:step=N; parameters rank=N, nth=N, every=N, probability=0..1, seed=N, "
    "channel=to_host|to_device|to_disk|from_disk";

std::string_view take_until(std::string_view& text, char end) {
  const size_t at = text.find(end);
  const std::string_view taken = text.substr(0, at);
  text = at == std::string_view::npos ? std::string_view() : text.substr(at + 1);
  return taken;
}

[[noreturn]] void refuse(std::string_view rule, const std::string& why) {
  LS_THROW(ConfigError, "inject: rule \"{}\": {}; {}", rule, why, kForms);
}

template <class Number>
Number number_of(std::string_view rule, std::string_view key, std::string_view text, Number least, Number most) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value >= least && value <= most)) {
    refuse(rule, fmt::format("{} is \"{}\", not a number from {} to {}", key, text, least, most));
  }
  return value;
}

template <size_t N>
std::optional<size_t> index_of(const std::array<std::string_view, N>& names, std::string_view name) {
  for (size_t i = 0; i < N; ++i) {
    if (names[i] == name) return i;
  }
  return std::nullopt;
}

bool can_strike(FaultKind kind, TransferChannel channel) {
  const auto digit = static_cast<char>('0' + static_cast<int>(channel));
  return kKinds[static_cast<size_t>(kind)].channels.find(digit) != std::string_view::npos;
}

void set(FaultRule& rule, std::string_view text, std::string_view key, std::string_view value) {
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  constexpr double kMostMilliseconds = 3'600'000;
  if (key == "rank") {
    rule.rank = Rank(number_of<int32_t>(text, key, value, 0, std::numeric_limits<int32_t>::max()));
  } else if (key == "nth") {
    rule.nth = number_of<uint64_t>(text, key, value, 1, kMost);
  } else if (key == "every") {
    rule.every = number_of<uint64_t>(text, key, value, 1, kMost);
  } else if (key == "probability") {
    rule.probability = number_of<double>(text, key, value, 0, 1);
  } else if (key == "seed") {
    rule.seed = number_of<uint64_t>(text, key, value, 0, kMost);
  } else if (key == "ms" && rule.kind == FaultKind::kDelay) {
    rule.delay = std::chrono::microseconds(
        static_cast<int64_t>(number_of<double>(text, key, value, 0, kMostMilliseconds) * 1000));
  } else if (key == "step" && rule.kind == FaultKind::kDiverge) {
    rule.step = number_of<uint64_t>(text, key, value, 0, kMost);
  } else if (key == "channel") {
    const auto channel = index_of(kChannels, value);
    if (!channel) refuse(text, fmt::format("unknown channel \"{}\"", value));
    rule.channel = static_cast<TransferChannel>(*channel);
    if (!can_strike(rule.kind, *rule.channel)) refuse(text, "the kind does not occur on that channel");
  } else {
    refuse(text, fmt::format("unknown parameter \"{}\"", key));
  }
}

FaultRule parse_rule(std::string_view text) {
  std::string_view rest = text;
  const std::string_view name = take_until(rest, ':');
  FaultRule rule;
  size_t kind = 0;
  while (kind < kKinds.size() && kKinds[kind].name != name) ++kind;
  if (kind == kKinds.size()) refuse(text, fmt::format("unknown kind \"{}\"", name));
  rule.kind = static_cast<FaultKind>(kind);
  bool has_step = false;
  while (!rest.empty()) {
    std::string_view value = take_until(rest, ':');
    const std::string_view key = take_until(value, '=');
    set(rule, text, key, value);
    has_step = has_step || key == "step";
  }
  const int ways = (rule.nth != 0) + (rule.every != 0) + rule.probability.has_value();
  if (ways > 1) refuse(text, "nth, every and probability exclude each other");
  if (rule.kind == FaultKind::kDelay && rule.delay.count() == 0) refuse(text, "a delay needs ms");
  if (rule.kind == FaultKind::kDiverge && !(rule.rank && has_step && ways == 0)) {
    refuse(text, "it needs rank and step, and nothing else: ranks that all do the same do not diverge");
  }
  return rule;
}

}  // namespace

std::vector<FaultRule> parse_faults(std::string_view text) {
  std::vector<FaultRule> rules;
  if (text.empty()) return rules;
  for (bool is_last = false; !is_last;) {
    is_last = text.find(',') == std::string_view::npos;
    rules.push_back(parse_rule(take_until(text, ',')));
  }
  return rules;
}

FaultPlan::FaultPlan(std::vector<FaultRule> rules, Rank rank) : rank_(rank) {
  for (FaultRule& rule : rules) rules_.push_back({std::move(rule), 0});
}

bool FaultPlan::strikes(Counted& counted, uint64_t stream) {
  const uint64_t count = ++counted.count;
  const FaultRule& rule = counted.rule;
  if (rule.rank && *rule.rank != rank_) return false;
  if (rule.nth != 0) return count == rule.nth;
  if (rule.every != 0) return count % rule.every == 0;
  return !rule.probability || philox_uniform(rule.seed, count, stream) < *rule.probability;
}

TransferFaults FaultPlan::next(TransferChannel channel) {
  TransferFaults faults;
  for (size_t i = 0; i < rules_.size(); ++i) {
    const FaultRule& rule = rules_[i].rule;
    if (!can_strike(rule.kind, channel) || (rule.channel && *rule.channel != channel)) continue;
    if (!strikes(rules_[i], (static_cast<uint64_t>(rank_.value()) << 32) + i)) continue;
    switch (rule.kind) {
      case FaultKind::kBitFlip: faults.flips_bit = true; break;
      case FaultKind::kTimeout: faults.hangs = true; break;
      case FaultKind::kDelay: faults.delay += rule.delay; break;
      default: faults.failure = std::string(kKinds[static_cast<size_t>(rule.kind)].failure); break;
    }
  }
  return faults;
}

bool FaultPlan::diverges(uint64_t number) const {
  for (const Counted& counted : rules_) {
    const FaultRule& rule = counted.rule;
    if (rule.kind == FaultKind::kDiverge && rule.rank == rank_ && rule.step == number) return true;
  }
  return false;
}

}  // namespace lockstep
