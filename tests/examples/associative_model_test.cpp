#include "examples/associative_model.h"

#include "core/error.h"
#include "examples/random_model.h"
#include "tests/kernels/attention_mass.h"
#include "tests/kernels/op_support.h"
#include "tests/support/associative_layer.h"
#include "tests/support/temporary_directory.h"

#include <algorithm>
#include <set>

namespace lockstep::examples {
namespace {

using test::CpuContext;
using testing_support::AssociativeLayer;
using testing_support::TemporaryDirectory;
using testing_support::write_file;

/// Small enough to be written for every test.
AssociativeModel small_model() {
  AssociativeModel model;
  model.keys = 32;
  model.decoys = model.weak_hay = 256;
  return model;
}

void write_model(const AssociativeModel& model, const std::filesystem::path& directory) {
  write_file(directory / "config.json", config_json(model));
  write_weights(model, 5, directory / "model.safetensors");
}

/// Asks for every key, two hops each; returns how many hops were right.
int64_t right_hops(AssociativeLayer& layer, const AssociativeModel& model, const AssociativeContext& context,
                   const SparseRule* rule) {
  int64_t right = 0;
  for (int64_t key = 0; key < model.keys; ++key) {
    layer.forget_asked();
    int64_t token = model.ask(key);
    for (const int64_t expected : answer_of(model, context, key, 2)) {
      token = layer.ask(token, rule);
      right += token == expected ? 1 : 0;
    }
  }
  return right;
}

constexpr SparseRule kTenth = {.ratio = 0.1, .dense_below = 0, .dense_layers = 0};

TEST(AssociativeModel, AnswersByDenseAndBySparseAttention) {
  for (const int64_t head_dim : {64, 128}) {
    AssociativeModel model = small_model();
    model.head_dim = head_dim;
    if (head_dim == 64) model.sharpness = 12.0;
    const TemporaryDirectory directory;
    write_model(model, directory.path());
    const AssociativeContext facts = make_context(model, 16384, 1.0 / 64, 3);
    const CpuContext context;
    for (const KvFormat format : {KvFormat::kFull, KvFormat::kKv8, KvFormat::kK8v4, KvFormat::kKv4}) {
      SCOPED_TRACE(testing::Message() << "head " << head_dim << ", format " << static_cast<int>(format));
      AssociativeLayer layer(context, directory.path(), format, 64, 16384 + 64);
      layer.hold(facts.tokens);
      EXPECT_EQ(right_hops(layer, model, facts, nullptr), 2 * model.keys);
      EXPECT_EQ(right_hops(layer, model, facts, &kTenth), 2 * model.keys);
      EXPECT_EQ(layer.totals().dense_lists, 0);
      EXPECT_LE(layer.totals().pages_read * 10, layer.totals().pages_there);
    }
  }
}

// A dense head looks at more than its match, or sparse attention would have nothing to lose.
TEST(AssociativeModel, AttentionIsSpreadAndFound) {
  const AssociativeModel model = small_model();
  const TemporaryDirectory directory;
  write_model(model, directory.path());
  const AssociativeContext facts = make_context(model, 16384, 1.0 / 32, 3);
  const CpuContext context;
  AssociativeLayer layer(context, directory.path(), KvFormat::kFull, 64, 16384 + 64);
  layer.hold(facts.tokens);
  for (int64_t key = 0; key < model.keys; ++key) {
    layer.forget_asked();
    layer.ask(model.ask(key), &kTenth);
    for (int64_t head = 0; head < model.kv_heads; ++head) {
      const auto mass = [&](const std::vector<int32_t>& pages) {
        const float* q = layer.queries().data() + head * model.group * model.head_dim;
        return test::attention_mass(layer.pages(), layer.slots(), head, 0, {q, static_cast<size_t>(model.head_dim)},
                                    layer.length() - 1, layer.scale(), 0, pages);
      };
      const auto page = static_cast<int32_t>(facts.place_of[static_cast<size_t>(key)] / 64);
      EXPECT_LT(mass({page}), 0.995);
      EXPECT_GT(mass({page}), 0.9);
      EXPECT_GT(mass(layer.list(head)), mass({page}));
    }
  }
}

TEST(AssociativeModel, ContextsHoldEveryKeyOnce) {
  const AssociativeModel model = small_model();
  const AssociativeContext context = make_context(model, 4096, 0.25, 9);
  std::set<int64_t> values(context.value_of.begin(), context.value_of.end());
  EXPECT_EQ(static_cast<int64_t>(values.size()), model.keys);
  int64_t facts = 0, decoys = 0;
  for (const int64_t token : context.tokens) {
    facts += token >= model.fact(0, 0) && token < model.ask(0) ? 1 : 0;
    decoys += token >= model.decoy(0) && token < model.hay(0) ? 1 : 0;
    ASSERT_LT(token, model.vocab());
  }
  EXPECT_EQ(facts, model.keys);
  EXPECT_NEAR(static_cast<double>(decoys), 1024.0, 100.0);
  for (int64_t key = 0; key < model.keys; ++key) {
    const auto at = static_cast<size_t>(key);
    EXPECT_EQ(context.tokens[static_cast<size_t>(context.place_of[at])], model.fact(key, context.value_of[at]));
  }
  const std::vector<int64_t> chain = answer_of(model, context, 7, model.keys);
  EXPECT_EQ(std::set<int64_t>(chain.begin(), chain.end()).size(), static_cast<size_t>(model.keys)) << "one cycle";
  EXPECT_EQ(chain.back(), model.ask(7));
}

TEST(AssociativeModel, TheSeedDecidesTheBytes) {
  const AssociativeModel model = small_model();
  EXPECT_EQ(make_context(model, 512, 0.5, 1).tokens, make_context(model, 512, 0.5, 1).tokens);
  EXPECT_NE(make_context(model, 512, 0.5, 1).tokens, make_context(model, 512, 0.5, 2).tokens);
  const TemporaryDirectory a, b;
  write_model(model, a.path());
  write_model(model, b.path());
  EXPECT_EQ(Checkpoint::open(a.path()).fingerprint(), Checkpoint::open(b.path()).fingerprint());
  write_weights(model, 6, b.path() / "model.safetensors");
  EXPECT_NE(Checkpoint::open(a.path()).fingerprint(), Checkpoint::open(b.path()).fingerprint());
}

TEST(AssociativeModel, EveryDtypeAndLayerCountOpens) {
  for (const char* const dtype : {"float32", "float16", "bfloat16"}) {
    AssociativeModel model = small_model();
    model.dtype = dtype;
    model.layers = 3;
    const TemporaryDirectory directory;
    write_model(model, directory.path());
    const Checkpoint checkpoint = Checkpoint::open(directory.path());
    EXPECT_EQ(checkpoint.weight_bytes(), checkpoint.config().num_parameters() * size_of(checkpoint.config().dtype));
    EXPECT_GE(checkpoint.config().max_positions, 131072 + 64);
  }
}

TEST(AssociativeModel, RefusesWhatItCannotMake) {
  AssociativeModel model = small_model();
  EXPECT_THROW(make_context(model, 2 * model.keys - 1, 0.5, 1), ConfigError);
  EXPECT_THROW(make_context(model, 1024, 1.5, 1), ConfigError);
  EXPECT_THROW(write_weights(model, 0, "/nonexistent/model.safetensors"), IoError);
  model.head_dim = 20;
  EXPECT_THROW(config_json(model), ConfigError);
  model = small_model();
  model.keys = 1;
  EXPECT_THROW(config_json(model), ConfigError);
}

}  // namespace
}  // namespace lockstep::examples
