#include "launcher/batch/logprobs_format.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace lockstep {
namespace {

using Json = nlohmann::ordered_json;

/// Up to `num_top` alternatives: prompt and answer may have been scored with the larger of two wishes.
std::span<const TokenLogprob> top_of(const TokenScore& score, int32_t num_top) {
  return std::span(score.top).first(std::min(score.top.size(), static_cast<size_t>(num_top)));
}

/// The shortest number that is this float; -9999 stands for minus infinity, which JSON cannot say (as vLLM does).
double number_of(float logprob) {
  if (std::isinf(logprob)) return -9999.0;
  return std::stod(fmt::format("{}", logprob));
}

Json bytes_of(const std::string& text) {
  // U+FFFD stands for bytes that are no character alone: they are not known here.
  if (text.find("\xEF\xBF\xBD") != text.npos) return nullptr;
  Json bytes = Json::array();
  for (const char byte : text) bytes.push_back(static_cast<unsigned char>(byte));
  return bytes;
}

}  // namespace

Json completion_logprobs(TokenText& text, std::span<const TokenId> prompt, std::span<const TokenScore> prompt_scores,
                         std::span<const TokenScore> scores, int32_t num_top) {
  Json tokens = Json::array(), logprobs = Json::array(), tops = Json::array(), offsets = Json::array();
  int64_t offset = 0;
  const auto add_token = [&](TokenId token) {
    tokens.push_back(text.of(token));
    offsets.push_back(offset);
    offset += num_code_points(text.of(token));
  };
  const auto add = [&](const TokenScore& score) {
    add_token(score.token);
    logprobs.push_back(number_of(score.logprob));
    Json top = Json::object();
    for (const TokenLogprob& one : top_of(score, num_top)) top.emplace(text.of(one.token), number_of(one.logprob));
    top.emplace(text.of(score.token), number_of(score.logprob));  // the token itself always stands among them
    tops.push_back(std::move(top));
  };
  if (!prompt.empty()) {
    add_token(prompt.front());
    logprobs.push_back(nullptr);
    tops.push_back(nullptr);
  }
  for (const TokenScore& score : prompt_scores) add(score);
  for (const TokenScore& score : scores) add(score);
  return {{"tokens", std::move(tokens)},
          {"token_logprobs", std::move(logprobs)},
          {"top_logprobs", num_top > 0 ? std::move(tops) : Json(nullptr)},
          {"text_offset", std::move(offsets)}};
}

Json chat_logprobs(TokenText& text, std::span<const TokenScore> scores, int32_t num_top) {
  const auto entry = [&](TokenId token, float logprob) {
    return Json{{"token", text.of(token)}, {"logprob", number_of(logprob)}, {"bytes", bytes_of(text.of(token))}};
  };
  Json content = Json::array();
  for (const TokenScore& score : scores) {
    Json item = entry(score.token, score.logprob);
    item["top_logprobs"] = Json::array();
    for (const TokenLogprob& one : top_of(score, num_top))
      item["top_logprobs"].push_back(entry(one.token, one.logprob));
    content.push_back(std::move(item));
  }
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

Json prompt_logprobs(TokenText& text, std::span<const TokenScore> scores, int32_t num_top) {
  Json list = Json::array({nullptr});
  for (const TokenScore& score : scores) {
    Json by_id = Json::object();
    const auto add = [&](TokenId token, float logprob, int32_t rank) {
      by_id[fmt::format("{}", token.value())] = {
          {"logprob", number_of(logprob)}, {"rank", rank}, {"decoded_token", text.of(token)}};
    };
    add(score.token, score.logprob, score.rank);
    int32_t rank = 0;
    for (const TokenLogprob& one : top_of(score, num_top)) {
      ++rank;
      if (one.token != score.token) add(one.token, one.logprob, rank);
    }
    list.push_back(std::move(by_id));
  }
  return list;
}

}  // namespace lockstep
