// Writes a Hugging Face model directory whose built weights follow chains of associations
// (examples/associative_model.h), and requests with known answers over one long context. The same options always give
// the same bytes.
#include "core/checkpoint/checkpoint.h"
#include "core/error.h"
#include "examples/associative_model.h"
#include "examples/checkpoint_files.h"
#include "examples/random_model.h"

#include <algorithm>
#include <boost/program_options.hpp>
#include <cstdio>
#include <fmt/format.h>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

namespace po = boost::program_options;
namespace fs = std::filesystem;
using lockstep::examples::AssociativeContext;
using lockstep::examples::AssociativeModel;

namespace {

struct Options {
  AssociativeModel model;
  uint64_t seed = 0;
  fs::path output, requests;
  int64_t context = 0, questions = 0, hops = 0;
  double decoy_share = 0.0;
};

/// Nothing if help was asked for and printed.
std::optional<Options> read_options(int argc, char** argv) {
  Options out;
  AssociativeModel& model = out.model;
  std::string output, requests, dtype;
  po::options_description options(
      "make_associative_checkpoint --output DIR [--requests FILE.jsonl] [options]\n"
      "Writes config.json, model.safetensors, tokenizer.json and tokenizer_config.json; with --requests also "
      "questions\n"
      "on one context, and beside them FILE_answers.jsonl",
      100);
  auto add = options.add_options();
  add("help,h", "print this text");
  add("output,o", po::value(&output), "directory to write to; made if missing, files of these names are replaced");
  add("head-dim", po::value(&model.head_dim)->default_value(128), "size of a head, a multiple of 8");
  add("kv-heads", po::value(&model.kv_heads)->default_value(2), "key/value heads, each with codes of its own");
  add("group", po::value(&model.group)->default_value(2), "query heads of each; the first one recalls");
  add("layers", po::value(&model.layers)->default_value(1), "decoder layers; the last one recalls");
  add("keys", po::value(&model.keys)->default_value(128), "keys, each with one fact in a context");
  add("sharpness", po::value(&model.sharpness)->default_value(14.0), "attention score of a match, in natural units");
  add("weak-length", po::value(&model.weak_length)->default_value(0.125), "length of weak hay's keys beside a fact's");
  add("dtype", po::value(&dtype)->default_value("bf16"), "f32, f16 or bf16");
  add("seed", po::value(&out.seed)->default_value(0), "seed of codes and contexts");
  add("requests", po::value(&requests), "file of questions to write");
  add("context", po::value(&out.context)->default_value(8192), "tokens before the question");
  add("questions", po::value(&out.questions)->default_value(16), "questions on the context, at most as many as keys");
  add("hops", po::value(&out.hops)->default_value(4), "tokens of an answer; all but the first are decoded");
  add("decoys", po::value(&out.decoy_share)->default_value(1.0 / 32.0, "1/32"),
      "share of the hay whose keys are as long as a fact's");
  po::variables_map values;
  po::store(po::command_line_parser(argc, argv).options(options).run(), values);
  po::notify(values);
  if (values.count("help") != 0) {
    std::cout << options;
    return std::nullopt;
  }
  LS_REQUIRE(lockstep::ConfigError, !output.empty(), "--output is missing: name a directory");
  out.output = output;
  out.requests = requests;
  model.dtype = lockstep::examples::torch_dtype(lockstep::parse_dtype(dtype));
  LS_REQUIRE(lockstep::ConfigError, out.questions > 0 && out.questions <= model.keys,
             "--questions is {}; accepted: 1 to {}, the keys", out.questions, model.keys);
  LS_REQUIRE(lockstep::ConfigError, out.hops > 0, "--hops is {}; accepted: from 1 on", out.hops);
  return out;
}

void write_requests(const Options& options) {
  const AssociativeModel& model = options.model;
  const AssociativeContext context =
      lockstep::examples::make_context(model, options.context, options.decoy_share, options.seed + 1);
  std::string requests, answers;
  // From the farthest fact to the nearest, at even steps.
  std::vector<int64_t> keys(static_cast<size_t>(model.keys));
  for (size_t i = 0; i < keys.size(); ++i) keys[i] = static_cast<int64_t>(i);
  std::sort(keys.begin(), keys.end(), [&](int64_t a, int64_t b) {
    return context.place_of[static_cast<size_t>(a)] < context.place_of[static_cast<size_t>(b)];
  });
  for (int64_t i = 0; i < options.questions; ++i) {
    const int64_t key = keys[static_cast<size_t>(i * model.keys / options.questions)];
    const std::string id = fmt::format("association-{:04}", i + 1);
    std::vector<int64_t> prompt = context.tokens;
    prompt.push_back(model.ask(key));
    requests +=
        nlohmann::ordered_json{{"custom_id", id}, {"prompt", prompt}, {"max_tokens", options.hops}}.dump() + "\n";
    const std::vector<int64_t> tokens = lockstep::examples::answer_of(model, context, key, options.hops);
    std::string text;  // as the tokenizer names its fillers
    for (const int64_t token : tokens) text += fmt::format("<t{}>", token);
    answers += nlohmann::ordered_json{{"custom_id", id},
                                      {"answer", text},
                                      {"tokens", tokens},
                                      {"distance", options.context - context.place_of[static_cast<size_t>(key)]}}
                   .dump() +
               "\n";
  }
  lockstep::examples::write_text(options.requests, requests);
  lockstep::examples::write_text(options.requests.parent_path() / (options.requests.stem().string() + "_answers.jsonl"),
                                 answers);
}

void make(const Options& options) {
  fs::create_directories(options.output);
  lockstep::examples::write_text(options.output / "config.json", lockstep::examples::config_json(options.model));
  lockstep::examples::write_text(options.output / "tokenizer.json",
                                 lockstep::examples::tokenizer_json(options.model.vocab()));
  lockstep::examples::write_text(options.output / "tokenizer_config.json", lockstep::examples::tokenizer_config_json());
  lockstep::examples::write_weights(options.model, options.seed, options.output / "model.safetensors");
  const lockstep::Checkpoint checkpoint = lockstep::Checkpoint::open(options.output);
  fmt::print("{}: {} bytes of weights, fingerprint {}\n", options.output.string(), checkpoint.weight_bytes(),
             checkpoint.fingerprint().to_string());
  if (!options.requests.empty()) write_requests(options);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (const std::optional<Options> options = read_options(argc, argv)) make(*options);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "make_associative_checkpoint: {}\n", error.what());
    return 1;
  }
}
