#include "launcher/batch/job_manifest.h"

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

}  // namespace lockstep
