// Headers that lie: every one is refused with the file, the tensor and the reason.
#include "core/checkpoint/safetensors_header.h"

#include "core/error.h"
#include "tests/support/checkpoint_writer.h"

#include <cstring>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace lockstep {
namespace {

using testing_support::safetensors_file;

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

/// The message of the refusal, "" if the file is accepted.
std::string refusal_of(const std::string& file) {
  try {
    parse_safetensors_header(bytes_of(file), "m.safetensors");
  } catch (const FormatError& error) {
    return error.what();
  }
  return "";
}

/// A header of one F32 tensor "w" with `fields` replaced, over 24 bytes of data.
std::string refusal_of_fields(const char* fields) {
  nlohmann::json tensor{{"dtype", "F32"}, {"shape", {2, 3}}, {"data_offsets", {0, 24}}};
  tensor.merge_patch(nlohmann::json::parse(fields));
  return refusal_of(safetensors_file(nlohmann::json{{"w", tensor}}.dump(), std::string(24, '\0')));
}

void expect_contains(const std::string& message, const std::string& part) {
  EXPECT_NE(message.find(part), std::string::npos) << "message: " << message << "\nexpected part: " << part;
}

TEST(SafetensorsHeader, AcceptsTheSmallestFiles) {
  EXPECT_EQ(refusal_of(safetensors_file("{}", "")), "");
  EXPECT_EQ(refusal_of(safetensors_file("{}      ", "")), "");
  EXPECT_EQ(refusal_of(safetensors_file(R"({"__metadata__":{"a":"b"}})", "")), "");
  EXPECT_EQ(refusal_of_fields("{}"), "");
}

TEST(SafetensorsHeader, RefusesFalseLengths) {
  EXPECT_EQ(refusal_of(""), "m.safetensors: 0 bytes are too few for a safetensors file");
  expect_contains(refusal_of(std::string(7, '\0')), "7 bytes are too few");
  expect_contains(refusal_of(std::string(8, '\0')), "not valid JSON");
  std::string file = safetensors_file("{}", "");
  for (const uint64_t length : {uint64_t{3}, uint64_t{100'000'000}}) {
    std::memcpy(file.data(), &length, sizeof length);
    expect_contains(refusal_of(file), std::to_string(length) + " bytes in a file of 10; is it truncated?");
  }
  for (const uint64_t length : {uint64_t{100'000'001}, uint64_t{1} << 63, UINT64_MAX, UINT64_MAX - 7}) {
    std::memcpy(file.data(), &length, sizeof length);
    expect_contains(refusal_of(file), "at most 100000000 are accepted");
  }
}

TEST(SafetensorsHeader, RefusesBrokenJson) {
  for (const char* header :
       {"", " ", "{", "[]", "3", "null", "{}x", R"({"a":})", "{\"a\xff\":1}", R"({"w":3})", R"({"w":[]})"})
    EXPECT_NE(refusal_of(safetensors_file(header, "")), "") << header;
  expect_contains(refusal_of(safetensors_file(R"({"w":{"dtype":"F32"},"w":{}})", "")), R"(key "w" occurs twice)");
  expect_contains(refusal_of(safetensors_file(R"({"w":{"dtype":"F32","dtype":"F16"}})", "")),
                  R"(key "dtype" occurs twice)");
  const std::string deep = R"({"w":)" + std::string(5'000'000, '[');
  expect_contains(refusal_of(safetensors_file(deep, "")), "nested deeper than 64");
}

TEST(SafetensorsHeader, RefusesFalseFields) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"dtype": null})", "dtype is missing"},
      {R"({"dtype": 3})", "dtype is 3; accepted: a string"},
      {R"({"dtype": "F33"})", R"(unknown dtype "F33")"},
      {R"({"shape": null})", "shape is null; accepted: a list of sizes"},
      {R"({"shape": 6})", "shape is 6"},
      {R"({"shape": [2, -3]})", "shape holds -3"},
      {R"({"shape": [2, 3.0]})", "shape holds 3.0"},
      {R"({"shape": [2, "3"]})", R"(shape holds "3")"},
      {R"({"shape": [2, 9223372036854775808]})", "shape holds 9223372036854775808"},
      {R"({"shape": [4611686018427387904, 4611686018427387904]})", "overflows"},
      {R"({"shape": [0, 4611686018427387904, 4611686018427387904]})", "overflows"},
      {R"({"shape": [2, 4]})", "hold 24 bytes, but F32 of shape [2, 4] takes 32"},
      {R"({"shape": []})", "takes 4"},
      {R"({"dtype": "F16"})", "takes 12"},
      {R"({"dtype": "F4", "shape": [3]})", "12 bits do not fill whole bytes"},
      {R"({"data_offsets": null})", "data_offsets is null; accepted: [begin, end]"},
      {R"({"data_offsets": [0]})", "data_offsets is [0]"},
      {R"({"data_offsets": [0, 24, 24]})", "data_offsets is [0,24,24]"},
      {R"({"data_offsets": [-1, 23]})", "data_offsets holds -1"},
      {R"({"data_offsets": [0.5, 24]})", "data_offsets holds 0.5"},
      {R"({"data_offsets": [24, 0]})", "data_offsets [24, 0] run backwards"},
      {R"({"data_offsets": [1, 25]})", "end beyond the 24 bytes of data in the file; is it truncated?"},
      {R"({"data_offsets": [0, 18446744073709551615]})", "data_offsets holds 18446744073709551615"},
  };
  for (const auto& [fields, expected] : cases) {
    SCOPED_TRACE(fields);
    const std::string message = refusal_of_fields(fields);
    expect_contains(message, "m.safetensors: tensor \"w\": ");
    expect_contains(message, expected);
  }
}

std::string refusal_of_pair(int64_t a_begin, int64_t a_end, int64_t b_begin, int64_t b_end, size_t data_bytes) {
  const nlohmann::json header{
      {"a", {{"dtype", "U8"}, {"shape", {a_end - a_begin}}, {"data_offsets", {a_begin, a_end}}}},
      {"b", {{"dtype", "U8"}, {"shape", {b_end - b_begin}}, {"data_offsets", {b_begin, b_end}}}}};
  return refusal_of(safetensors_file(header.dump(), std::string(data_bytes, '\0')));
}

TEST(SafetensorsHeader, TensorsMustTileTheData) {
  EXPECT_EQ(refusal_of_pair(0, 4, 4, 8, 8), "");
  EXPECT_EQ(refusal_of_pair(4, 8, 0, 4, 8), "");
  EXPECT_EQ(refusal_of_pair(0, 0, 0, 8, 8), "");
  EXPECT_EQ(refusal_of_pair(8, 8, 0, 8, 8), "");
  expect_contains(refusal_of_pair(0, 5, 4, 8, 8),
                  R"(tensor "b" begins at 4, but the data before it ends at 5: tensors overlap)");
  expect_contains(refusal_of_pair(0, 8, 0, 8, 8), "tensors overlap");
  expect_contains(refusal_of_pair(0, 8, 4, 4, 8), "tensors overlap");
  expect_contains(refusal_of_pair(0, 3, 4, 8, 8),
                  R"(tensor "b" begins at 4, but the data before it ends at 3: a hole)");
  expect_contains(refusal_of_pair(1, 4, 4, 8, 8),
                  R"(tensor "a" begins at 1, but the data before it ends at 0: a hole)");
  expect_contains(refusal_of_pair(0, 4, 4, 8, 9), "9 bytes of data, but its tensors end at 8");
}

TEST(SafetensorsHeader, ReadsEntries) {
  const std::string file = safetensors_file(
      R"({"b":{"dtype":"BF16","shape":[2,1],"data_offsets":[8,12]},"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}})",
      std::string(12, '\0'));
  const SafetensorsHeader header = parse_safetensors_header(bytes_of(file), "m");
  EXPECT_EQ(header.data_offset, static_cast<int64_t>(file.size()) - 12);
  EXPECT_EQ(header.json.size() + 8 + 12, file.size());
  ASSERT_EQ(header.entries.size(), 2U);
  EXPECT_EQ(header.entries.at("b").dtype, "BF16");
  EXPECT_EQ(header.entries.at("b").shape, (std::vector<int64_t>{2, 1}));
  EXPECT_EQ(header.entries.at("b").begin, 8);
  EXPECT_EQ(header.entries.at("b").end, 12);
}

}  // namespace
}  // namespace lockstep
