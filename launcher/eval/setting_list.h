// The settings that `lockstep eval` compares, from the text of --settings. Functions are thread-safe.
#pragma once

#include "core/settings/engine_settings.h"

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lockstep {

/// A name and what it changes of the options given beside it.
struct EvalSetting {
  std::string name;
  std::vector<std::pair<std::string, std::string>> options;  // key, value; in the order given

  /// "cache.format=kv8 cache.page_tokens=32"
  std::string to_string() const;
};

/// Settings joined by commas. Each is NAME:KEY=VALUE KEY=VALUE …, KEY=VALUE … (its own name), or one of the names full,
/// kv8, k8v4, kv4, which stand for cache.format=NAME cache.quantization_bits=0. Spaces beside names and commas count
/// for nothing. Throws ConfigError naming what does not fit and the accepted forms; for a name that is given twice.
std::vector<EvalSetting> parse_setting_list(std::string_view text);

/// What the setting comes to beside `arguments`, those of the command: what the setting says, its `config` file too,
/// over what they say, and both over what a preset sets, whoever names it. Checked. Throws ConfigError that begins with
/// the setting's name; for an unknown key with the nearest ones.
EngineSettings settings_of(const EvalSetting& setting, std::span<const std::string> arguments);

}  // namespace lockstep
