// What `lockstep eval` found: figures by setting, for people and for programs. Plain data.
#pragma once

#include "launcher/eval/divergence.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace lockstep {

struct Score {
  int64_t exact = 0, rows = 0;

  void add(bool is_exact) { exact += is_exact ? 1 : 0, ++rows; }
  /// 0 to 1; 0 without rows.
  double share() const { return rows == 0 ? 0.0 : static_cast<double>(exact) / static_cast<double>(rows); }
};

/// What sparse attention read of what there was, over generated tokens, layers and KV heads of rank 0.
struct PagesRead {
  int64_t read = 0, there = 0;  // 0: attention was dense
};

/// Of answers to rows.
struct RowFigures {
  int64_t rows = 0, failed = 0;
  Score score;                         // rows with a right answer
  std::map<int64_t, Score> by_bucket;  // of those, the ones with a distance, by distance / bucket
  Score same;                          // rows that the first setting answers: the same text
  int64_t forced_tokens = 0;           // of the first setting's answers: what divergence is over
  DivergenceSum divergence;            // of others than the first setting
  int64_t tokens = 0;                  // computed or found: prompts and answers
  double seconds = 0.0;
  PagesRead pages;  // by answers and forced tokens
};

/// Of a text.
struct TextFigures {
  int64_t windows = 0, failed = 0;
  int64_t tokens = 0;    // scored
  double nats = 0.0;     // − Σ ln p(token)
  double seconds = 0.0;  // one token at a time
  DivergenceSum divergence;
  PagesRead pages;

  double perplexity() const;
};

struct SettingFigures {
  std::string name;
  std::vector<std::pair<std::string, std::string>> options;
  double bytes_per_token = 0.0;
  std::optional<RowFigures> rows;
  std::optional<TextFigures> text;
  std::string first_failure;  // "" = none
};

struct EvalReport {
  std::string version, model, device;
  int32_t ranks = 1;
  std::string input, text;               // names; "" = none
  int64_t bucket = 256;                  // tokens
  std::vector<SettingFigures> settings;  // the first is what the others are compared with

  bool has_failures() const;
};

/// Lines for people. Shares of the first setting stand beside the figures of the others.
std::string table_of(const EvalReport& report);
/// One object, indented; docs/evaluation.md lists its keys.
std::string json_of(const EvalReport& report);

}  // namespace lockstep
