#include "launcher/batch/job_settings.h"

#include "core/error.h"
#include "core/settings/option_set.h"
#include "launcher/batch/chat_date.h"

#include <algorithm>

namespace lockstep {

void JobSettings::add_to(OptionSet& options) {
  options.group("Job");
  options.add("input", &input, "requests, one JSON object a line (docs/batch-files.md); .gz, .zst, or - for stdin");
  options.add("output", &output, "results in the order of the requests; .gz and .zst are compressed, - is stdout");
  options.add("errors", &errors, "rows that cannot be answered [<output>.errors.jsonl]");
  options.add("journal", &journal,
              "<journal>.journal keeps finished rows while the job runs [<output>]; with --output - and without this "
              "option the job cannot be resumed");
  options.add("summary", &summary, "also write the closing summary as JSON to this file");
  options.add("status", &status, "keep the job's state in this file, as JSON, while it runs (for dashboards)");
  options.add("metrics-file", &metrics_file,
              "keep the job's metrics in this file, in Prometheus' text format, while it runs (docs/metrics.md)");
  options.add("metrics-port", &metrics_port,
              "answer Prometheus at http://<metrics-address>:PORT/metrics on rank 0; 0 = any free port, named in the "
              "log; -1 = none");
  options.add("metrics-address", &metrics_address,
              "IPv4 address to listen on; 0.0.0.0 lets other hosts read, without authentication");
  options.add("chat-template", &chat_template, "Jinja file to use instead of the model's own chat template");
  options.add("chat-date", &chat_date,
              "the day that chat templates are told, as 2026-11-23 [the day the job began, also when it is resumed]");
  options.add("ignore-generation-config", &ignore_generation_config,
              "do not take sampling defaults from the model's generation_config.json");
  options.add("lenient", &lenient,
              "pass over fields that are not supported, with a warning, instead of failing the row");
  options.add("seed", &seed, "seed of rows that give none; mixed with the row's number");
  options.add("return-token-ids", &return_token_ids, "add token_ids to each choice");
  options.add("report-cached-tokens", &report_cached_tokens,
              "add usage.prompt_tokens_details.cached_tokens, which depends on what ran before: results of two runs "
              "may differ there");
  options.add("restart", &restart, "discard what an earlier run of this job left, and replace its output");
  options.add("force-resume", &force_resume,
              "go on although settings changed that change results; says which rows were made under which");
  options.add(
      "window", &window,
      "sequences that the scheduler knows ahead [0 = twice schedule.max_sequences; 4096 for schedule.order = reuse]");
  options.add("step-timeout", &step_timeout_seconds,
              "seconds that one step may take before the job ends; 0 = no limit");
  options.add("progress-interval", &progress_seconds, "seconds between progress lines where there is no terminal");
}

int64_t JobSettings::effective_window(int64_t max_sequences, bool orders_for_reuse) const {
  constexpr int64_t kReuseWindow = 4096;  // as many as are ordered within a few milliseconds
  const int64_t by_default = std::max(2 * max_sequences, orders_for_reuse ? kReuseWindow : 0);
  return window > 0 ? std::max(window, max_sequences) : by_default;
}

void JobSettings::validate() const {
  LS_REQUIRE(ConfigError, !input.empty(), "--input FILE is missing");
  LS_REQUIRE(ConfigError, !output.empty(), "--output FILE is missing");
  for (const std::string* other : {&input, &output, &errors, &summary, &status})
    LS_REQUIRE(ConfigError, metrics_file.empty() || metrics_file != *other,
               "metrics-file = {}: the job has another use for that file", metrics_file);
  LS_REQUIRE(ConfigError, metrics_port >= -1 && metrics_port <= 65535,
             "metrics-port = {}: accepted are 0 to 65535, and -1 for none", metrics_port);
  if (!chat_date.empty()) clock_of(chat_date);
  LS_REQUIRE(ConfigError, !(restart && force_resume), "--restart and --force-resume contradict each other: give one");
  LS_REQUIRE(ConfigError, window >= 0, "window = {}: accepted are 0 and more", window);
  LS_REQUIRE(ConfigError, step_timeout_seconds >= 0, "step-timeout = {}: accepted are 0 and more",
             step_timeout_seconds);
  LS_REQUIRE(ConfigError, progress_seconds > 0, "progress-interval = {}: accepted are 1 and more", progress_seconds);
}

}  // namespace lockstep
