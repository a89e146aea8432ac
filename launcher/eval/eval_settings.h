// What `lockstep eval` is asked for beside the engine's options.
#pragma once

#include <cstdint>
#include <string>

namespace lockstep {

class OptionSet;

struct EvalSettings {
  std::string settings = "full,kv8,k8v4,kv4";
  std::string input;    // "" = the model's own held-out set, unless there is a text
  std::string answers;  // "" = in the rows
  std::string text;     // "" = none
  std::string output;   // "" = none
  std::string chat_template;
  std::string temporary;  // "" = the system's
  int64_t rows = 0;       // 0 = all
  int64_t tokens = 0;     // 0 = all
  int64_t window = 0;     // 0 = the longest sequence
  int64_t context = 0;
  int64_t bucket = 256;

  void add_to(OptionSet& options);
  /// Throws ConfigError naming option, value and accepted values.
  void validate() const;
};

}  // namespace lockstep
