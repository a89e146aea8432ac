#include "core/settings/layer_ratios.h"

#include "core/error.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace lockstep {
namespace {

constexpr int64_t kMostLayers = 65536;

template <typename Number>
std::optional<Number> whole_number(std::string_view text) {
  Number number{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (text.empty() || error != std::errc() || stop != end) return std::nullopt;
  return number;
}

/// "7" or "3-5".
std::optional<std::pair<int64_t, int64_t>> layers_of(std::string_view text) {
  const size_t dash = text.find('-');
  const auto first = whole_number<int64_t>(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : whole_number<int64_t>(text.substr(dash + 1));
  if (!first || !last || *first < 0 || *first > *last || *last >= kMostLayers) return std::nullopt;
  return std::pair(*first, *last);
}

}  // namespace

LayerRatios LayerRatios::parse(std::string_view option, std::string_view text) {
  std::vector<Entry> found;
  for (std::string_view rest = text; !text.empty() && text != "none";) {
    const size_t slash = rest.find('/');
    const std::string_view entry = rest.substr(0, slash);
    const size_t colon = entry.find(':');
    const auto layers = layers_of(entry.substr(0, colon));
    const auto ratio = colon == std::string_view::npos ? std::nullopt : whole_number<double>(entry.substr(colon + 1));
    LS_REQUIRE(ConfigError, layers && ratio && *ratio > 0.0 && *ratio <= 1.0,
               "{} = {}: \"{}\" is not LAYER:RATIO or FIRST-LAST:RATIO, with layers from 0 and a ratio above 0 and up "
               "to 1; several are joined by slashes, as in 0:0.02/1:0.3/8-15:0.05; or none",
               option, text, entry);
    found.push_back({layers->first, layers->second, *ratio});
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
  }
  std::sort(found.begin(), found.end(), [](const Entry& a, const Entry& b) { return a.first < b.first; });
  LayerRatios ratios;
  for (const Entry& entry : found) {
    std::vector<Entry>& entries = ratios.entries_;
    LS_REQUIRE(ConfigError, entries.empty() || entry.first > entries.back().last, "{} = {}: layer {} is named twice",
               option, text, entry.first);
    if (!entries.empty() && entry.first == entries.back().last + 1 && entry.ratio == entries.back().ratio) {
      entries.back().last = entry.last;
    } else {
      entries.push_back(entry);
    }
  }
  return ratios;
}

std::optional<double> LayerRatios::of(int64_t layer) const {
  const auto entry =
      std::find_if(entries_.begin(), entries_.end(), [layer](const Entry& one) { return layer <= one.last; });
  if (entry == entries_.end() || layer < entry->first) return std::nullopt;
  return entry->ratio;
}

double LayerRatios::largest_below_one() const {
  double largest = 0.0;
  for (const Entry& entry : entries_) {
    if (entry.ratio < 1.0) largest = std::max(largest, entry.ratio);
  }
  return largest;
}

std::string LayerRatios::text() const {
  std::string text;
  for (const Entry& entry : entries_) {
    text += text.empty() ? "" : "/";
    text += entry.first == entry.last ? fmt::format("{}", entry.first) : fmt::format("{}-{}", entry.first, entry.last);
    text += fmt::format(":{}", entry.ratio);
  }
  return text;
}

}  // namespace lockstep
