#include "launcher/replay/replay_settings.h"

#include "cache/policy/eviction_policy.h"
#include "core/error.h"
#include "core/settings/option_set.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <set>

namespace lockstep {
namespace {

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> items;
  while (true) {
    const size_t comma = text.find(',');
    std::string_view item = text.substr(0, comma);
    while (item.starts_with(' ')) item.remove_prefix(1);
    while (item.ends_with(' ')) item.remove_suffix(1);
    items.emplace_back(item);
    if (comma == std::string_view::npos) return items;
    text.remove_prefix(comma + 1);
  }
}

int64_t parse_size(const std::string& item) {
  const auto refuse = [&] {
    LS_THROW(ConfigError,
             "--capacity: '{}' is no size; accepted: whole numbers from 1, also with k, M or G (10k, 1.5M)", item);
  };
  std::string_view text = item;
  int64_t unit = 1;
  if (text.ends_with('k')) unit = 1'000;
  if (text.ends_with('M')) unit = 1'000'000;
  if (text.ends_with('G')) unit = 1'000'000'000;
  if (unit > 1) text.remove_suffix(1);
  const size_t point = text.find('.');
  const std::string_view whole_text = text.substr(0, point);
  int64_t whole = 0;
  const auto [end, status] = std::from_chars(whole_text.data(), whole_text.data() + whole_text.size(), whole);
  if (status != std::errc() || end != whole_text.data() + whole_text.size() || whole < 0) refuse();
  if (whole > std::numeric_limits<int64_t>::max() / 4 / unit) refuse();
  int64_t size = whole * unit;
  if (point != std::string_view::npos) {
    const std::string_view decimals = text.substr(point + 1);
    if (decimals.empty()) refuse();
    int64_t worth = unit;
    for (const char digit : decimals) {
      if (digit < '0' || digit > '9' || worth % 10 != 0) refuse();
      worth /= 10;
      size += (digit - '0') * worth;
    }
  }
  if (size < 1) refuse();
  return size;
}

void require_one_of(const char* option, const std::string& value, std::initializer_list<const char*> accepted) {
  std::string names;
  for (const char* name : accepted) {
    if (value == name) return;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", name);
  }
  LS_THROW(ConfigError, "--{} is '{}'; accepted: {}", option, value, names);
}

}  // namespace

std::vector<int64_t> parse_sizes(std::string_view text) {
  std::vector<int64_t> sizes;
  for (const std::string& item : split(text)) sizes.push_back(parse_size(item));
  return sizes;
}

void ReplaySettings::add_to(OptionSet& options) {
  options.group("What is replayed");
  options.add("trace", &trace, "JSON Lines with hash_ids, or a requests file of a batch job (with --model)");
  options.add("model", &model, "directory whose tokenizer turns the requests file into tokens");
  options.add("page-tokens", &page_tokens,
              "tokens of a block; 0 = 64 for a requests file, 512 for hash_ids (where it only converts capacities)");
  options.add("order", &order, "of requests: arrival, or reuse (depth first over the prefix tree)");
  options.group("Under what");
  options.add("capacity", &capacity, "sizes of the cache, such as 1000,3k,10k,0.1M (k = 1000)");
  options.add("capacity-unit", &capacity_unit, "of --capacity: blocks or tokens");
  options.add("policy", &policy,
              "policies: lru, lfu, fifo, adaptive, compressed, and min, Belady's bound (which knows the future)");
  options.add("future", &future, "of adaptive and compressed: unknown (learned online) or known (planned requests)");
  options.add("estimate", &estimate,
              "adds lru-estimate: LRU by stack distances of one of 2^N blocks, N from 0 (exact) to 20; -1 = none");
  options.group("Results beside the table");
  options.add("csv", &csv, "a file for all figures, - for standard output in place of the table");
  options.add("plot", &plot, "a file for a plot of hit rate against capacity (SVG)");
}

void ReplaySettings::validate() const {
  LS_REQUIRE(ConfigError, !trace.empty(), "--trace FILE is missing");
  LS_REQUIRE(ConfigError, !capacity.empty(), "--capacity N,N,… is missing");
  require_one_of("capacity-unit", capacity_unit, {"blocks", "tokens"});
  require_one_of("future", future, {"unknown", "known"});
  require_one_of("order", order, {"arrival", "reuse"});
  LS_REQUIRE(ConfigError, page_tokens >= 0 && page_tokens <= 65536, "--page-tokens is {}; accepted: 0 to 65536",
             page_tokens);
  LS_REQUIRE(ConfigError, estimate >= -1 && estimate <= 20, "--estimate is {}; accepted: -1 to 20", estimate);
  LS_REQUIRE(ConfigError, plot != "-", "--plot is '-'; accepted: a file name");
  capacities();
  for (const std::string& name : policies()) {
    if (name != "min") make_eviction_policy(name, false);
  }
}

std::vector<int64_t> ReplaySettings::capacities() const {
  std::set<int64_t> sizes;
  for (const int64_t size : parse_sizes(capacity)) {
    const int64_t blocks = capacity_unit == "tokens" ? size / block_tokens() : size;
    LS_REQUIRE(ConfigError, blocks >= 1, "--capacity: {} tokens hold no block of {}", size, block_tokens());
    sizes.insert(blocks);
  }
  return {sizes.begin(), sizes.end()};
}

std::vector<std::string> ReplaySettings::policies() const {
  std::vector<std::string> names;
  for (const std::string& name : split(policy)) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return names;
}

}  // namespace lockstep
