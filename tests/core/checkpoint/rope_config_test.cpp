#include "core/checkpoint/rope_config.h"

#include "tests/core/checkpoint/config_fixture.h"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

using Json = nlohmann::json;

RopeScaling scaling_of(const char* changes) { return read_llama(Json::parse(changes)).rope_scaling; }

TEST(RopeConfig, NoScaling) {
  for (const char* changes :
       {R"({})", R"({"rope_scaling": null})", R"({"rope_scaling": {}})", R"({"rope_scaling": {"type": "default"}})",
        R"({"rope_parameters": {"rope_theta": 10000}})",
        R"({"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}})", R"({"partial_rotary_factor": 1.0})"})
    EXPECT_EQ(read_llama(Json::parse(changes)).canonical_json(), read_llama(Json::object()).canonical_json())
        << changes;
}

TEST(RopeConfig, Llama3) {
  // Llama 3.1's own values.
  const RopeScaling scaling = scaling_of(
      R"({"rope_scaling": {"factor": 8.0, "low_freq_factor": 1.5, "high_freq_factor": 4.5,
          "original_max_position_embeddings": 8192, "rope_type": "llama3"}})");
  EXPECT_EQ(scaling.kind, RopeScalingKind::kLlama3);
  EXPECT_EQ(scaling.factor, 8.0);
  EXPECT_EQ(scaling.low_freq_factor, 1.5);
  EXPECT_EQ(scaling.high_freq_factor, 4.5);
  EXPECT_EQ(scaling.original_max_positions, 8192);
}

TEST(RopeConfig, LinearInEverySpelling) {
  for (const char* changes : {R"({"rope_scaling": {"type": "linear", "factor": 4}})",
                              R"({"rope_scaling": {"rope_type": "linear", "factor": 4.0}})",
                              R"({"rope_scaling": {"rope_type": "linear", "type": "linear", "factor": 4.0}})",
                              R"({"rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 10000}})"}) {
    EXPECT_EQ(scaling_of(changes).kind, RopeScalingKind::kLinear) << changes;
    EXPECT_EQ(scaling_of(changes).factor, 4.0) << changes;
  }
}

TEST(RopeConfig, YarnDefaults) {
  const RopeScaling scaling =
      scaling_of(R"({"rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}})");
  EXPECT_EQ(scaling.kind, RopeScalingKind::kYarn);
  EXPECT_EQ(scaling.factor, 4.0);
  EXPECT_EQ(scaling.original_max_positions, 32768);
  EXPECT_EQ(scaling.beta_fast, 32.0);
  EXPECT_EQ(scaling.beta_slow, 1.0);
  EXPECT_EQ(scaling.attention_factor, std::nullopt);
  EXPECT_TRUE(scaling.truncate);
}

TEST(RopeConfig, YarnExplicit) {
  const RopeScaling scaling = scaling_of(
      R"({"rope_scaling": {"type": "yarn", "factor": 2.0, "original_max_position_embeddings": 100, "beta_fast": 16,
          "beta_slow": 2, "attention_factor": 1.25, "mscale": 0.7, "mscale_all_dim": 0.5, "truncate": false}})");
  EXPECT_EQ(scaling.beta_fast, 16.0);
  EXPECT_EQ(scaling.beta_slow, 2.0);
  EXPECT_EQ(scaling.attention_factor, 1.25);
  EXPECT_EQ(scaling.mscale, 0.7);
  EXPECT_EQ(scaling.mscale_all_dim, 0.5);
  EXPECT_FALSE(scaling.truncate);
}

TEST(RopeConfig, YarnWithoutAFactorExtendsToTheMaximum) {
  EXPECT_EQ(scaling_of(R"({"max_position_embeddings": 4096,
                           "rope_scaling": {"type": "yarn", "factor": null, "original_max_position_embeddings": 512}})")
                .factor,
            8.0);
}

TEST(RopeConfig, OriginalPositionsComeFromOutsideThenInsideThenTheMaximum) {
  EXPECT_EQ(scaling_of(R"({"original_max_position_embeddings": 64,
                           "rope_scaling": {"type": "yarn", "factor": 2, "original_max_position_embeddings": 32}})")
                .original_max_positions,
            64);
  EXPECT_EQ(scaling_of(R"({"max_position_embeddings": 4096, "rope_scaling": {"type": "yarn", "factor": 2}})")
                .original_max_positions,
            4096);
}

TEST(RopeConfig, ThetaInsideWinsOverOutside) {
  EXPECT_EQ(read_llama(Json::parse(R"({"rope_theta": 5e5})")).rope_theta, 5e5);
  EXPECT_EQ(read_llama(Json::parse(R"({"rope_parameters": {"rope_theta": 1e6}})")).rope_theta, 1e6);
  EXPECT_EQ(read_llama(Json::parse(R"({"rope_theta": 5e5, "rope_parameters": {"rope_theta": 1e6}})")).rope_theta, 1e6);
  EXPECT_EQ(read_llama(Json::parse(R"({"rope_theta": 5e5, "rope_parameters": {"rope_type": "default"}})")).rope_theta,
            5e5);
}

TEST(RopeConfig, OldObjectWinsOverNew) {
  EXPECT_EQ(scaling_of(R"({"rope_scaling": {"type": "linear", "factor": 2},
                           "rope_parameters": {"rope_type": "linear", "factor": 3}})")
                .factor,
            2.0);
}

TEST(RopeConfig, RefusesByName) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"rope_scaling": {"type": "dynamic", "factor": 2}})",
       R"(rope_scaling.type is "dynamic"; accepted: default, linear, llama3, yarn)"},
      {R"({"rope_scaling": {"rope_type": "longrope"}})", R"(rope_scaling.rope_type is "longrope")"},
      {R"({"rope_parameters": {"rope_type": "mrope"}})", R"(rope_parameters.rope_type is "mrope")"},
      {R"({"rope_scaling": {"type": 3}})", "rope_scaling.type is 3; accepted: a string"},
      {R"({"rope_scaling": [1]})", "rope_scaling is [1]; accepted: an object"},
      {R"({"rope_scaling": {"type": "linear"}})", "rope_scaling.factor is missing"},
      {R"({"rope_scaling": {"type": "linear", "factor": 0.5}})",
       "rope_scaling.factor is 0.5; accepted: a number from 1"},
      {R"({"rope_scaling": {"type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4}})",
       "rope_scaling.high_freq_factor is 4; accepted: more than low_freq_factor, which is 4"},
      {R"({"rope_scaling": {"type": "llama3", "factor": 8, "high_freq_factor": 4}})",
       "rope_scaling.low_freq_factor is missing"},
      {R"({"rope_scaling": {"type": "yarn", "factor": 2, "beta_fast": 1, "beta_slow": 2}})",
       "rope_scaling.beta_fast is 1"},
      {R"({"rope_scaling": {"type": "yarn", "factor": 2, "original_max_position_embeddings": 0}})",
       "rope_scaling.original_max_position_embeddings is 0"},
      {R"({"max_position_embeddings": 8, "rope_scaling": {"type": "yarn", "original_max_position_embeddings": 16}})",
       "rope_scaling.factor is null"},
      {R"({"rope_parameters": {"full_attention": {"rope_type": "default"}}})", "rope_parameters.full_attention is"},
      {R"({"partial_rotary_factor": 0.5})", "partial_rotary_factor is 0.5; accepted: 1"},
      {R"({"rope_parameters": {"partial_rotary_factor": 0.25}})", "rope_parameters.partial_rotary_factor is 0.25"},
      {R"({"rope_theta": 0})", "rope_theta is 0; accepted: a number from 2"},
  };
  for (const auto& [changes, expected] : cases) {
    const std::string message = refusal_of("LlamaForCausalLM", Json::parse(changes));
    EXPECT_NE(message.find(std::string("config.json: ") + expected), std::string::npos) << changes << "\n" << message;
  }
}

}  // namespace
}  // namespace lockstep
