// Options of a batch job: which files, and what of them.
#pragma once

#include <cstdint>
#include <string>

namespace lockstep {

class OptionSet;

struct JobSettings {
  std::string input, output;
  std::string summary;  // "" = none
  uint64_t seed = 0;
  bool return_token_ids = false;
  bool restart = false;
  int64_t progress_seconds = 10;

  void add_to(OptionSet& options);
  /// Throws ConfigError naming option, value and accepted values.
  void validate() const;
};

}  // namespace lockstep
