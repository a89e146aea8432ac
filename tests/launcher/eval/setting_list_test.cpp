#include "launcher/eval/setting_list.h"

#include "tests/support/expect_throw.h"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

using testing_support::expect_throw;
using Options = std::vector<std::pair<std::string, std::string>>;

EngineSettings base() {
  EngineSettings settings;
  settings.model.path = "somewhere";
  settings.cache.page_tokens = 32;
  return settings;
}

TEST(SettingList, NamesStandForFormats) {
  const std::vector<EvalSetting> settings = parse_setting_list(" full,kv8 , k8v4,kv4");
  ASSERT_EQ(settings.size(), 4U);
  EXPECT_EQ(settings[1].name, "kv8");
  EXPECT_EQ(settings[1].to_string(), "cache.format=kv8 cache.quantization_bits=0");
  EXPECT_EQ(apply(settings[3], base()).cache.format, "kv4");
}

// What the command line says of the format must not reach the setting that is called full.
TEST(SettingList, FullIsFullWhateverIsGivenBesideIt) {
  EngineSettings settings = base();
  settings.cache.quantization_bits = 8;
  EXPECT_EQ(apply(parse_setting_list("full")[0], settings).cache.format_of_bits(), "full");
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
  const EngineSettings settings = apply(parse_setting_list("a: model.dtype=f32 cache.share_prefixes=false")[0], base());
  EXPECT_EQ(settings.model.dtype, "f32");
  EXPECT_FALSE(settings.cache.share_prefixes);
  EXPECT_EQ(settings.cache.page_tokens, 32);
  EXPECT_EQ(settings.model.path, "somewhere");
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
  const auto apply_one = [](const char* text) { apply(parse_setting_list(text)[0], base()); };
  expect_throw<ConfigError>([&] { apply_one("a:cache.page_token=16"); },
                            {"settings: a: option 'cache.page_token' is unknown; did you mean 'cache.page_tokens'"});
  expect_throw<ConfigError>([&] { apply_one("a:cache.page_tokens=many"); }, {"settings: a: ", "many"});
  expect_throw<ConfigError>([&] { apply_one("a:cache.page_tokens=4"); }, {"settings: a: cache.page_tokens = 4"});
  expect_throw<ConfigError>([&] { apply_one("a:threads=1 threads=2"); }, {"settings: a: ", "threads"});
  expect_throw<ConfigError>([&] { apply_one("a:input=x"); }, {"'input' is unknown"});  // no option of the engine
}

}  // namespace
}  // namespace lockstep
