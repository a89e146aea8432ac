#include "launcher/eval/eval_report.h"

#include <cmath>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace lockstep {
namespace {

// Two settings whose figures are easy to relate: half the bytes, 3 of 4 against 2 of 4, twice the speed.
EvalReport example() {
  SettingFigures full, small;
  full.name = "full";
  full.bytes_per_token = 2048.0;
  full.rows.emplace();
  full.rows->rows = 5;
  for (const bool exact : {true, true, true, false}) full.rows->score.add(exact);
  full.rows->by_bucket[2].add(true);
  full.rows->forced_tokens = 30;
  full.rows->tokens = 1000;
  full.rows->seconds = 2.0;
  full.text.emplace();
  full.text->windows = 2;
  full.text->tokens = 100;
  full.text->nats = 100.0 * std::log(8.0);
  full.text->seconds = 1.0;

  small = full;
  small.name = "small";
  small.options = {{"cache.format", "kv8"}};
  small.bytes_per_token = 1024.0;
  small.rows->score = {2, 4};
  small.rows->by_bucket[2] = {0, 1};
  small.rows->same = {4, 5};
  small.rows->divergence = {.num_tokens = 30, .kl = 0.6, .largest = 0.5, .same_best = 27};
  small.rows->seconds = 1.0;
  small.text->nats = 100.0 * std::log(9.0);
  small.text->divergence = {.num_tokens = 100, .kl = 1.0, .largest = 0.25, .same_best = 75};
  EvalReport report{.version = "1",
                    .model = "m",
                    .device = "cpu",
                    .ranks = 2,
                    .input = "rows",
                    .text = "story",
                    .bucket = 100,
                    .settings = {}};
  report.settings = {full, small};
  return report;
}

std::string line_of(const std::string& text, const std::string& begin) {
  const size_t at = text.find("\n" + begin);
  return at == std::string::npos ? "" : text.substr(at + 1, text.find('\n', at + 1) - at - 1);
}

TEST(EvalReport, PerplexityIsTheExponentialOfMeanNats) {
  EXPECT_NEAR(example().settings[0].text->perplexity(), 8.0, 1e-12);
  EXPECT_EQ(TextFigures().perplexity(), 0.0);
}

TEST(EvalReport, TableRelatesToTheFirstSetting) {
  const std::string table = table_of(example());
  EXPECT_NE(table.find("rows: 5 rows, 4 with an answer; the first setting's answers have 30 tokens\n"),
            std::string::npos);
  EXPECT_EQ(line_of(table, "small"),
            "small         1024.0   50.00 %  2 of 4  50.00 %   66.67 %     4 of 5  2.00e-02      1000  2.00x");
  EXPECT_EQ(line_of(table, "200 to 299"), "200 to 299          1 of 1  0 of 1");
  const std::string text = table.substr(table.find("story: 2 windows, 100 tokens scored"));
  EXPECT_EQ(line_of(text, "small"),
            "small         1024.0   50.00 %      9.0000  +12.500 %  1.00e-02    75.00 %       100  1.00x");
}

TEST(EvalReport, RowsWithoutAnswersHaveNoScore) {
  EvalReport report = example();
  for (SettingFigures& setting : report.settings) setting.rows->score = {}, setting.text.reset();
  EXPECT_EQ(line_of(table_of(report), "small"),
            "small         1024.0   50.00 %  0 of 0      -         -     4 of 5  2.00e-02      1000  2.00x");
}

TEST(EvalReport, SparseSettingsShowWhatTheyRead) {
  EvalReport report = example();
  EXPECT_EQ(table_of(report).find("pages read"), std::string::npos);
  report.settings[1].rows->pages = {10, 80};
  report.settings[1].text->pages = {1, 4};
  const std::string table = table_of(report);
  EXPECT_NE(line_of(table, "setting").find("pages read"), std::string::npos);
  EXPECT_TRUE(line_of(table, "small").ends_with("2.00x     12.50 %")) << table;
  EXPECT_TRUE(line_of(table, "full").ends_with("1.00x           -")) << table;
  EXPECT_TRUE(line_of(table.substr(table.find("story: ")), "small").ends_with("1.00x     25.00 %")) << table;
  const auto json = nlohmann::json::parse(json_of(report));
  EXPECT_EQ(json["settings"][1]["rows"]["pages_read"], 0.125);
  EXPECT_EQ(json["settings"][1]["text"]["pages_read"], 0.25);
  EXPECT_TRUE(json["settings"][0]["rows"]["pages_read"].is_null());
}

TEST(EvalReport, FailuresStandBelow) {
  EvalReport report = example();
  EXPECT_FALSE(report.has_failures());
  report.settings[1].rows->failed = 2;
  report.settings[1].first_failure = "row \"r\": why";
  EXPECT_TRUE(report.has_failures());
  EXPECT_EQ(line_of(table_of(report), "small: 2"), "small: 2 rows and 0 windows failed, first: row \"r\": why");
}

TEST(EvalReport, JsonHasEveryFigure) {
  const auto json = nlohmann::json::parse(json_of(example()));
  EXPECT_EQ(json["ranks"], 2);
  const auto& small = json["settings"][1];
  EXPECT_EQ(small["options"]["cache.format"], "kv8");
  EXPECT_EQ(small["bytes_of_first"], 0.5);
  EXPECT_EQ(small["rows"]["exact_share"], 0.5);
  EXPECT_DOUBLE_EQ(small["rows"]["exact_of_first"].get<double>(), 2.0 / 3.0);
  EXPECT_EQ(small["rows"]["same_text"], 4);
  EXPECT_EQ(small["rows"]["kl"]["mean"], 0.02);
  EXPECT_EQ(small["rows"]["kl"]["max"], 0.5);
  EXPECT_EQ(small["rows"]["kl"]["same_best"], 0.9);
  EXPECT_EQ(small["rows"]["by_distance"][0]["from"], 200);
  EXPECT_EQ(small["rows"]["by_distance"][0]["to"], 299);
  EXPECT_EQ(small["rows"]["speed_of_first"], 2.0);
  EXPECT_TRUE(json["settings"][0]["rows"]["kl"].is_null());
  EXPECT_DOUBLE_EQ(small["text"]["perplexity_of_first"].get<double>(), 9.0 / 8.0);
  EXPECT_FALSE(small.contains("first_failure"));
}

}  // namespace
}  // namespace lockstep
