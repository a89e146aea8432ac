#include "launcher/eval/eval_report.h"

#include <algorithm>
#include <fmt/format.h>

namespace lockstep {
namespace {

using Cells = std::vector<std::string>;

// Columns as wide as their widest cell, the first to the left, the others to the right.
std::string aligned(const std::vector<Cells>& lines) {
  std::vector<size_t> widths;
  for (const Cells& line : lines) {
    widths.resize(std::max(widths.size(), line.size()));
    for (size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  std::string text;
  for (const Cells& line : lines) {
    std::string shown;
    for (size_t i = 0; i < line.size(); ++i)
      shown += i == 0 ? fmt::format("{:<{}}", line[i], widths[i]) : fmt::format("  {:>{}}", line[i], widths[i]);
    shown.erase(shown.find_last_not_of(' ') + 1);
    text += shown + "\n";
  }
  return text;
}

std::string percent(double part, double whole) {
  return whole == 0.0 ? "-" : fmt::format("{:.2f} %", 100.0 * part / whole);
}

double rate(int64_t tokens, double seconds) { return seconds > 0.0 ? static_cast<double>(tokens) / seconds : 0.0; }

std::string factor(double rate, double first) { return first > 0.0 ? fmt::format("{:.2f}x", rate / first) : "-"; }

std::string kl_of(const DivergenceSum& sum) { return sum.num_tokens == 0 ? "-" : fmt::format("{:.2e}", sum.mean()); }

std::string score_of(const Score& score) { return fmt::format("{} of {}", score.exact, score.rows); }

// Figures of one setting that stand in every table: name and bytes.
Cells opening(const SettingFigures& setting, const SettingFigures& first) {
  return {setting.name, fmt::format("{:.1f}", setting.bytes_per_token),
          percent(setting.bytes_per_token, first.bytes_per_token)};
}

// Of sparse attention; "-" where it is dense.
std::string read_of(const PagesRead& pages) {
  return percent(static_cast<double>(pages.read), static_cast<double>(pages.there));
}

// A column for the few who look for it.
bool has_sparse(const EvalReport& report) {
  return std::any_of(report.settings.begin(), report.settings.end(), [](const SettingFigures& setting) {
    return (setting.rows && setting.rows->pages.there > 0) || (setting.text && setting.text->pages.there > 0);
  });
}

std::string rows_table(const EvalReport& report) {
  const SettingFigures& first = report.settings.front();
  std::vector<Cells> lines{
      {"setting", "bytes/token", "of first", "exact", "share", "of first", "same text", "KL/token", "tokens/s", ""}};
  if (has_sparse(report)) lines.front().push_back("pages read");
  for (const SettingFigures& setting : report.settings) {
    const RowFigures &rows = *setting.rows, &base = *first.rows;
    Cells line = opening(setting, first);
    const double speed = rate(rows.tokens, rows.seconds);
    for (std::string cell :
         {score_of(rows.score), percent(rows.score.share(), 1.0), percent(rows.score.share(), base.score.share()),
          score_of(rows.same), kl_of(rows.divergence), fmt::format("{:.0f}", speed),
          factor(speed, rate(base.tokens, base.seconds))})
      line.push_back(std::move(cell));
    if (has_sparse(report)) line.push_back(read_of(rows.pages));
    if (rows.score.rows == 0) line[4] = line[5] = "-";
    lines.push_back(std::move(line));
  }
  return fmt::format("{}: {} rows, {} with an answer; the first setting's answers have {} tokens\n", report.input,
                     first.rows->rows, first.rows->score.rows, first.rows->forced_tokens) +
         aligned(lines);
}

std::string distance_table(const EvalReport& report) {
  std::vector<Cells> lines{{"distance in tokens"}};
  for (const SettingFigures& setting : report.settings) lines.front().push_back(setting.name);
  for (const auto& [bucket, unused] : report.settings.front().rows->by_bucket) {
    Cells line{fmt::format("{} to {}", bucket * report.bucket, (bucket + 1) * report.bucket - 1)};
    for (const SettingFigures& setting : report.settings) line.push_back(score_of(setting.rows->by_bucket.at(bucket)));
    lines.push_back(std::move(line));
  }
  return aligned(lines);
}

std::string text_table(const EvalReport& report) {
  const SettingFigures& first = report.settings.front();
  std::vector<Cells> lines{
      {"setting", "bytes/token", "of first", "perplexity", "change", "KL/token", "same best", "tokens/s", ""}};
  if (has_sparse(report)) lines.front().push_back("pages read");
  for (const SettingFigures& setting : report.settings) {
    const TextFigures &text = *setting.text, &base = *first.text;
    Cells line = opening(setting, first);
    const double speed = rate(text.tokens, text.seconds);
    const double change = 100.0 * (text.perplexity() / base.perplexity() - 1.0);
    for (std::string cell :
         {fmt::format("{:.4f}", text.perplexity()), fmt::format("{:+.3f} %", change), kl_of(text.divergence),
          percent(static_cast<double>(text.divergence.same_best), static_cast<double>(text.divergence.num_tokens)),
          fmt::format("{:.0f}", speed), factor(speed, rate(base.tokens, base.seconds))})
      line.push_back(std::move(cell));
    if (has_sparse(report)) line.push_back(read_of(text.pages));
    lines.push_back(std::move(line));
  }
  return fmt::format("{}: {} windows, {} tokens scored\n", report.text, first.text->windows, first.text->tokens) +
         aligned(lines);
}

std::string failures(const EvalReport& report) {
  std::string text;
  for (const SettingFigures& setting : report.settings) {
    const int64_t rows = setting.rows ? setting.rows->failed : 0, windows = setting.text ? setting.text->failed : 0;
    if (rows + windows > 0)
      text += fmt::format("{}: {} rows and {} windows failed, first: {}\n", setting.name, rows, windows,
                          setting.first_failure);
  }
  return text;
}

}  // namespace

std::string table_of(const EvalReport& report) {
  const SettingFigures& first = report.settings.front();
  std::vector<std::string> parts;
  if (first.rows) parts.push_back(rows_table(report));
  if (first.rows && !first.rows->by_bucket.empty()) parts.push_back(distance_table(report));
  if (first.text) parts.push_back(text_table(report));
  if (report.has_failures()) parts.push_back(failures(report));
  return fmt::format("{}", fmt::join(parts, "\n"));
}

}  // namespace lockstep
