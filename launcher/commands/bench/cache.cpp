#include "core/error.h"
#include "launcher/commands/bench/cache_report.h"
#include "launcher/commands/bench/engine_bench.h"
#include "launcher/commands/bench/kinds.h"
#include "launcher/commands/bench/report.h"
#include "launcher/commands/parse.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace lockstep::bench {
namespace {

struct CacheBenchSettings {
  CommonSettings common;
  RequestSizes sizes{.prefix_tokens = 4096, .suffix_tokens = 16, .decoding = 4, .decoded_tokens = 256};
  int64_t pause = 8;

  void add_to(OptionSet& options) {
    common.add_to(options);
    options.add("prefix-tokens", &sizes.prefix_tokens, "tokens of the prefix, whole pages");
    options.add("suffix-tokens", &sizes.suffix_tokens, "tokens behind it that are new to every request");
    options.add("decoding", &sizes.decoding,
                "sequences that decode while requests bring prefixes back, 0 = no such load");
    options.add("decoded-tokens", &sizes.decoded_tokens, "tokens of such a sequence, then another takes its place");
    options.add("pause", &pause, "steps between two requests of that load");
  }
};

int64_t pages_of(int64_t tokens, int64_t page_tokens) { return (tokens + page_tokens - 1) / page_tokens; }

// How many prefixes take turns so that the first has left a tier of `pages` pages when its turn comes again, and none
// of the last ones has: one more than fit, and one for the part of another that fits beside them.
int64_t prefixes_beyond(int64_t pages, int64_t prefix_pages) { return pages / prefix_pages + 2; }

// Pages of the device for one request beside the load; with a page of growth for everyone.
int64_t device_pages(const CacheBenchSettings& bench, int64_t page_tokens) {
  const RequestSizes& sizes = bench.sizes;
  return pages_of(sizes.prefix_tokens + sizes.suffix_tokens + 1, page_tokens) + 1 +
         sizes.decoding * (pages_of(sizes.decoded_tokens + 1, page_tokens) + 1);
}

// The tiers' sizes, where they are not given: the device holds a prefix, the host those that take turns before it.
void set_sizes(EngineSettings& settings, const CacheBenchSettings& bench) {
  CacheSettings& cache = settings.cache;
  const int64_t page_tokens = cache.page_tokens, prefix_pages = bench.sizes.prefix_tokens / page_tokens;
  size_for(settings, bench.sizes.decoding + 1,
           std::max(bench.sizes.prefix_tokens + bench.sizes.suffix_tokens + 1, bench.sizes.decoded_tokens + 1));
  if (cache.device_tokens == 0 && cache.device_bytes == 0)
    cache.device_tokens = device_pages(bench, page_tokens) * page_tokens;
  if (cache.host_tokens == -1 && cache.host_bytes == 0) {
    const int64_t turns = prefixes_beyond(cache.device_tokens / page_tokens, prefix_pages);
    cache.host_tokens = (turns * prefix_pages + prefix_pages / 2 + 16) * page_tokens;
  }
}

class CacheBench {
 public:
  CacheBench(const Session& session, const CacheBenchSettings& bench)
      : engine_(session.engine()),
        bench_(bench),
        prefix_pages_(bench.sizes.prefix_tokens / engine_.config().page_tokens),
        requests_(engine_, session.checkpoint().config().vocab_size, bench.sizes,
                  static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch().count())),
        host_turns_(prefixes_beyond(engine_.config().num_slots, prefix_pages_)),
        disk_turns_(prefixes_beyond(engine_.config().num_slots + engine_.tier_config().host_slots, prefix_pages_)),
        has_host_(engine_.tier_config().host_slots > 0),
        has_disk_(engine_.tier_config().disk_pages > 0) {
    const TierConfig& tiers = engine_.tier_config();
    LS_REQUIRE(ConfigError, !has_host_ || tiers.host_slots >= host_turns_ * prefix_pages_,
               "cache.host_tokens: {} prefixes of {} pages take turns on a device with {}; the host's {} pages do not "
               "hold them",
               host_turns_, prefix_pages_, engine_.config().num_slots, tiers.host_slots);
    LS_REQUIRE(ConfigError, !has_disk_ || tiers.disk_pages >= disk_turns_ * prefix_pages_,
               "cache.disk_bytes: {} prefixes of {} pages take turns beyond the host; the disk takes {} pages",
               disk_turns_, prefix_pages_, tiers.disk_pages);
  }

  void run() {
    measure("computed", std::nullopt, 0, num_prefixes());
    measure("device", Tier::kDevice, num_prefixes() - 1, 1);
    if (has_host_) measure_tier("host", Tier::kHost, host_turns_);
    if (has_disk_) measure_tier("disk", Tier::kDisk, disk_turns_);
  }

  const std::vector<PlaceFigures>& places() const { return places_; }
  const std::vector<MixedFigures>& mixed() const { return mixed_; }

 private:
  int64_t num_prefixes() const {
    return std::max({bench_.common.repeats + 1, has_host_ ? host_turns_ : 1, has_disk_ ? disk_turns_ : 1});
  }

  // Prefixes from `first` on take `turns` turns; all but the first request count.
  void measure(const char* name, std::optional<Tier> tier, int64_t first, int64_t turns) {
    PlaceFigures place{name, {}};
    const int64_t count = tier ? bench_.common.repeats + 1 : turns;
    for (int64_t i = 0; i < count; ++i) {
      const CacheUsage usage = requests_.request(first + i % turns);
      if (i == 0) continue;  // first uses of memory
      require_found(usage, name, tier);
      place.requests.push_back(usage);
    }
    places_.push_back(std::move(place));
  }

  // The last `turns` prefixes that were computed. A first round brings all to where the rounds leave them.
  void measure_tier(const char* name, Tier tier, int64_t turns) {
    const int64_t first = num_prefixes() - turns;
    for (int64_t i = 0; i < turns; ++i) requests_.request(first + i);
    requests_.settle();
    measure(name, tier, first, turns);
    if (bench_.sizes.decoding == 0) return;
    // Goes on where the turns are.
    std::vector<int64_t> prefixes;
    for (int64_t i = 1; i <= bench_.common.repeats; ++i)
      prefixes.push_back(first + (bench_.common.repeats + i) % turns);
    mixed_.push_back({name, requests_.request_while_decoding(prefixes, bench_.pause),
                      static_cast<double>(engine_.kv_layout().page_bytes())});
  }

  // A tier's figure is worth nothing if the prefix was elsewhere.
  void require_found(const CacheUsage& usage, const char* name, std::optional<Tier> tier) const {
    std::array<int64_t, kNumTiers> expected{};
    if (tier) expected[static_cast<size_t>(*tier)] = bench_.sizes.prefix_tokens;
    const int64_t promoted = tier && *tier != Tier::kDevice ? prefix_pages_ : 0;
    const int64_t fetched = tier == Tier::kDisk ? prefix_pages_ : 0;
    LS_REQUIRE(
        Error, usage.hit_tokens == expected && usage.promoted_pages == promoted && usage.fetched_pages == fetched,
        "a prefix that should have been found here: {}; tokens found on the device {}, the host {}, the disk {}; "
        "pages brought from the host {}, from the disk {}",
        name, usage.hit_tokens[0], usage.hit_tokens[1], usage.hit_tokens[2], usage.promoted_pages, usage.fetched_pages);
  }

  Engine& engine_;
  const CacheBenchSettings& bench_;
  int64_t prefix_pages_;
  CacheRequests requests_;
  int64_t host_turns_, disk_turns_;  // a page on the device may or may not lie on the host too
  bool has_host_, has_disk_;
  std::vector<PlaceFigures> places_;
  std::vector<MixedFigures> mixed_;
};

void print(const CacheBench& bench, const CacheBenchSettings& settings) {
  print_places(bench.places());
  for (const PlaceFigures& place : bench.places()) print_channels(place.place, place.sum());
  if (settings.sizes.decoding > 0 && !bench.mixed().empty()) print_mixed(bench.mixed());
}

nlohmann::json report_of(const CacheBench& bench, const CacheBenchSettings& settings, const Session& session) {
  nlohmann::json report = report_head("cache", session);
  report["prefix_tokens"] = settings.sizes.prefix_tokens;
  report["suffix_tokens"] = settings.sizes.suffix_tokens;
  report["page_bytes"] = session.engine().kv_layout().page_bytes();
  report["pages"] = {{"device", session.engine().config().num_slots},
                     {"host", session.engine().tier_config().host_slots},
                     {"disk", session.engine().tier_config().disk_pages}};
  for (const PlaceFigures& place : bench.places()) report["rows"].push_back(to_json(place, bench.places().front()));
  report["mixed"] = nlohmann::json::array();
  for (const MixedFigures& one : bench.mixed()) report["mixed"].push_back(to_json(one));
  return report;
}

}  // namespace

int cache_command(const MpiEnvironment& mpi, Communicator& world, const std::vector<std::string>& arguments) {
  EngineSettings settings;
  // Whoever comes to a tier decides by turns alone; every tier that is there is measured, and leaves nothing behind
  // that the next run could find.
  settings.cache.policy = "lru";
  settings.cache.load_or_recompute = "load";
  settings.cache.persist = false;
  CacheBenchSettings bench;
  OptionSet options(
      "mpirun -n N lockstep bench cache (--model DIR | --shape NAME) [--cache.disk_dir DIR] [options]",
      "Measures the time to the first token of a request with a long prefix, which is computed, or found on "
      "the\ndevice, on the host only, or on the disk only (with --cache.disk_dir); and steps of other "
      "sequences\nmeanwhile. 'exposed' is the share of the time in which a computation waited for transfers.");
  bench.add_to(options);
  settings.add_to(options);
  const auto check = [&] {
    require_positive("prefix-tokens", bench.sizes.prefix_tokens);
    require_positive("suffix-tokens", bench.sizes.suffix_tokens);
    require_positive("decoded-tokens", bench.sizes.decoded_tokens);
    require_positive("pause", bench.pause);
    LS_REQUIRE(ConfigError, bench.sizes.decoding >= 0, "decoding = {}: accepted are 0 and more", bench.sizes.decoding);
    LS_REQUIRE(ConfigError,
               settings.cache.page_tokens > 0 && bench.sizes.prefix_tokens % settings.cache.page_tokens == 0,
               "prefix-tokens = {}: accepted are multiples of cache.page_tokens = {}", bench.sizes.prefix_tokens,
               settings.cache.page_tokens);
    set_sizes(settings, bench);
    bench.common.resolve(settings, world);
  };
  if (const auto code = parse_or_print(world, options, arguments, check)) return *code;

  const Session session(mpi, world, settings, std::nullopt);
  Engine& engine = session.engine();
  if (!session.topology().is_leader()) {
    engine.follow();
    return 0;
  }
  CacheBench cache(session, bench);
  cache.run();
  engine.stop();
  print(cache, bench);
  write_report(bench.common.json, report_of(cache, bench, session));
  return 0;
}

}  // namespace lockstep::bench
