#include "launcher/batch/job_manifest.h"

#include "cache/cache_stats.h"
#include "launcher/runtime/numerics.h"

#include <algorithm>

namespace lockstep {
namespace {

std::string yes_no(bool value) { return value ? "true" : "false"; }

bool has_cold(const Session& session) { return session.sizing().engine.tiers.cold_format != KvFormat::kFull; }

// The pools and steps that decide which pages change, where some do. How many pages a file of the disk store has, which
// go together, depends on the ranks that write there.
std::string cold_of(const Session& session) {
  const EngineConfig& config = session.sizing().engine;
  const TierSizes& tiers = config.tiers;
  if (!has_cold(session)) return "none";
  const std::string disk = tiers.disk_dir.empty()
                               ? "no disk"
                               : fmt::format("{} disk bytes in segments of {} pages", tiers.disk_bytes,
                                             session.engine().tier_config().disk_pages_per_segment);
  return fmt::format(
      "{}, ratio {}, {} + {} host pages, {} device pages, {}, steps of {} tokens and {} sequences, chunks of {}, {}{}",
      format_text(session.engine().cold_layout()), tiers.compression_ratio, tiers.host_slots, tiers.cold_slots,
      config.num_slots, disk, config.max_step_tokens, config.max_sequences, config.prefill_chunk,
      config.order == ScheduleOrder::kReuse ? "reuse" : "input", config.plan_ahead ? ", a plan ahead" : "");
}

std::string sparse_of(const Session& session) {
  const EngineConfig& config = session.sizing().engine;
  if (!config.sparse) return "off";
  const auto num_kv_heads = static_cast<int32_t>(session.checkpoint().config().num_kv_heads);
  return fmt::format("{}, {} ranks a KV head", config.sparse->text(),
                     std::max(session.topology().tp() / num_kv_heads, 1));
}

}  // namespace

Manifest make_manifest(const Session& session, const JobSettings& settings, const Hash128& input,
                       const std::string& model_name, const std::string& chat_date) {
  const TextModel& text = session.text();
  const EngineConfig& config = session.sizing().engine;
  Manifest manifest = {{"input", input.to_string()},
                       {"model", session.checkpoint().fingerprint().to_string()},
                       {"model name", model_name},
                       {"model.dtype", std::string(name_of(config.dtype))},
                       {"model.max_sequence", fmt::format("{}", config.max_sequence)},
                       // The pieces in which attention adds up.
                       {"cache.page_tokens", fmt::format("{}", config.page_tokens)},
                       {"cache.format", format_text(session.engine().kv_layout())},
                       {"determinism", session.settings().runtime.determinism},
                       {"cold pages", cold_of(session)},
                       {"sparse attention", sparse_of(session)},
                       {"tokenizer", text.tokenizer->fingerprint().to_string()},
                       {"chat template", text.chat_template ? text.chat_template->fingerprint().to_string() : "none"},
                       {kChatDateKey, chat_date},
                       {"request defaults", text.defaults.to_string()},
                       {"device", session.runtime().device_name()},
                       {"isa", session.runtime().isa_name()},
                       {"order of sums", summation_order(session.topology().tp())},
                       {"numerics", kNumericsVersion},
                       {"seed", fmt::format("{}", settings.seed)},
                       {"lenient", yes_no(settings.lenient)},
                       {"return-token-ids", yes_no(settings.return_token_ids)},
                       {"report-cached-tokens", yes_no(settings.report_cached_tokens)}};
  if (has_cold(session)) {  // else answers depend on neither
    const bool orders_for_reuse = config.order == ScheduleOrder::kReuse;
    manifest["window"] = fmt::format("{}", settings.effective_window(config.max_sequences, orders_for_reuse));
    manifest["cache.share_prefixes"] = yes_no(config.share_prefixes);
  }
  return manifest;
}

Notes make_notes(const Session& session) {
  if (session.sizing().engine.tiers.host_slots == 0) return {};
  const Engine& engine = session.engine();
  const PageCosts& costs = engine.page_costs();
  Notes notes;
  const auto note = [&](const char* key, int64_t value) {
    const int64_t most = session.world().all_reduce_max(value);
    notes[key] = most > 0 ? fmt::format("{}", most) : "not measured";
  };
  note("ns to compute a page", costs.compute);
  note("ns per page from the host", costs.from_host);
  note("ns per page from the disk", costs.from_disk);
  std::string left_out;
  for (const Tier tier : {Tier::kHost, Tier::kDisk}) {
    if (session.world().all_reduce_max(engine.is_bypassed(tier) ? 1 : 0) == 0) continue;
    left_out += (left_out.empty() ? "" : ", ") + std::string(name_of(tier));
  }
  notes["tiers left out"] = left_out.empty() ? "none" : left_out;
  return notes;
}

}  // namespace lockstep
