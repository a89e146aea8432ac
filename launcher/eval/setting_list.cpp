#include "launcher/eval/setting_list.h"

#include "core/error.h"
#include "core/settings/edit_distance.h"
#include "core/settings/option_set.h"
#include "launcher/eval/eval_settings.h"

#include <algorithm>
#include <array>
#include <sstream>

namespace lockstep {
namespace {

constexpr std::string_view kForms = "accepted are NAME:KEY=VALUE KEY=VALUE …, KEY=VALUE …, and full, kv8, k8v4, kv4";

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

std::vector<std::pair<std::string, std::string>> parse_options(std::string_view text, std::string_view item) {
  std::vector<std::pair<std::string, std::string>> options;
  std::istringstream words{std::string(text)};
  for (std::string word; words >> word;) {
    const size_t equals = word.find('=');
    LS_REQUIRE(ConfigError, equals != std::string::npos && equals > 0 && equals + 1 < word.size(),
               "settings: '{}': '{}' is not KEY=VALUE; {}", item, word, kForms);
    options.emplace_back(word.substr(0, equals), word.substr(equals + 1));
  }
  LS_REQUIRE(ConfigError, !options.empty(), "settings: '{}' changes no option; {}", item, kForms);
  return options;
}

EvalSetting known_setting(std::string_view name) {
  static const std::array<std::string, 4> kFormats{"full", "kv8", "k8v4", "kv4"};
  if (std::find(kFormats.begin(), kFormats.end(), name) != kFormats.end())
    return {std::string(name), {{"cache.format", std::string(name)}, {"cache.quantization_bits", "0"}}};
  const std::string near = nearest_names(name, kFormats);
  LS_THROW(ConfigError, "settings: '{}' is unknown{}; {}", name, near.empty() ? "" : " (did you mean " + near + "?)",
           kForms);
}

EvalSetting parse_setting(std::string_view item) {
  const size_t colon = item.find(':'), equals = item.find('=');
  const bool has_name = colon != std::string_view::npos && (equals == std::string_view::npos || colon < equals);
  if (!has_name && equals == std::string_view::npos) return known_setting(item);
  const std::string_view name = has_name ? trimmed(item.substr(0, colon)) : item;
  LS_REQUIRE(ConfigError, !name.empty(), "settings: '{}' has no name; {}", item, kForms);
  return {std::string(name), parse_options(has_name ? item.substr(colon + 1) : item, item)};
}

}  // namespace

std::string EvalSetting::to_string() const {
  std::string text;
  for (const auto& [key, value] : options) text += (text.empty() ? "" : " ") + key + "=" + value;
  return text;
}

std::vector<EvalSetting> parse_setting_list(std::string_view text) {
  std::vector<EvalSetting> settings;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view item = trimmed(text.substr(begin, end - begin));
    LS_REQUIRE(ConfigError, !item.empty(), "settings = '{}': a setting is empty; {}", text, kForms);
    settings.push_back(parse_setting(item));
    for (size_t i = 0; i + 1 < settings.size(); ++i) {
      LS_REQUIRE(ConfigError, settings[i].name != settings.back().name, "settings: the name '{}' is given twice",
                 settings[i].name);
    }
    begin = end + 1;
  }
  return settings;
}

EngineSettings settings_of(const EvalSetting& setting, std::span<const std::string> arguments) {
  const std::string source = "settings: " + setting.name;
  std::vector<std::string> own;
  for (const auto& [key, value] : setting.options) own.push_back("--" + key + "=" + value);
  const std::vector<OptionSet::Arguments> places{{source, std::move(own)},
                                                 {"command line", {arguments.begin(), arguments.end()}}};
  try {
    // By itself first: a setting gives options of the engine alone, the command line also those of the command.
    EngineSettings unused;
    OptionSet accepted("", "");
    unused.add_to(accepted);
    accepted.parse(std::span(places).first(1));

    EvalSettings of_command;
    EngineSettings settings;
    OptionSet options("", "");
    of_command.add_to(options);
    settings.add_to(options);
    options.parse(places);
    settings.validate();
    return settings;
  } catch (const Error& error) {
    const std::string_view message = error.what();
    LS_THROW(ConfigError, "{}{}", message.starts_with(source) ? "" : source + ": ", message);
  }
}

}  // namespace lockstep
