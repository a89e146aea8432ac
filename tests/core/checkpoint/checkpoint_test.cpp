#include "core/checkpoint/checkpoint.h"

#include "core/error.h"
#include "tests/support/checkpoint_writer.h"
#include "tests/support/temporary_directory.h"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

using testing_support::safetensors_file;
using testing_support::stored;
using testing_support::StoredTensor;
using testing_support::write_file;

constexpr const char* kConfig = R"({"architectures": ["LlamaForCausalLM"], "hidden_size": 4, "intermediate_size": 8,
  "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 16})";

std::vector<StoredTensor> two_tensors(DType dtype = DType::kF32) {
  std::vector<float> values(64);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  return {stored("model.embed_tokens.weight", dtype, {16, 4}, values),
          stored("model.norm.weight", dtype, {4}, std::span(values).first(4))};
}

class CheckpointTest : public ::testing::Test {
 protected:
  void write_single(std::span<const StoredTensor> tensors, const std::string& config = kConfig) {
    testing_support::write_checkpoint(directory_.path(), config, tensors);
  }
  /// Two files of one tensor each, and an index with this weight_map.
  void write_sharded(const std::string& weight_map) {
    const std::vector<StoredTensor> tensors = two_tensors();
    write_file(directory_ / "config.json", kConfig);
    write_file(directory_ / "a.safetensors", safetensors_file(std::span(tensors).first(1)));
    write_file(directory_ / "b.safetensors", safetensors_file(std::span(tensors).last(1)));
    write_file(directory_ / "model.safetensors.index.json", R"({"metadata": {}, "weight_map": )" + weight_map + "}");
  }
  Checkpoint open() const { return Checkpoint::open(directory_.path()); }
  std::string refusal() const {
    try {
      open();
    } catch (const FormatError& error) {
      return error.what();
    }
    return "";
  }
  void expect_refusal(const std::string& part) const {
    EXPECT_NE(refusal().find(part), std::string::npos) << "message: " << refusal() << "\nexpected part: " << part;
  }
  testing_support::TemporaryDirectory directory_;
};

constexpr const char* kGoodMap =
    R"({"model.embed_tokens.weight": "a.safetensors", "model.norm.weight": "b.safetensors"})";

TEST_F(CheckpointTest, OpensASingleFile) {
  write_single(two_tensors());
  const Checkpoint checkpoint = open();
  EXPECT_EQ(checkpoint.config().hidden_size, 4);
  EXPECT_EQ(checkpoint.names(), (std::vector<std::string>{"model.embed_tokens.weight", "model.norm.weight"}));
  EXPECT_EQ(checkpoint.weight_bytes(), 4 * (64 + 4));
  EXPECT_TRUE(checkpoint.contains("model.norm.weight"));
  EXPECT_FALSE(checkpoint.contains("lm_head.weight"));
  EXPECT_EQ(checkpoint.tensor("model.embed_tokens.weight", {16, 4}).as<float>()[63], 63.0F);
}

TEST_F(CheckpointTest, OpensShardsByTheirIndex) {
  write_sharded(kGoodMap);
  const Checkpoint checkpoint = open();
  EXPECT_EQ(checkpoint.names().size(), 2U);
  EXPECT_EQ(checkpoint.weight_bytes(), 4 * (64 + 4));
  EXPECT_EQ(checkpoint.tensor("model.embed_tokens.weight", {16, 4}).as<float>()[5], 5.0F);
  EXPECT_EQ(checkpoint.tensor("model.norm.weight", {4}).as<float>()[3], 3.0F);
}

TEST_F(CheckpointTest, NamesMissingTensorsAndWrongShapes) {
  write_single(two_tensors());
  const Checkpoint checkpoint = open();
  const auto message_of = [&](const char* name, const Shape& shape) -> std::string {
    try {
      checkpoint.tensor(name, shape);
    } catch (const FormatError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(message_of("lm_head.weight", {16, 4}),
            directory_.path().string() + ": the checkpoint holds no tensor \"lm_head.weight\"");
  const std::string file = (directory_ / "model.safetensors").string();
  EXPECT_EQ(message_of("model.norm.weight", {5}),
            file + ": tensor \"model.norm.weight\" has shape [4], but config.json asks for [5]");
  EXPECT_NE(message_of("model.norm.weight", {4, 1}), "");
  EXPECT_NE(message_of("model.norm.weight", {}), "");
}

TEST_F(CheckpointTest, TakesTheStoredDtypeWhereTheConfigNamesNone) {
  write_single(two_tensors(DType::kBF16));
  EXPECT_EQ(open().config().dtype, DType::kBF16);
  std::string config = kConfig;
  config.insert(1, R"("torch_dtype": "float16", )");
  write_single(two_tensors(DType::kBF16), config);
  EXPECT_EQ(open().config().dtype, DType::kF16);
}

TEST_F(CheckpointTest, RefusesBrokenIndexes) {
  write_sharded("[]");
  expect_refusal("weight_map is []");
  write_sharded("{}");
  expect_refusal("weight_map is {}");
  write_file(directory_ / "model.safetensors.index.json", "{}");
  expect_refusal("weight_map is missing");
  write_sharded(R"({"w": 3})");
  expect_refusal("weight_map names 3 for tensor \"w\"");
  write_sharded(R"({"model.norm.weight": "c.safetensors"})");
  expect_refusal(R"(weight_map names "c.safetensors" for tensor "model.norm.weight", but there is no such file)");
  write_sharded(R"({"model.norm.weight": "a.safetensors"})");
  expect_refusal(R"(weight_map names "a.safetensors" for tensor "model.norm.weight", but that file does not hold it)");
  write_sharded(R"({"w": "a.safetensors", "w": "b.safetensors"})");
  expect_refusal(R"(key "w" occurs twice)");
}

TEST_F(CheckpointTest, RefusesFilesOutsideTheDirectory) {
  for (const char* name :
       {"../a.safetensors", "/etc/passwd", "sub/a.safetensors", "..", ".", "", R"(..\\a)", R"(a\u0000b)"}) {
    write_sharded(std::string(R"({"w": ")") + name + "\"}");
    expect_refusal("accepted: a file name in the same directory");
  }
}

TEST_F(CheckpointTest, SaysWhatAnIncompleteDirectoryLacks) {
  EXPECT_THROW(Checkpoint::open(directory_ / "absent"), IoError);
  EXPECT_THROW(open(), IoError);
  write_file(directory_ / "config.json", kConfig);
  try {
    open();
    ADD_FAILURE();
  } catch (const IoError& error) {
    EXPECT_NE(std::string(error.what()).find("holds neither model.safetensors.index.json nor model.safetensors"),
              std::string::npos);
  }
  write_file(directory_ / "pytorch_model.bin", "");
  try {
    open();
    ADD_FAILURE();
  } catch (const IoError& error) {
    EXPECT_NE(std::string(error.what()).find("convert it to safetensors"), std::string::npos);
  }
}

TEST_F(CheckpointTest, FingerprintIsStableAndSeesEveryPart) {
  write_single(two_tensors());
  const Hash128 base = open().fingerprint();
  EXPECT_EQ(open().fingerprint(), base);

  std::vector<StoredTensor> changed = two_tensors();
  changed[0].bytes[100] ^= 1;
  write_single(changed);
  EXPECT_NE(open().fingerprint(), base) << "a changed weight";

  std::string config = kConfig;
  config.insert(1, R"("rope_theta": 500000, )");
  write_single(two_tensors(), config);
  EXPECT_NE(open().fingerprint(), base) << "a changed setting";

  write_sharded(kGoodMap);
  EXPECT_NE(open().fingerprint(), base) << "other files";
}

TEST_F(CheckpointTest, FingerprintSamplesLargeTensorsFromFirstToLastByte) {
  constexpr int64_t kElements = 50'000;
  std::vector<StoredTensor> tensors{stored("w", DType::kF32, {kElements}, std::vector<float>(kElements, 1.0F))};
  write_single(tensors);
  const Hash128 base = open().fingerprint();
  for (const size_t offset : {size_t{0}, size_t{4095}, size_t{4 * kElements - 4096}, size_t{4 * kElements - 1}}) {
    tensors[0].bytes[offset] ^= 1;
    write_single(tensors);
    EXPECT_NE(open().fingerprint(), base) << "byte " << offset;
    tensors[0].bytes[offset] ^= 1;
  }
  // A change of a whole stretch, as training makes, is seen wherever it lies.
  for (size_t offset = 0; offset + 40'000 <= tensors[0].bytes.size(); offset += 20'000) {
    StoredTensor trained = tensors[0];
    for (size_t i = offset; i < offset + 40'000; ++i) trained.bytes[i] ^= 1;
    write_single(std::span(&trained, 1));
    EXPECT_NE(open().fingerprint(), base) << "bytes from " << offset;
  }
}

}  // namespace
}  // namespace lockstep
