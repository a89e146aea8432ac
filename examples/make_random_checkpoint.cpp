// Writes a Hugging Face model directory of any size with random weights and a byte-level tokenizer, for benchmarks and
// trials where no trained model is at hand. The same options always give the same bytes.
#include "core/checkpoint/checkpoint.h"
#include "core/error.h"
#include "examples/checkpoint_files.h"
#include "examples/random_model.h"

#include <boost/program_options.hpp>
#include <chrono>
#include <cstdio>
#include <fmt/format.h>
#include <iostream>

namespace po = boost::program_options;
namespace fs = std::filesystem;
using lockstep::examples::RandomModel;

namespace {

struct Options {
  RandomModel model;
  uint64_t seed = 0;
  fs::path output;
};

/// Nothing if help was asked for and printed.
std::optional<Options> read_options(int argc, char** argv) {
  Options out;
  RandomModel& model = out.model;
  std::string dtype;
  std::string output;
  po::options_description options(
      "make_random_checkpoint --output DIR [options]\n"
      "Writes config.json, model.safetensors, tokenizer.json and tokenizer_config.json",
      100);
  auto add = options.add_options();
  add("help,h", "print this text");
  add("output,o", po::value(&output), "directory to write to; made if missing, files of these names are replaced");
  add("architecture", po::value(&model.architecture)->default_value("llama"), "llama, mistral, qwen2 or qwen3");
  add("hidden", po::value(&model.hidden)->default_value(768), "width of the residual stream");
  add("layers", po::value(&model.layers)->default_value(12), "decoder layers");
  add("heads", po::value(&model.heads)->default_value(12), "query heads");
  add("kv-heads", po::value(&model.kv_heads)->default_value(0), "key/value heads, a divisor of heads; 0 = as many");
  add("head-dim", po::value(&model.head_dim)->default_value(0), "size of a head, even; 0 = hidden / heads");
  add("ffn", po::value(&model.ffn)->default_value(2048), "width of the feed-forward layer");
  add("vocab", po::value(&model.vocab)->default_value(32000), "tokens, at least 258");
  add("max-positions", po::value(&model.max_positions)->default_value(4096), "longest sequence in tokens");
  add("tie", po::bool_switch(&model.tie), "use the embedding as the output matrix too");
  add("dtype", po::value(&dtype)->default_value("bf16"), "f32, f16 or bf16");
  add("seed", po::value(&out.seed)->default_value(0), "seed of the random weights");
  po::variables_map values;
  po::store(po::command_line_parser(argc, argv).options(options).run(), values);
  po::notify(values);
  if (values.count("help") != 0) {
    std::cout << options;
    return std::nullopt;
  }
  LS_REQUIRE(lockstep::ConfigError, !output.empty(), "--output is missing: name a directory");
  out.output = output;
  model.dtype = lockstep::examples::torch_dtype(lockstep::parse_dtype(dtype));
  if (model.kv_heads == 0) model.kv_heads = model.heads;
  return out;
}

void make(const Options& options) {
  const auto start = std::chrono::steady_clock::now();
  fs::create_directories(options.output);
  const std::string tokenizer = lockstep::examples::tokenizer_json(options.model.vocab);
  lockstep::examples::write_text(options.output / "config.json", lockstep::examples::config_json(options.model));
  // Read back, so that a shape that the framework refuses is refused here, before gigabytes are written.
  const lockstep::ModelConfig config = lockstep::read_model_config(options.output);
  lockstep::examples::write_text(options.output / "tokenizer.json", tokenizer);
  lockstep::examples::write_text(options.output / "tokenizer_config.json", lockstep::examples::tokenizer_config_json());
  lockstep::examples::write_weights(lockstep::examples::weights_of(config), config.dtype, options.seed,
                                    options.output / "model.safetensors");
  const lockstep::Checkpoint checkpoint = lockstep::Checkpoint::open(options.output);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  fmt::print("{}: {} parameters, {} bytes of weights, {:.1f} s, fingerprint {}\n", options.output.string(),
             config.num_parameters(), checkpoint.weight_bytes(), seconds.count(), checkpoint.fingerprint().to_string());
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (const std::optional<Options> options = read_options(argc, argv)) make(*options);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "make_random_checkpoint: {}\n", error.what());
    return 1;
  }
}
