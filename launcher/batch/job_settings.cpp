#include "launcher/batch/job_settings.h"

#include "core/error.h"
#include "core/settings/option_set.h"

namespace lockstep {

void JobSettings::add_to(OptionSet& options) {
  options.group("Job");
  options.add("input", &input, "requests, one JSON object a line (docs/batch-files.md)");
  options.add("output", &output, "results, one JSON object a line, in the order of the requests");
  options.add("summary", &summary, "also write the closing summary as JSON to this file");
  options.add("seed", &seed, "seed of rows that give none; mixed with the row's number");
  options.add("return-token-ids", &return_token_ids, "add token_ids to each choice");
  options.add("restart", &restart, "discard what an earlier run of this job left, and replace its output");
  options.add("progress-interval", &progress_seconds, "seconds between progress lines where there is no terminal");
}

void JobSettings::validate() const {
  LS_REQUIRE(ConfigError, !input.empty(), "--input FILE is missing");
  LS_REQUIRE(ConfigError, !output.empty(), "--output FILE is missing");
  LS_REQUIRE(ConfigError, progress_seconds > 0, "progress-interval = {}: accepted are 1 and more", progress_seconds);
}

}  // namespace lockstep
