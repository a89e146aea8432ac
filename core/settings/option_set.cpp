#include "core/settings/option_set.h"

#include "core/error.h"
#include "core/settings/edit_distance.h"

#include <algorithm>
#include <boost/program_options.hpp>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

namespace lockstep {
namespace po = boost::program_options;

namespace {

struct Entry {
  std::string name;
  std::string help;
  std::function<std::string()> current;  // the variable's value as text
  std::string source = "default";
};

std::string to_text(const std::string& value) { return value; }
std::string to_text(bool value) { return value ? "true" : "false"; }
template <class T>
std::string to_text(T value) {
  return fmt::format("{}", value);
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

struct OptionSet::Impl {
  std::string usage, description;
  std::vector<std::unique_ptr<po::options_description>> groups;
  std::vector<Entry> entries;
  std::string config_path;
  bool help = false, print_config = false;
  struct Preset {
    std::string name;
    std::optional<std::string> value;  // none = any whole number but 0
    std::vector<PresetValue> values;

    bool is_chosen(const po::variables_map& given) const {
      const auto found = given.find(name);
      if (found == given.end()) return false;
      return value ? found->second.as<std::string>() == *value : found->second.as<int64_t>() != 0;
    }
    std::string source() const { return value ? name + " = " + *value : name + " is given"; }
  };
  std::vector<Preset> presets;

  po::options_description& last_group() { return *groups.back(); }

  template <class T>
  void add(const std::string& name, T* value, const std::string& text, po::typed_value<T>* semantic) {
    const std::string shown = to_text(*value);
    const std::string full = shown.empty() ? text : fmt::format("{} [default: {}]", text, shown);
    last_group().add_options()(name.c_str(), semantic, full.c_str());
    entries.push_back({name, text, [value] { return to_text(*value); }});
  }

  po::options_description all() const {
    po::options_description combined;
    for (const auto& one : groups) combined.add(*one);
    return combined;
  }

  [[noreturn]] void unknown(const std::string& name, const std::string& source) const {
    std::vector<std::string> names;
    for (const Entry& entry : entries) names.push_back(entry.name);
    const std::string near = nearest_names(name, names);
    LS_THROW(ConfigError, "{}: option '{}' is unknown{}", source, name,
             near.empty() ? "; --help lists all" : "; did you mean " + near + "?");
  }

  void note_sources(const po::parsed_options& parsed, const std::string& source) {
    for (const po::option& option : parsed.options) {
      for (Entry& entry : entries) {
        if (entry.name == option.string_key && entry.source == "default") entry.source = source;
      }
    }
  }

  template <class Parse>
  void read(po::variables_map& values, const std::string& source, Parse&& parse) {
    try {
      const po::parsed_options parsed = parse();
      note_sources(parsed, source);
      po::store(parsed, values);
    } catch (const po::unknown_option& error) {
      const std::string name = error.get_option_name().substr(error.get_option_name().find_first_not_of('-'));
      unknown(name.substr(0, name.find('=')), source);
    } catch (const po::error& error) {
      LS_THROW(ConfigError, "{}: {}", source, error.what());
    }
  }

  // Nothing is stored over what `values` has already.
  void read(po::variables_map& values, const Arguments& place) {
    po::options_description accepted = all();
    accepted.add_options()("help,h", po::bool_switch(&help))("print-config", po::bool_switch(&print_config))(
        "config", po::value<std::string>(&config_path));
    const po::positional_options_description none;
    std::optional<std::string> config;
    read(values, place.source, [&] {
      using Style = po::command_line_style::style_t;
      // No guessing: an abbreviated option would change its meaning when options are added.
      const int style = Style::unix_style & ~Style::allow_guessing;
      po::parsed_options parsed =
          po::command_line_parser(place.list).options(accepted).positional(none).style(style).run();
      for (const po::option& option : parsed.options)
        if (option.string_key == "config" && !option.value.empty()) config = option.value.front();
      return parsed;
    });
    if (!config) return;
    std::ifstream file(*config);
    const po::options_description in_file = all();
    LS_REQUIRE(IoError, file.good(), "cannot read configuration file '{}'", *config);
    read(values, *config, [&] { return po::parse_config_file(file, in_file, false); });
  }

  void read(po::variables_map& values, const Preset& preset) {
    const po::options_description in_preset = all();
    std::stringstream text;
    for (const PresetValue& one : preset.values) {
      const auto other = values.find(one.unless);
      if (other == values.end() || other->second.as<int64_t>() == 0) text << one.name << " = " << one.value << "\n";
    }
    read(values, preset.source(), [&] { return po::parse_config_file(text, in_preset, false); });
  }
};

OptionSet::OptionSet(std::string usage, std::string description) : impl_(std::make_unique<Impl>()) {
  impl_->usage = std::move(usage);
  impl_->description = std::move(description);
}
OptionSet::~OptionSet() = default;

void OptionSet::group(const std::string& title) {
  constexpr unsigned kLineLength = 120, kDescriptionLength = 76;
  impl_->groups.push_back(std::make_unique<po::options_description>(title, kLineLength, kDescriptionLength));
}

void OptionSet::add(const std::string& name, std::string* value, const std::string& help) {
  impl_->add(name, value, help, po::value<std::string>(value)->value_name("TEXT"));
}
void OptionSet::add(const std::string& name, int64_t* value, const std::string& help) {
  impl_->add(name, value, help, po::value<int64_t>(value)->value_name("N"));
}
void OptionSet::add(const std::string& name, uint64_t* value, const std::string& help) {
  impl_->add(name, value, help, po::value<uint64_t>(value)->value_name("N"));
}
void OptionSet::add(const std::string& name, double* value, const std::string& help) {
  impl_->add(name, value, help, po::value<double>(value)->value_name("X"));
}
void OptionSet::add(const std::string& name, bool* value, const std::string& help) {
  impl_->add(name, value, help, po::value<bool>(value)->implicit_value(true)->value_name("BOOL"));
}

void OptionSet::add_preset(const std::string& name, const std::string& value, std::vector<PresetValue> values) {
  impl_->presets.push_back({name, value, std::move(values)});
}

void OptionSet::add_implied(const std::string& name, std::vector<PresetValue> values) {
  impl_->presets.push_back({name, std::nullopt, std::move(values)});
}

void OptionSet::parse(std::span<const std::string> arguments) {
  const Arguments place{"command line", {arguments.begin(), arguments.end()}};
  parse(std::span(&place, 1));
}

void OptionSet::parse(std::span<const Arguments> places) {
  po::variables_map values;
  for (const Arguments& place : places) impl_->read(values, place);
  for (const Impl::Preset& preset : impl_->presets)
    if (preset.is_chosen(values)) impl_->read(values, preset);
  try {
    po::notify(values);
  } catch (const po::error& error) {
    LS_THROW(ConfigError, "{}", error.what());
  }
}

bool OptionSet::wants_help() const { return impl_->help; }
bool OptionSet::wants_config() const { return impl_->print_config; }

std::string OptionSet::help() const {
  std::ostringstream text;
  text << "Usage: " << impl_->usage << "\n\n" << impl_->description << "\n";
  for (const auto& one : impl_->groups) text << "\n" << *one;
  text << "\nCommon:\n"
          "  --config FILE          read options from an INI file; the command line wins\n"
          "  --print-config         print the values in force as such a file, and stop\n"
          "  -h [ --help ]          print this text, and stop\n";
  return text.str();
}

std::string OptionSet::config_text() const {
  // Names without a section come first: an INI file cannot return to its top.
  std::map<std::string, std::vector<const Entry*>> sections;
  for (const Entry& entry : impl_->entries) {
    const size_t dot = entry.name.find('.');
    sections[dot == std::string::npos ? "" : entry.name.substr(0, dot)].push_back(&entry);
  }
  std::string text;
  for (const auto& [section, entries] : sections) {
    if (!section.empty()) text += fmt::format("\n[{}]\n", section);
    for (const Entry* entry : entries) {
      const std::string key = section.empty() ? entry->name : entry->name.substr(section.size() + 1);
      text += fmt::format("# {} ({})\n", first_line(entry->help), entry->source);
      const std::string value = entry->current();
      text += value.empty() ? fmt::format("# {} =\n", key) : fmt::format("{} = {}\n", key, value);
    }
  }
  return text;
}

}  // namespace lockstep
