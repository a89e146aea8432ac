#include "examples/random_model.h"

#include "core/checkpoint/checkpoint.h"
#include "core/error.h"
#include "tests/support/temporary_directory.h"

#include <cmath>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <set>

namespace lockstep::examples {
namespace {

namespace fs = std::filesystem;
using testing_support::TemporaryDirectory;
using testing_support::write_file;

RandomModel small_model(const std::string& architecture) {
  RandomModel model;
  model.architecture = architecture;
  model.hidden = 32;
  model.layers = 2;
  model.heads = 4;
  model.kv_heads = 2;
  model.head_dim = 10;
  model.ffn = 48;
  model.vocab = 300;
  model.max_positions = 128;
  return model;
}

Checkpoint write_and_open(const RandomModel& model, uint64_t seed, const fs::path& directory) {
  write_file(directory / "config.json", config_json(model));
  const ModelConfig config = read_model_config(directory);
  write_weights(weights_of(config), config.dtype, seed, directory / "model.safetensors");
  return Checkpoint::open(directory);
}

ConstTensorView tensor_of(const Checkpoint& checkpoint, const WeightSpec& weight) {
  const Shape shape = weight.shape.size() == 1 ? Shape{weight.shape[0]} : Shape{weight.shape[0], weight.shape[1]};
  return checkpoint.tensor(weight.name, shape);
}

TEST(RandomModel, HasTheWeightsThatRealModelsHave) {
  const fs::path goldens = fs::path(LOCKSTEP_SOURCE_DIR) / "tests/goldens/models";
  int seen = 0;
  for (const auto& entry : fs::directory_iterator(goldens)) {
    SCOPED_TRACE(entry.path());
    const Checkpoint golden = Checkpoint::open(entry.path());
    const std::vector<WeightSpec> weights = weights_of(golden.config());
    EXPECT_EQ(weights.size(), golden.names().size());
    for (const WeightSpec& weight : weights) EXPECT_NO_THROW(tensor_of(golden, weight));
    ++seen;
  }
  EXPECT_GE(seen, 8);
}

TEST(RandomModel, EveryArchitectureAndDtypeOpens) {
  for (const char* architecture : {"llama", "mistral", "qwen2", "qwen3"})
    for (const char* dtype : {"float32", "float16", "bfloat16"})
      for (const bool tie : {false, true}) {
        RandomModel model = small_model(architecture);
        model.dtype = dtype;
        model.tie = tie;
        const TemporaryDirectory directory;
        const Checkpoint checkpoint = write_and_open(model, 1, directory.path());
        EXPECT_EQ(name_of(checkpoint.config().architecture), architecture);
        EXPECT_EQ(checkpoint.config().dtype, parse_dtype(dtype));
        EXPECT_EQ(checkpoint.config().eos_tokens, std::vector<TokenId>{TokenId(kEosToken)});
        EXPECT_EQ(checkpoint.weight_bytes(), checkpoint.config().num_parameters() * size_of(checkpoint.config().dtype));
      }
}

TEST(RandomModel, WeightsHaveTheirMeanAndDeviation) {
  const TemporaryDirectory directory;
  RandomModel model = small_model("qwen2");
  model.dtype = "float32";
  const Checkpoint checkpoint = write_and_open(model, 3, directory.path());
  std::set<float> first_values;
  const std::vector<WeightSpec> weights = weights_of(checkpoint.config());
  for (const WeightSpec& weight : weights) {
    const float* data = tensor_of(checkpoint, weight).as<float>();
    const double count = static_cast<double>(weight.num_elements());
    double mean = 0.0;
    double square = 0.0;
    for (int64_t i = 0; i < weight.num_elements(); ++i) {
      mean += data[i] / count;
      square += (data[i] - weight.mean) * (data[i] - weight.mean) / count;
    }
    // Five standard errors; the square of a uniform number varies by less than its own mean.
    EXPECT_NEAR(mean, weight.mean, 5 * weight.deviation / std::sqrt(count)) << weight.name;
    EXPECT_NEAR(std::sqrt(square), weight.deviation, 5 * weight.deviation / std::sqrt(count)) << weight.name;
    first_values.insert(static_cast<float>((data[0] - weight.mean) / weight.deviation));
  }
  EXPECT_EQ(first_values.size(), weights.size()) << "two weights start with the same draw";
}

TEST(RandomModel, TheSeedDecidesTheBytes) {
  const TemporaryDirectory a;
  const TemporaryDirectory b;
  const Hash128 first = write_and_open(small_model("llama"), 1, a.path()).fingerprint();
  EXPECT_EQ(write_and_open(small_model("llama"), 1, b.path()).fingerprint(), first);
  EXPECT_NE(write_and_open(small_model("llama"), 2, b.path()).fingerprint(), first);
  EXPECT_NE(write_and_open(small_model("llama"), 1 + (uint64_t{1} << 32), b.path()).fingerprint(), first);
}

TEST(RandomModel, TheTokenizerNumbersEveryTokenOnce) {
  const nlohmann::json tokenizer = nlohmann::json::parse(tokenizer_json(400));
  std::set<int64_t> ids;
  for (const auto& [token, id] : tokenizer["model"]["vocab"].items()) ids.insert(id.get<int64_t>());
  EXPECT_EQ(ids.size(), 400U);
  EXPECT_EQ(*ids.begin(), 0);
  EXPECT_EQ(*ids.rbegin(), 399);
  const nlohmann::json& vocab = tokenizer["model"]["vocab"];
  EXPECT_EQ(vocab["A"], kFirstByteToken + 'A');
  EXPECT_EQ(vocab["\u0120"], kFirstByteToken + ' ') << "the character that stands for a space";
  EXPECT_EQ(vocab["\u0143"], kFirstByteToken + 0xad) << "the last of the 68 bytes without a character of their own";
  EXPECT_EQ(vocab["\u00ff"], kFirstByteToken + 0xff);
  EXPECT_EQ(vocab["<t399>"], 399);
}

TEST(RandomModel, RefusesWhatItCannotMake) {
  EXPECT_THROW(tokenizer_json(kLeastVocab - 1), ConfigError);
  EXPECT_NO_THROW(tokenizer_json(kLeastVocab));
  EXPECT_THROW(config_json(small_model("gpt2")), ConfigError);
  EXPECT_THROW(write_weights({}, DType::kF32, 0, "/nonexistent/model.safetensors"), IoError);
  EXPECT_THROW(write_weights({}, DType::kI32, 0, "/tmp/never"), DTypeError);
}

}  // namespace
}  // namespace lockstep::examples
