// Named options: command line over configuration file (INI) over preset over default. Unknown names are errors.
//
// A thin cover over Boost.Program_options, so that its headers stay in one source file. The same names serve both:
// `--cache.page_tokens 64` is `page_tokens = 64` in section [cache]; names without a dot stand before the first
// section.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace lockstep {

class OptionSet {
 public:
  /// `usage` and `description` open the help text.
  OptionSet(std::string usage, std::string description);
  ~OptionSet();

  /// Starts a titled group in the help text; later options belong to it.
  void group(const std::string& title);
  // Each binds a name to a variable, whose present value is the default. `help` says meaning, unit and range.
  void add(const std::string& name, std::string* value, const std::string& help);
  void add(const std::string& name, int64_t* value, const std::string& help);
  void add(const std::string& name, uint64_t* value, const std::string& help);
  void add(const std::string& name, double* value, const std::string& help);
  /// `--name` alone means true.
  void add(const std::string& name, bool* value, const std::string& help);

  /// Values that other options get where `name` has `value`, unless they are given themselves. All named options must
  /// have been added.
  struct PresetValue {
    std::string name, value;
    /// A whole number that says the same in other words: where it is given, and not 0, this value is not set.
    std::string unless = {};
  };
  void add_preset(const std::string& name, const std::string& value, std::vector<PresetValue> values);
  /// The same where the whole number `name` is given and not 0. Of presets for one option the first added counts.
  void add_implied(const std::string& name, std::vector<PresetValue> values);

  /// Reads the arguments (without program and command names) and the file named by `--config`, and sets the variables.
  /// Throws ConfigError naming the option, its source and, for an unknown name, the nearest known ones.
  void parse(std::span<const std::string> arguments);
  /// Arguments of one place, which messages call `source`.
  struct Arguments {
    std::string source;
    std::vector<std::string> list;
  };
  /// The same from several places: the first with its file over the second with its own, and so on, all of them over
  /// presets.
  void parse(std::span<const Arguments> places);

  bool wants_help() const;
  bool wants_config() const;
  std::string help() const;
  /// The values in force as a configuration file, each with a comment that says where it came from.
  std::string config_text() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lockstep
