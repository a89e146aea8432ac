// How the host tier's bytes are divided between pages of the canonical and of the cold format.
#include "core/error.h"
#include "launcher/cache_tiers.h"

#include <algorithm>
#include <string>

namespace lockstep {
namespace {

// Of pages that may be cold, for first pages of sequences, which never are: sequences are eight pages and more.
constexpr double kFirstPages = 1.0 / 8;
// Pages come and go through slots of the canonical format, to and from the disk many at a time.
constexpr int64_t kLeastSlots = 2, kLeastSlotsWithDisk = 32;

double share(int64_t bytes, int64_t full) { return static_cast<double>(bytes) / static_cast<double>(full); }

}  // namespace

std::string format_text(const KvLayout& layout) {
  std::string text(name_of(layout.format));
  bool is_first = true;
  for (int64_t layer = 0; layer < layout.num_layers; ++layer) {
    if (!layout.wide_keys.contains(layer)) continue;
    text += fmt::format("{}{}", is_first ? ", keys of 8 bits in layers " : ",", layer);
    is_first = false;
  }
  return text;
}

KvLayout cold_layout_of(const KvLayout& layout, KvFormat cold, const LayerSet& wide_keys) {
  KvLayout shrunk = layout;
  shrunk.format = cold;
  shrunk.has_summaries = false;  // codes carry them
  shrunk.wide_keys = cold == KvFormat::kKv4 ? wide_keys : LayerSet{};
  return shrunk;
}

void fit_cold_slots(TierSizes& sizes, const KvLayout& layout, const KvLayout& cold) {
  KvLayout full = layout;
  full.format = KvFormat::kFull;
  full.has_summaries = false;
  full.wide_keys = {};
  const double exact_share = share(layout.page_bytes(), full.page_bytes());
  const double cold_share = share(cold.page_bytes(), full.page_bytes());
  LS_REQUIRE(ConfigError, cold_share < exact_share,
             "cache.cold_format = {}: its pages take {:.3f} of full precision, those of cache.format = {} take {:.3f}: "
             "nothing would shrink",
             format_text(cold), cold_share, name_of(layout.format), exact_share);
  const double ratio = sizes.compression_ratio;
  LS_REQUIRE(
      ConfigError, ratio == 0.0 || ratio >= cold_share,
      "cache.compression_ratio = {}: pages of cache.cold_format = {} take {:.3f} of full precision; accepted are "
      "ratios from there up to 1, and 0 for auto{}",
      ratio, format_text(cold), cold_share,
      cold.wide_keys.size() > 0 ? " (which layers keep keys of 8 bits is found when a job starts)" : "");
  const double auto_part = cold.splits_first_page() ? kFirstPages : 0.0;
  const double exact_part =
      ratio == 0.0 ? auto_part : std::clamp((ratio - cold_share) / (exact_share - cold_share), 0.0, 1.0);
  const int64_t exact_bytes = HostPool::slot_bytes_of(layout), cold_bytes = HostPool::cold_slot_bytes_of(cold);
  const double mean_bytes =
      exact_part * static_cast<double>(exact_bytes) + (1.0 - exact_part) * static_cast<double>(cold_bytes);
  const auto pages = static_cast<int64_t>(static_cast<double>(sizes.host_bytes) / mean_bytes);
  const int64_t least = sizes.disk_dir.empty() ? kLeastSlots : kLeastSlotsWithDisk;
  sizes.host_slots = std::max(static_cast<int64_t>(exact_part * static_cast<double>(pages) + 0.5), least);
  const int64_t left = sizes.host_bytes - sizes.host_slots * exact_bytes;
  sizes.cold_slots = exact_part == 1.0 ? 0 : left / cold_bytes;
  LS_REQUIRE(ConfigError, sizes.cold_slots > 0 || (exact_part == 1.0 && left >= 0),
             "cache.host_bytes = {}: with cache.cold_format = {} a rank needs {} pages of {} bytes and one of {} at "
             "least",
             sizes.host_bytes, format_text(cold), least, exact_bytes, cold_bytes);
}

}  // namespace lockstep
