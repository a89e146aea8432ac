#include "launcher/eval/eval_report.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace lockstep {
namespace {

using Json = nlohmann::ordered_json;

double rate(int64_t tokens, double seconds) { return seconds > 0.0 ? static_cast<double>(tokens) / seconds : 0.0; }

// Null where there is nothing to divide by.
Json ratio(double value, double base) { return base == 0.0 ? Json() : Json(value / base); }

Json json_of(const DivergenceSum& sum) {
  if (sum.num_tokens == 0) return Json();
  return {{"tokens", sum.num_tokens},
          {"mean", sum.mean()},
          {"max", sum.largest},
          {"same_best", ratio(static_cast<double>(sum.same_best), static_cast<double>(sum.num_tokens))}};
}

Json json_of(const RowFigures& rows, const RowFigures& first, int64_t bucket) {
  Json buckets = Json::array();
  for (const auto& [index, score] : rows.by_bucket) {
    buckets.push_back(
        {{"from", index * bucket}, {"to", (index + 1) * bucket - 1}, {"exact", score.exact}, {"rows", score.rows}});
  }
  const double speed = rate(rows.tokens, rows.seconds);
  return {{"rows", rows.rows},
          {"failed", rows.failed},
          {"with_answer", rows.score.rows},
          {"exact", rows.score.exact},
          {"exact_share", ratio(static_cast<double>(rows.score.exact), static_cast<double>(rows.score.rows))},
          {"exact_of_first", ratio(rows.score.share(), first.score.share())},
          {"same_text", rows.same.exact},
          {"by_distance", std::move(buckets)},
          {"forced_tokens", rows.forced_tokens},
          {"kl", json_of(rows.divergence)},
          {"pages_read", ratio(static_cast<double>(rows.pages.read), static_cast<double>(rows.pages.there))},
          {"tokens", rows.tokens},
          {"seconds", rows.seconds},
          {"tokens_per_second", speed},
          {"speed_of_first", ratio(speed, rate(first.tokens, first.seconds))}};
}

Json json_of(const TextFigures& text, const TextFigures& first) {
  const double speed = rate(text.tokens, text.seconds);
  return {{"windows", text.windows},
          {"failed", text.failed},
          {"tokens", text.tokens},
          {"perplexity", text.perplexity()},
          {"perplexity_of_first", ratio(text.perplexity(), first.perplexity())},
          {"kl", json_of(text.divergence)},
          {"pages_read", ratio(static_cast<double>(text.pages.read), static_cast<double>(text.pages.there))},
          {"seconds", text.seconds},
          {"tokens_per_second", speed},
          {"speed_of_first", ratio(speed, rate(first.tokens, first.seconds))}};
}

}  // namespace

double TextFigures::perplexity() const { return tokens == 0 ? 0.0 : std::exp(nats / static_cast<double>(tokens)); }

bool EvalReport::has_failures() const {
  return std::any_of(settings.begin(), settings.end(),
                     [](const SettingFigures& setting) { return !setting.first_failure.empty(); });
}

std::string json_of(const EvalReport& report) {
  Json settings = Json::array();
  const SettingFigures& first = report.settings.front();
  for (const SettingFigures& setting : report.settings) {
    Json options = Json::object();
    for (const auto& [key, value] : setting.options) options[key] = value;
    Json one = {{"name", setting.name},
                {"options", std::move(options)},
                {"bytes_per_token", setting.bytes_per_token},
                {"bytes_of_first", ratio(setting.bytes_per_token, first.bytes_per_token)}};
    if (setting.rows) one["rows"] = json_of(*setting.rows, *first.rows, report.bucket);
    if (setting.text) one["text"] = json_of(*setting.text, *first.text);
    if (!setting.first_failure.empty()) one["first_failure"] = setting.first_failure;
    settings.push_back(std::move(one));
  }
  Json all = {{"version", report.version}, {"model", report.model}, {"device", report.device}, {"ranks", report.ranks}};
  if (!report.input.empty()) all["input"] = report.input;
  if (!report.text.empty()) all["text"] = report.text;
  all["settings"] = std::move(settings);
  return all.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace lockstep
