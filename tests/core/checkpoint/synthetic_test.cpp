#include "core/checkpoint/synthetic.h"

#include "core/buffer.h"
#include "core/checkpoint/checkpoint.h"
#include "core/error.h"
#include "tests/support/expect_throw.h"
#include "tests/support/temporary_directory.h"

#include <cmath>
#include <fstream>
#include <gtest/gtest.h>
#include <set>

namespace lockstep {
namespace {

ConstTensorView tensor(const Checkpoint& checkpoint, const WeightShape& weight) {
  const Shape shape = weight.shape.size() == 1 ? Shape{weight.shape[0]} : Shape{weight.shape[0], weight.shape[1]};
  return checkpoint.tensor(weight.name, shape);
}

struct Moments {
  double mean = 0.0, deviation = 0.0;
};

Moments moments_of(ConstTensorView values) {
  const int64_t count = values.shape().num_elements();
  const auto* const data = values.as<BFloat16>();
  double sum = 0.0, squares = 0.0;
  for (int64_t i = 0; i < count; ++i) {
    const double value = to_float(data[i]);
    sum += value;
    squares += value * value;
  }
  const double mean = sum / static_cast<double>(count);
  return {mean, std::sqrt(squares / static_cast<double>(count) - mean * mean)};
}

TEST(Synthetic, NamedShapesHaveThePublishedNumbersOfParameters) {
  EXPECT_EQ(config_of_shape("llama-3-8b").num_parameters(), 8030261248);
  EXPECT_EQ(config_of_shape("llama-3.2-1b").num_parameters(), 1235814400);
  EXPECT_EQ(config_of_shape("qwen2-1.5b").num_parameters(), 1543714304);
  EXPECT_EQ(config_of_shape("llama-3-70b").num_parameters(), 70553706496);
}

TEST(Synthetic, ListsEveryParameterOnce) {
  for (const char* name : {"llama-3-8b", "llama-3.2-1b", "qwen2-1.5b", "llama-3-70b", "tiny"}) {
    const ModelConfig config = config_of_shape(name);
    int64_t count = 0;
    std::set<std::string> names;
    for (const WeightShape& weight : weight_shapes(config)) {
      count += weight.num_elements();
      EXPECT_TRUE(names.insert(weight.name).second) << weight.name;
    }
    EXPECT_EQ(count, config.num_parameters()) << name;
  }
}

TEST(Synthetic, WeightsAreSmallAndNormsNearOne) {
  const ModelConfig config = config_of_shape("tiny");
  const Checkpoint checkpoint = Checkpoint::open("synthetic:tiny");
  EXPECT_EQ(checkpoint.config().canonical_json(), config.canonical_json());
  EXPECT_EQ(checkpoint.weight_bytes(), config.num_parameters() * size_of(config.dtype));
  EXPECT_EQ(checkpoint.names().size(), weight_shapes(config).size());
  for (const WeightShape& weight : weight_shapes(config)) {
    const Moments moments = moments_of(tensor(checkpoint, weight));
    EXPECT_NEAR(moments.mean, weight.is_norm ? 1.0 : 0.0, 0.01) << weight.name;
    EXPECT_NEAR(moments.deviation, 0.02, 0.005) << weight.name;
  }
}

TEST(Synthetic, TakesTheMemoryOfItsLargestTensor) {
  ModelConfig config = config_of_shape("tiny");
  config.num_layers = 64;
  const int64_t before = allocated_bytes(DeviceKind::kCpu);
  const Checkpoint checkpoint = Checkpoint::synthetic("deep", config);
  EXPECT_EQ(allocated_bytes(DeviceKind::kCpu), before);  // until a weight is asked for
  checkpoint.tensor("model.norm.weight", {config.hidden_size});
  const int64_t held = allocated_bytes(DeviceKind::kCpu) - before;
  EXPECT_LT(held, (config.vocab_size + 2) * config.hidden_size * size_of(config.dtype) + 4096);
  EXPECT_GT(checkpoint.weight_bytes(), 20 * held);
}

TEST(Synthetic, LayersDiffer) {
  const Checkpoint checkpoint = Checkpoint::open("synthetic:tiny");
  const Shape shape{32, 64};
  const ConstTensorView k = checkpoint.tensor("model.layers.0.self_attn.k_proj.weight", shape);
  EXPECT_NE(k.data(), checkpoint.tensor("model.layers.0.self_attn.v_proj.weight", shape).data());
  EXPECT_NE(k.data(), checkpoint.tensor("model.layers.1.self_attn.k_proj.weight", shape).data());
}

TEST(Synthetic, FingerprintIsTheShapes) {
  const Checkpoint one = Checkpoint::open("synthetic:tiny"), other = Checkpoint::open("synthetic:tiny");
  EXPECT_EQ(one.fingerprint(), other.fingerprint());
  ModelConfig config = config_of_shape("tiny");
  config.num_layers = 3;
  EXPECT_NE(one.fingerprint(), Checkpoint::synthetic("deeper", config).fingerprint());
}

TEST(Synthetic, TakesAnyConfig) {
  const testing_support::TemporaryDirectory directory;
  const auto file = directory.path() / "config.json";
  std::ofstream(file) << R"({"architectures": ["Qwen3ForCausalLM"], "hidden_size": 32, "intermediate_size": 48,
    "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 100,
    "dtype": "bfloat16"})";
  const Checkpoint checkpoint = Checkpoint::open("synthetic:" + file.string());
  EXPECT_EQ(checkpoint.tensor("model.layers.0.self_attn.q_norm.weight", {16}).dtype(), DType::kBF16);
  EXPECT_EQ(checkpoint.weight_bytes(), checkpoint.config().num_parameters() * 2);
  EXPECT_EQ(config_of_shape(directory.path().string()).hidden_size, 32);
}

TEST(Synthetic, NamesTheKnownShapesAndTheMissingTensor) {
  testing_support::expect_throw<ConfigError>([&] { config_of_shape("llama-9"); },
                                             {"llama-3-8b, llama-3.2-1b, qwen2-1.5b, llama-3-70b, tiny"});
  const Checkpoint checkpoint = Checkpoint::open("synthetic:tiny");
  testing_support::expect_throw<FormatError>([&] { checkpoint.tensor("model.norm.weight", {65}); }, {"synthetic:tiny"});
  testing_support::expect_throw<FormatError>([&] { checkpoint.tensor("none", {1}); }, {"no tensor"});
}

}  // namespace
}  // namespace lockstep
