#include "dist/topology.h"

#include "core/error.h"

#include <gtest/gtest.h>
#include <string>

namespace lockstep {
namespace {

template <class Thrown, class Body>
std::string message_of(Body&& body) {
  try {
    body();
  } catch (const Thrown& error) {
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

ModelConfig model(int64_t heads, int64_t kv_heads, int64_t ffn) {
  ModelConfig config;
  config.num_heads = heads;
  config.num_kv_heads = kv_heads;
  config.intermediate_size = ffn;
  config.head_dim = 64;
  config.hidden_size = heads * 64;
  config.vocab_size = 1000;
  return config;
}

TEST(Topology, NumbersReplicasOfConsecutiveRanks) {
  for (const int32_t tp : {1, 2, 3, 6, 12}) {
    for (int32_t w = 0; w < 12; ++w) {
      const Topology topology(12, tp, Rank(w));
      EXPECT_EQ(topology.dp() * topology.tp(), 12);
      EXPECT_EQ(topology.replica() * tp + topology.tp_rank().value(), w);
      EXPECT_LT(topology.replica(), topology.dp());
      EXPECT_EQ(topology.is_leader(), w % tp == 0);
    }
  }
}

TEST(Topology, RefusesDegreesThatDoNotDivideAndNamesThoseThatDo) {
  const std::string text = message_of<ConfigError>([] { Topology(12, 5, Rank(0)); });
  EXPECT_NE(text.find("degree 5"), std::string::npos) << text;
  EXPECT_NE(text.find("accepted: 1, 2, 3, 4, 6, 12"), std::string::npos) << text;
  EXPECT_THROW(Topology(12, 0, Rank(0)), ConfigError);
  EXPECT_THROW(Topology(12, -2, Rank(0)), ConfigError);
  EXPECT_THROW(Topology(0, 1, Rank(0)), ConfigError);
  EXPECT_THROW(Topology(4, 2, Rank(4)), ConfigError);
  EXPECT_THROW(Topology(4, 2, Rank(-1)), ConfigError);
}

TEST(Topology, AllowsDegreesThatFitHeadsAndFfn) {
  EXPECT_EQ(allowed_tp(model(32, 8, 14336)), (std::vector<int32_t>{1, 2, 4, 8, 16, 32}));
  EXPECT_EQ(allowed_tp(model(32, 32, 11008)), (std::vector<int32_t>{1, 2, 4, 8, 16, 32}));
  EXPECT_EQ(allowed_tp(model(12, 4, 2048)), (std::vector<int32_t>{1, 2, 4}));
  EXPECT_EQ(allowed_tp(model(14, 2, 4864)), (std::vector<int32_t>{1, 2}));
  EXPECT_EQ(allowed_tp(model(12, 3, 36)), (std::vector<int32_t>{1, 3, 6, 12}));  // 2 and 4 do not fit 3 KV heads
  EXPECT_EQ(allowed_tp(model(8, 8, 6)), (std::vector<int32_t>{1, 2}));           // 4 does not divide the FFN
}

TEST(Topology, NamesTheAllowedDegreesOfAModel) {
  const std::string text = message_of<ConfigError>([] { require_tp(model(12, 3, 36), 4); });
  EXPECT_NE(text.find("degree 4"), std::string::npos) << text;
  EXPECT_NE(text.find("accepted: 1, 3, 6, 12"), std::string::npos) << text;
  EXPECT_NO_THROW(require_tp(model(12, 3, 36), 6));
}

}  // namespace
}  // namespace lockstep
