#include "launcher/eval/eval_settings.h"

#include "core/error.h"
#include "core/settings/option_set.h"

namespace lockstep {
namespace {

void require_at_least(const char* option, int64_t value, int64_t least) {
  LS_REQUIRE(ConfigError, value >= least, "{} = {}: accepted are {} and more", option, value, least);
}

}  // namespace

void EvalSettings::add_to(OptionSet& options) {
  options.group("What is compared");
  options.add(
      "settings", &settings,
      "settings joined by commas, each NAME:KEY=VALUE KEY=VALUE … with any option of the groups below the next, "
      "or one of full, kv8, k8v4, kv4, which stand for cache.format; the first is what the others are compared "
      "with");
  options.group("What is scored");
  options.add(
      "input", &input,
      "requests, as for generate (docs/batch-files.md), with their right answers in \"answer\" and distances in "
      "\"distance\"; without it and --text the model directory's held_out.jsonl, .gz or .zst");
  options.add("answers", &answers, "answers to rows without them: lines of \"custom_id\", \"answer\", \"distance\"");
  options.add("text", &text, "UTF-8 text whose perplexity is measured");
  options.add("rows", &rows, "only the first so many rows; 0 = all");
  options.add("tokens", &tokens, "only the first so many tokens of the text; 0 = all");
  options.add("window", &window,
              "tokens of a window of the text; each begins anew; 0 = the longest sequence of the first setting");
  options.add("context", &context, "tokens at the beginning of a window that are given and not scored");
  options.add("bucket", &bucket, "tokens of distance that share a line of the score by distance");
  options.add("chat-template", &chat_template, "Jinja file to use instead of the model's own chat template");
  options.add("output", &output, "file for all figures (JSON)");
  options.add("temporary", &temporary,
              "directory for the first setting's logits, 4 bytes a token of the vocabulary for every token compared; "
              "the system's own without it");
}

void EvalSettings::validate() const {
  require_at_least("rows", rows, 0);
  require_at_least("tokens", tokens, 0);
  require_at_least("bucket", bucket, 1);
  require_at_least("context", context, 0);
  LS_REQUIRE(ConfigError, window == 0 || window >= 2, "window = {}: accepted are 0 and 2 or more", window);
  LS_REQUIRE(ConfigError, window == 0 || context < window, "context = {}: accepted are 0 to {} (window = {})", context,
             window - 1, window);
  LS_REQUIRE(ConfigError, !text.empty() || (tokens == 0 && window == 0 && context == 0),
             "tokens = {}, window = {}, context = {}: give --text FILE too", tokens, window, context);
  LS_REQUIRE(ConfigError, answers.empty() || !input.empty(), "answers = {}: give --input FILE too", answers);
}

}  // namespace lockstep
