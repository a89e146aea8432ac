#include "launcher/batch/job_manifest.h"

#include "cache/cache_stats.h"
#include "launcher/runtime/numerics.h"

namespace lockstep {
namespace {

std::string yes_no(bool value) { return value ? "true" : "false"; }

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
