#include "launcher/batch/job_manifest.h"

#include "cache/cache_stats.h"
#include "launcher/runtime/numerics.h"

#include <algorithm>

namespace lockstep {
namespace {

std::string yes_no(bool value) { return value ? "true" : "false"; }

std::string layout_text(const KvLayout& layout) {
  std::string text(name_of(layout.format));
  for (int64_t layer = 0; layer < layout.num_layers && layout.wide_keys.size() > 0; ++layer) {
    if (!layout.wide_keys.contains(layer)) continue;
    text += fmt::format("{}{}", text == "kv4" ? ", keys of 8 bits in layers " : ",", layer);
  }
  return text;
}

// What decides which pages change, where some do.
std::string cold_of(const Session& session) {
  const EngineConfig& config = session.sizing().engine;
  const TierSizes& tiers = config.tiers;
  if (tiers.cold_format == KvFormat::kFull) return "none";
  return fmt::format(
      "{}, ratio {}, {} + {} host pages, {} device pages, {} disk bytes, steps of {} tokens and {} sequences, chunks "
      "of "
      "{}, {}{}",
      layout_text(session.engine().cold_layout()), tiers.compression_ratio, tiers.host_slots, tiers.cold_slots,
      config.num_slots, tiers.disk_bytes, config.max_step_tokens, config.max_sequences, config.prefill_chunk,
      config.order == ScheduleOrder::kReuse ? "reuse" : "input", config.plan_ahead ? ", a plan ahead" : "");
}

std::string sparse_of(const Session& session) {
  const EngineConfig& config = session.sizing().engine;
  if (!config.sparse) return "off";
  const SparseRule& rule = *config.sparse;
  const auto num_kv_heads = static_cast<int32_t>(session.checkpoint().config().num_kv_heads);
  return fmt::format(
      "ratio {}, dense below {}, {} dense layers, sink {}, recent {}, least {}, mass {}, {} ranks a KV head",
      rule.ratio, rule.dense_below, rule.dense_layers, rule.sink_pages, rule.recent_pages, rule.least_pages, rule.mass,
      std::max(session.topology().tp() / num_kv_heads, 1));
}

}  // namespace

Manifest make_manifest(const Session& session, const JobSettings& settings, const Hash128& input,
                       const std::string& model_name, const std::string& chat_date) {
  const TextModel& text = session.text();
  return {{"input", input.to_string()},
          {"model", session.checkpoint().fingerprint().to_string()},
          {"model name", model_name},
          {"model.dtype", std::string(name_of(session.sizing().engine.dtype))},
          {"model.max_sequence", fmt::format("{}", session.sizing().engine.max_sequence)},
          // The pieces in which attention adds up.
          {"cache.page_tokens", fmt::format("{}", session.sizing().engine.page_tokens)},
          {"cache.format", layout_text(session.engine().kv_layout())},
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
