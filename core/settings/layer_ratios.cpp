#include "core/settings/layer_ratios.h"

#include "core/error.h"

#include <algorithm>
#include <charconv>

namespace lockstep {
namespace {

constexpr int64_t kMostLayers = 65536;

/// False: all of the text is no number.
template <typename Number>
bool read_number(std::string_view text, Number& number) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  return !text.empty() && error == std::errc() && stop == end;
}

/// "7" or "3-5".
bool read_layers(std::string_view text, int64_t& first, int64_t& last) {
  const size_t dash = text.find('-');
  if (!read_number(text.substr(0, dash), first)) return false;
  last = first;
  if (dash != std::string_view::npos && !read_number(text.substr(dash + 1), last)) return false;
  return first >= 0 && first <= last && last < kMostLayers;
}

}  // namespace

LayerRatios LayerRatios::parse(std::string_view option, std::string_view text) {
  std::vector<Entry> found;
  for (std::string_view rest = text; !text.empty() && text != "none";) {
    const size_t slash = rest.find('/');
    const std::string_view entry = rest.substr(0, slash);
    const size_t colon = entry.find(':');
    Entry read{};
    const bool is_entry = colon != std::string_view::npos &&
                          read_layers(entry.substr(0, colon), read.first, read.last) &&
                          read_number(entry.substr(colon + 1), read.ratio);
    LS_REQUIRE(ConfigError, is_entry && read.ratio > 0.0 && read.ratio <= 1.0,
               "{} = {}: \"{}\" is not LAYER:RATIO or FIRST-LAST:RATIO, with layers from 0 and a ratio above 0 and up "
               "to 1; several are joined by slashes, as in 0:0.02/1:0.3/8-15:0.05; or none",
               option, text, entry);
    found.push_back(read);
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
