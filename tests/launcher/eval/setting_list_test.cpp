#include "launcher/eval/setting_list.h"

#include "tests/support/expect_throw.h"

#include <cstdio>
#include <fstream>
#include <gtest/gtest.h>

namespace lockstep {
namespace {

using testing_support::expect_throw;
using Options = std::vector<std::pair<std::string, std::string>>;

// With what is given beside it.
EngineSettings applied(const char* text, std::vector<std::string> arguments = {}) {
  arguments.insert(arguments.end(), {"--model", "somewhere", "--cache.page_tokens=32", "--input", "rows.jsonl"});
  return settings_of(parse_setting_list(text)[0], arguments);
}

TEST(SettingList, NamesStandForFormats) {
  const std::vector<EvalSetting> settings = parse_setting_list(" full,kv8 , k8v4,kv4");
  ASSERT_EQ(settings.size(), 4U);
  EXPECT_EQ(settings[1].name, "kv8");
  EXPECT_EQ(settings[1].to_string(), "cache.format=kv8 cache.quantization_bits=0");
  EXPECT_EQ(applied("kv4").cache.format, "kv4");
}

// What the command line says of the format must not reach the setting that is called full.
TEST(SettingList, FullIsFullWhateverIsGivenBesideIt) {
  EXPECT_EQ(applied("full", {"--cache.quantization_bits=8"}).cache.format_of_bits(), "full");
}

TEST(SettingList, OptionsWithAndWithoutAName) {
  const std::vector<EvalSetting> settings =
      parse_setting_list("small pages: cache.page_tokens=16   model.dtype=f32, threads=2,\tx:inject=delay:ms=3");
  ASSERT_EQ(settings.size(), 3U);
  EXPECT_EQ(settings[0].name, "small pages");
  EXPECT_EQ(settings[0].options, (Options{{"cache.page_tokens", "16"}, {"model.dtype", "f32"}}));
  EXPECT_EQ(settings[1].name, "threads=2");
  EXPECT_EQ(settings[1].options, (Options{{"threads", "2"}}));
  EXPECT_EQ(settings[2].options, (Options{{"inject", "delay:ms=3"}}));
}

TEST(SettingList, OptionsGoOverWhatIsGivenBesideThem) {
  const EngineSettings settings = applied("a: model.dtype=f32 cache.share_prefixes=false", {"--model.dtype=bf16"});
  EXPECT_EQ(settings.model.dtype, "f32");
  EXPECT_FALSE(settings.cache.share_prefixes);
  EXPECT_EQ(settings.cache.page_tokens, 32);
  EXPECT_EQ(settings.model.path, "somewhere");
}

TEST(SettingList, APresetChangesNothingThatIsGivenBesideIt) {
  const char* const aggressive = "a: schedule.memory_strategy=aggressive";
  EngineSettings settings = applied(aggressive);
  EXPECT_EQ(settings.cache.format, "kv4");
  EXPECT_EQ(settings.attention.sparse_ratio, 0.25);
  EXPECT_EQ(settings.schedule.max_step_tokens, 256);

  settings = applied(aggressive, {"--attention.sparse_ratio", "0.5", "--cache.quantization_bits=8"});
  EXPECT_EQ(settings.attention.sparse_ratio, 0.5);
  EXPECT_EQ(settings.cache.format_of_bits(), "kv8");
  EXPECT_EQ(settings.schedule.max_step_tokens, 256);

  // A value that is given counts, its default too.
  EXPECT_EQ(applied(aggressive, {"--attention.sparse_ratio=1"}).attention.sparse_ratio, 1.0);
}

TEST(SettingList, APresetOfTheCommandLineGivesWayToTheSetting) {
  const std::vector<std::string> arguments{"--schedule.memory_strategy=aggressive"};
  EXPECT_EQ(applied("a: attention.sparse_ratio=0.5", arguments).attention.sparse_ratio, 0.5);
  EXPECT_EQ(applied("a: attention.sparse_ratio=0.5", arguments).cache.format, "kv4");
  // One preset is in force, the setting's.
  const EngineSettings speed = applied("a: schedule.memory_strategy=speed", arguments);
  EXPECT_EQ(speed.cache.format, "full");
  EXPECT_EQ(speed.attention.sparse_ratio, 1.0);
}

class SettingFiles : public testing::Test {
 protected:
  ~SettingFiles() override {
    for (const std::string& path : paths_) std::remove(path.c_str());
  }
  std::string write(const std::string& name, const std::string& text) {
    paths_.push_back(testing::TempDir() + name);
    std::ofstream(paths_.back()) << text;
    return paths_.back();
  }

 private:
  std::vector<std::string> paths_;
};

TEST_F(SettingFiles, TheSettingsFileGoesOverTheCommandLineAndBothOverPresets) {
  const std::string own = write("setting_list_own.ini", "[cache]\nformat = kv8\n[schedule]\nmax_sequences = 3\n");
  const std::string other =
      write("setting_list_other.ini", "rows = 5\n[schedule]\nmax_sequences = 4\nmax_step_tokens = 1024\n");
  const std::string text = "a: schedule.memory_strategy=aggressive config=" + own;
  const EngineSettings settings = applied(text.c_str(), {"--config", other, "--cache.format=full"});
  EXPECT_EQ(settings.cache.format, "kv8");
  EXPECT_EQ(settings.schedule.max_sequences, 3);
  EXPECT_EQ(settings.schedule.max_step_tokens, 1024);
  EXPECT_EQ(settings.attention.sparse_ratio, 0.25);
  expect_throw<ConfigError>([&] { applied(("a: config=" + other).c_str()); }, {"settings: a: ", other, "'rows'"});
}

TEST(SettingList, WhatDoesNotFitIsRefusedWithTheForms) {
  for (const char* wrong : {"", "full,", ",full", "full,,kv8", " "})
    expect_throw<ConfigError>([&] { parse_setting_list(wrong); }, {"is empty", "NAME:KEY=VALUE"});
  expect_throw<ConfigError>([] { parse_setting_list("full,kv9"); },
                            {"'kv9'", "did you mean 'kv4' or 'kv8'", "full, kv8, k8v4"});
  expect_throw<ConfigError>([] { parse_setting_list("nothing like it"); }, {"'nothing like it' is unknown;"});
  expect_throw<ConfigError>([] { parse_setting_list("a:"); }, {"'a:' changes no option"});
  expect_throw<ConfigError>([] { parse_setting_list(":threads=2"); }, {"has no name"});
  expect_throw<ConfigError>([] { parse_setting_list("a: threads"); }, {"'threads' is not KEY=VALUE"});
  expect_throw<ConfigError>([] { parse_setting_list("a: threads="); }, {"'threads=' is not KEY=VALUE"});
  expect_throw<ConfigError>([] { parse_setting_list("a: =2"); }, {"'=2' is not KEY=VALUE"});
  expect_throw<ConfigError>([] { parse_setting_list("a:threads=1,b:threads=2,a:threads=3"); }, {"'a' is given twice"});
}

TEST(SettingList, BadOptionsAreRefusedByNameAndWithTheNearestOnes) {
  expect_throw<ConfigError>([&] { applied("a:cache.page_token=16"); },
                            {"settings: a: option 'cache.page_token' is unknown; did you mean 'cache.page_tokens'"});
  expect_throw<ConfigError>([&] { applied("a:cache.page_tokens=many"); }, {"settings: a: ", "many"});
  expect_throw<ConfigError>([&] { applied("a:cache.page_tokens=4"); }, {"settings: a: cache.page_tokens = 4"});
  expect_throw<ConfigError>([&] { applied("a:threads=1 threads=2"); }, {"settings: a: ", "threads"});
  expect_throw<ConfigError>([&] { applied("a:input=x"); }, {"'input' is unknown"});  // no option of the engine
}

}  // namespace
}  // namespace lockstep
