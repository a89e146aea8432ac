// Options of a batch job: which files, and what of them.
#pragma once

#include <cstdint>
#include <string>

namespace lockstep {

class OptionSet;

struct JobSettings {
  std::string input, output;
  std::string errors;         // "" = <output>.errors.jsonl
  std::string journal;        // beside what the job's own files stand; "" = the output
  std::string summary;        // "" = none
  std::string status;         // "" = none
  std::string metrics_file;   // "" = none
  int64_t metrics_port = -1;  // -1 = none, 0 = any free one
  std::string metrics_address = "127.0.0.1";
  std::string chat_template;  // "" = the model's own
  std::string chat_date;      // "" = the day the job began
  bool ignore_generation_config = false;
  bool lenient = false;
  bool report_cached_tokens = false;
  uint64_t seed = 0;
  bool return_token_ids = false;
  bool restart = false;
  bool force_resume = false;
  int64_t window = 0;  // 0 = twice as many as run at once
  int64_t step_timeout_seconds = 600;
  int64_t progress_seconds = 10;

  /// Sequences that the scheduler knows ahead, where up to `max_sequences` run at once: `window`, or what 0 stands for,
  /// but never fewer than run.
  int64_t effective_window(int64_t max_sequences, bool orders_for_reuse) const;
  void add_to(OptionSet& options);
  /// Throws ConfigError naming option, value and accepted values.
  void validate() const;
};

}  // namespace lockstep
