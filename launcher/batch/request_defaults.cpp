#include "launcher/batch/request_defaults.h"

#include "core/checkpoint/json_reader.h"

#include <fmt/format.h>
#include <limits>
#include <nlohmann/json.hpp>

namespace lockstep {

RequestDefaults read_request_defaults(const std::filesystem::path& model_directory) {
  RequestDefaults defaults;
  const std::filesystem::path path = model_directory / "generation_config.json";
  if (!is_present(path)) return defaults;
  const nlohmann::json text = read_json_file(path);
  const JsonObject json(text, path.string());
  constexpr int64_t kMaxInt32 = std::numeric_limits<int32_t>::max();
  SamplingParams& sampling = defaults.sampling;
  if (json.boolean("do_sample", false)) sampling.temperature = json.number("temperature", 0.0, 100.0, 1.0);
  sampling.top_k = static_cast<int32_t>(json.integer("top_k", 0, kMaxInt32, 0));
  sampling.top_p = json.number("top_p", 1e-6, 1.0, 1.0);
  sampling.min_p = json.number("min_p", 0.0, 1.0, 0.0);
  sampling.repetition_penalty = json.number("repetition_penalty", 0.01, 100.0, 1.0);
  if (json.has("max_new_tokens")) defaults.max_tokens = json.integer("max_new_tokens", 1, kMaxInt32);
  return defaults;
}

std::string RequestDefaults::to_string() const {
  return fmt::format("temperature {}, top_k {}, top_p {}, min_p {}, repetition_penalty {}, max_tokens {}",
                     sampling.temperature, sampling.top_k, sampling.top_p, sampling.min_p, sampling.repetition_penalty,
                     max_tokens ? fmt::format("{}", *max_tokens) : "unset");
}

}  // namespace lockstep
