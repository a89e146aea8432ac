#include "core/settings/option_set.h"

#include "core/error.h"
#include "core/settings/edit_distance.h"
#include "core/settings/engine_settings.h"

#include <cstdio>
#include <fstream>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace lockstep {
namespace {

class OptionSetTest : public testing::Test {
 protected:
  OptionSetTest() {
    options_.group("All");
    options_.add("model", &model_, "a directory");
    options_.add("cache.page_tokens", &page_tokens_, "tokens of a page");
    options_.add("restart", &restart_, "start over");
    options_.add("share", &share_, "a number between 0 and 1");
  }
  ~OptionSetTest() override { std::remove(path_.c_str()); }

  void write_config(const std::string& text) { std::ofstream(path_) << text; }
  void parse(const std::vector<std::string>& arguments) { options_.parse(arguments); }
  std::string message_of(const std::vector<std::string>& arguments) {
    try {
      parse(arguments);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  std::string path_ = testing::TempDir() + "option_set_test.ini";
  std::string model_ = "here";
  int64_t page_tokens_ = 64;
  bool restart_ = false;
  double share_ = 0.5;
  OptionSet options_{"program", "what it does"};
};

TEST_F(OptionSetTest, CommandLineOverFileOverDefault) {
  write_config("model = there\nshare = 0.25\n[cache]\npage_tokens = 32\n");
  parse({"--config", path_, "--cache.page_tokens=16", "--restart"});
  EXPECT_EQ(model_, "there");
  EXPECT_EQ(page_tokens_, 16);
  EXPECT_EQ(share_, 0.25);
  EXPECT_TRUE(restart_);
}

TEST_F(OptionSetTest, APresetStandsBetweenWhatIsGivenAndTheDefault) {
  options_.add_preset("model", "small", {{"cache.page_tokens", "16"}, {"share", "0.75"}});
  options_.add_preset("model", "large", {{"cache.page_tokens", "128"}});
  write_config("model = small\n[cache]\npage_tokens = 32\n");
  parse({"--config", path_});
  EXPECT_EQ(page_tokens_, 32);
  EXPECT_EQ(share_, 0.75);
  EXPECT_NE(options_.config_text().find("(model = small)\nshare = 0.75"), std::string::npos) << options_.config_text();
}

TEST_F(OptionSetTest, WhatIsGivenMayImplyOtherValues) {
  options_.add_implied("cache.page_tokens", {{"share", "0.75"}});
  parse({});
  EXPECT_EQ(share_, 0.5);
  parse({"--cache.page_tokens=0"});
  EXPECT_EQ(share_, 0.5);
  parse({"--cache.page_tokens=16", "--share=0.25"});
  EXPECT_EQ(share_, 0.25);
  parse({"--cache.page_tokens=16"});
  EXPECT_EQ(share_, 0.75);
  EXPECT_NE(options_.config_text().find("share = 0.75"), std::string::npos) << options_.config_text();
}

TEST_F(OptionSetTest, AnEarlierPlaceGoesOverALaterOneWithItsFile) {
  options_.add_preset("model", "small", {{"share", "0.75"}, {"restart", "true"}});
  write_config("share = 0.25\n[cache]\npage_tokens = 32\n");
  const std::vector<OptionSet::Arguments> places{{"first", {"--model=small", "--cache.page_tokens=16"}},
                                                 {"second", {"--model=large", "--config", path_}}};
  options_.parse(places);
  EXPECT_EQ(model_, "small");
  EXPECT_EQ(page_tokens_, 16);
  EXPECT_EQ(share_, 0.25);
  EXPECT_TRUE(restart_);
  EXPECT_NE(options_.config_text().find("(first)\npage_tokens = 16"), std::string::npos) << options_.config_text();
}

TEST_F(OptionSetTest, EachPlaceMayNameAFile) {
  write_config("share = 0.25\n[cache]\npage_tokens = 32\n");
  const std::string other = testing::TempDir() + "option_set_test_other.ini";
  std::ofstream(other) << "model = there\nshare = 0.125\n";
  const std::vector<OptionSet::Arguments> places{{"first", {"--config", path_}},
                                                 {"second", {"--config=" + other, "--cache.page_tokens=16"}}};
  options_.parse(places);
  std::remove(other.c_str());
  EXPECT_EQ(page_tokens_, 32);
  EXPECT_EQ(share_, 0.25);
  EXPECT_EQ(model_, "there");
}

TEST_F(OptionSetTest, MessagesNameThePlace) {
  const std::vector<OptionSet::Arguments> places{{"first", {}}, {"second", {"--modle=x"}}};
  try {
    options_.parse(places);
    ADD_FAILURE() << "accepted";
  } catch (const ConfigError& error) {
    EXPECT_TRUE(std::string(error.what()).starts_with("second: ")) << error.what();
  }
}

TEST(MemoryStrategy, SetsWhatIsNotGiven) {
  EngineSettings settings;
  OptionSet options("program", "what it does");
  settings.add_to(options);
  options.parse(std::vector<std::string>{"--model=m", "--schedule.memory_strategy=aggressive", "--cache.format=kv8"});
  settings.validate();
  EXPECT_EQ(settings.cache.format, "kv8");
  EXPECT_EQ(settings.cache.host_tokens, -1);
  EXPECT_EQ(settings.schedule.max_step_tokens, 256);
  EXPECT_EQ(settings.attention.sparse_ratio, 0.25);
  EXPECT_EQ(settings.attention.sparse_offload, "auto");
}

TEST(MemoryStrategy, GivesWayToTheSameInOtherWords) {
  const auto settings_of = [](std::vector<std::string> arguments) {
    EngineSettings settings;
    OptionSet options("program", "what it does");
    settings.add_to(options);
    arguments.push_back("--model=m");
    options.parse(arguments);
    settings.validate();
    return settings;
  };
  for (const std::string strategy : {"speed", "balanced", "aggressive"}) {
    const std::string preset = "--schedule.memory_strategy=" + strategy;
    for (const auto& [bits, format] : std::vector<std::pair<std::string, std::string>>{{"16", "full"}, {"4", "kv4"}})
      EXPECT_EQ(settings_of({preset, "--cache.quantization_bits=" + bits}).cache.format_of_bits(), format) << strategy;
    EXPECT_EQ(settings_of({preset, "--cache.host_bytes=1000000"}).cache.host_tokens, -1) << strategy;
  }
  EXPECT_EQ(settings_of({"--schedule.memory_strategy=balanced", "--cache.quantization_bits=0"}).cache.format, "kv8");
  EXPECT_EQ(settings_of({"--schedule.memory_strategy=speed", "--cache.host_bytes=0"}).cache.host_tokens, 0);
}

TEST(EngineSettings, ContradictionsNameBothKeysAndWhatWouldDo) {
  const auto expect_refused = [](auto&& change, const std::vector<std::string>& parts) {
    EngineSettings settings;
    settings.model.path = "model";
    change(settings);
    try {
      settings.validate();
      ADD_FAILURE() << parts[0] << " was accepted";
    } catch (const ConfigError& error) {
      for (const std::string& part : parts)
        EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << part << " in " << error.what();
    }
  };
  using S = EngineSettings;
  expect_refused([](S& s) { s.cache.quantization_bits = 16, s.cache.format = "kv8"; },
                 {"cache.quantization_bits = 16", "cache.format = kv8", "one of them"});
  expect_refused([](S& s) { s.cache.device_tokens = 1, s.cache.device_bytes = 2; },
                 {"cache.device_tokens = 1", "cache.device_bytes = 2", "one of them"});
  expect_refused([](S& s) { s.cache.host_tokens = 0, s.cache.host_bytes = 2; },
                 {"cache.host_tokens = 0", "cache.host_bytes = 2", "one of them"});
  expect_refused([](S& s) { s.cache.disk_bytes = 5; }, {"cache.disk_bytes = 5", "cache.disk_dir"});
  expect_refused([](S& s) { s.cache.disk_packing = "zstd"; }, {"cache.disk_packing = zstd", "cache.disk_dir"});
  expect_refused([](S& s) { s.cache.disk_packing = "lz4"; }, {"cache.disk_packing", "lz4", "none, zstd"});
  expect_refused([](S& s) { s.cache.disk_packing_level = 3; },
                 {"cache.disk_packing_level = 3", "cache.disk_packing = none", "zstd"});
  expect_refused([](S& s) { s.cache.disk_packing_level = 20; }, {"cache.disk_packing_level", "20", "1 to 9"});
  expect_refused([](S& s) { s.cache.page_tokens = 24, s.cache.quantization_bits = 8; },
                 {"cache.page_tokens = 24", "cache.format = kv8", "multiples of 16"});
  expect_refused([](S& s) { s.cache.page_tokens = 1024; }, {"schedule.max_step_tokens"});
}

TEST(MemoryStrategy, QuantizationBitsChooseTheFormat) {
  CacheSettings cache;
  for (const auto& [bits, format] :
       std::vector<std::pair<int64_t, std::string>>{{16, "full"}, {8, "kv8"}, {4, "kv4"}}) {
    cache.quantization_bits = bits;
    EXPECT_NO_THROW(cache.validate());
    EXPECT_EQ(cache.format_of_bits(), format);
  }
  cache.quantization_bits = 5;
  EXPECT_THROW(cache.validate(), ConfigError);
  cache.quantization_bits = 8;
  cache.format = "kv4";
  EXPECT_THROW(cache.validate(), ConfigError);
  cache.quantization_bits = 0;
  cache.page_tokens = 24;
  EXPECT_THROW(cache.validate(), ConfigError);
}

TEST_F(OptionSetTest, UnknownNamesAreErrorsThatNameSourceAndNearNames) {
  EXPECT_NE(message_of({"--modle", "x"}).find("'model'"), std::string::npos) << message_of({"--modle", "x"});
  EXPECT_NE(message_of({"--page_tokens", "8"}).find("'cache.page_tokens'"), std::string::npos);
  write_config("[cache]\npages = 3\n");
  const std::string message = message_of({"--config", path_});
  EXPECT_NE(message.find(path_), std::string::npos) << message;
  EXPECT_NE(message.find("cache.pages"), std::string::npos) << message;
}

TEST_F(OptionSetTest, BadValuesNameTheOption) {
  EXPECT_NE(message_of({"--cache.page_tokens", "many"}).find("cache.page_tokens"), std::string::npos);
  EXPECT_NE(message_of({"--cache.page_tokens", "9999999999999999999999"}), "");
  EXPECT_NE(message_of({"--model"}), "");
  EXPECT_NE(message_of({"stray"}), "");
  EXPECT_NE(message_of({"--model", "a", "--model", "b"}), "");
  EXPECT_NE(message_of({"--config", "/nonexistent.ini"}).find("/nonexistent.ini"), std::string::npos);
}

TEST_F(OptionSetTest, AbbreviationsAreNotGuessed) { EXPECT_NE(message_of({"--mod", "x"}), ""); }

TEST_F(OptionSetTest, PrintedConfigurationReadsBackTheSame) {
  parse({"--model", "elsewhere", "--share", "0.125", "--print-config"});
  ASSERT_TRUE(options_.wants_config());
  const std::string text = options_.config_text();
  EXPECT_NE(text.find("(command line)"), std::string::npos);
  write_config(text);

  OptionSet again("program", "what it does");
  std::string model;
  int64_t page_tokens = 0;
  bool restart = true;
  double share = 0.0;
  again.group("All");
  again.add("model", &model, "a directory");
  again.add("cache.page_tokens", &page_tokens, "tokens of a page");
  again.add("restart", &restart, "start over");
  again.add("share", &share, "a number");
  again.parse(std::vector<std::string>{"--config", path_});
  EXPECT_EQ(model, "elsewhere");
  EXPECT_EQ(page_tokens, 64);
  EXPECT_FALSE(restart);
  EXPECT_EQ(share, 0.125);
}

TEST_F(OptionSetTest, HelpNamesEveryOptionAndDefault) {
  const std::string help = options_.help();
  for (const char* part :
       {"--model", "--cache.page_tokens", "--restart", "[default: 64]", "--config", "--print-config"}) {
    EXPECT_NE(help.find(part), std::string::npos) << part;
  }
}

TEST(EngineSettings, EveryRangeIsChecked) {
  EngineSettings good;
  good.model.path = "model";
  good.validate();
  const auto expect_refused = [&](auto&& change, const char* key) {
    EngineSettings bad = good;
    change(bad);
    try {
      bad.validate();
      ADD_FAILURE() << key << " was accepted";
    } catch (const ConfigError& error) {
      EXPECT_NE(std::string(error.what()).find(key), std::string::npos) << error.what();
    }
  };
  expect_refused([](EngineSettings& s) { s.model.path = ""; }, "--model");
  expect_refused([](EngineSettings& s) { s.model.dtype = "int8"; }, "model.dtype");
  expect_refused([](EngineSettings& s) { s.cache.page_tokens = 4; }, "cache.page_tokens");
  expect_refused([](EngineSettings& s) { s.cache.policy = "random"; }, "cache.policy");
  expect_refused([](EngineSettings& s) { s.schedule.max_step_tokens = 32; }, "schedule.max_step_tokens");
  expect_refused([](EngineSettings& s) { s.schedule.prefill_chunk = 100; }, "schedule.prefill_chunk");
  expect_refused([](EngineSettings& s) { s.runtime.threads = -1; }, "threads");
  expect_refused([](EngineSettings& s) { s.runtime.isa = "mmx"; }, "mmx");
  expect_refused([](EngineSettings& s) { s.runtime.device = "tpu"; }, "device");
}

TEST(EditDistance, CountsEdits) {
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3);
  EXPECT_EQ(edit_distance("", "abc"), 3);
  EXPECT_EQ(edit_distance("same", "same"), 0);
}

}  // namespace
}  // namespace lockstep
