#include "launcher/batch/compression.h"

#include "tests/support/expect_throw.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <string>
#include <string_view>

namespace lockstep {
namespace {

using testing_support::expect_throw;

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

ByteSink append_to(std::string& out) {
  return [&out](std::span<const std::byte> bytes) {
    out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
}

/// Pushes `text` in pieces of `piece` bytes.
void run(ByteStream& stream, std::string_view text, size_t piece) {
  for (; !text.empty(); text.remove_prefix(std::min(piece, text.size())))
    stream.push(bytes_of(text.substr(0, std::min(piece, text.size()))));
  stream.finish();
}

std::string pack(Compression form, std::string_view text, size_t piece = 1000) {
  std::string out;
  run(*make_packer(form, append_to(out)), text, piece);
  return out;
}

std::string unpack(Compression form, std::string_view packed, size_t piece = 1000) {
  std::string out;
  run(*make_unpacker(form, "data", append_to(out)), packed, piece);
  return out;
}

/// Lines that do not pack to nothing.
std::string sample(size_t lines) {
  std::string text;
  uint64_t state = 1;
  for (size_t i = 0; i < lines; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    text += "{\"prompt\":\"" + std::to_string(state) + "\"}\n";
  }
  return text;
}

class CompressionTest : public testing::TestWithParam<Compression> {
 protected:
  const Compression form_ = GetParam();
};

TEST_P(CompressionTest, WhatIsPackedUnpacksWhateverThePieces) {
  for (const std::string& text :
       {std::string(), std::string("x"), sample(100), sample(40000), std::string(3000000, 'a')}) {
    const std::string packed = pack(form_, text);
    for (const size_t piece : {size_t{1}, size_t{7}, size_t{65536}, packed.size() + 1})
      ASSERT_TRUE(unpack(form_, packed, piece) == text) << text.size() << " bytes in pieces of " << piece;
  }
}

TEST_P(CompressionTest, BytesDependOnTheContentAlone) {
  const std::string text = sample(5000);
  EXPECT_TRUE(pack(form_, text) == pack(form_, text));
  EXPECT_LT(pack(form_, text).size(), text.size() * 3 / 4);
  EXPECT_EQ(compression_of_magic(bytes_of(pack(form_, text)).first(kMagicBytes)), form_);
}

TEST_P(CompressionTest, PartsFollowEachOther) {
  const std::string one = sample(10), two = sample(3000);
  EXPECT_TRUE(unpack(form_, pack(form_, one) + pack(form_, "") + pack(form_, two)) == one + two);
}

TEST_P(CompressionTest, CutOffAtEveryByteIsNoticed) {
  const std::string packed = pack(form_, sample(20));
  for (size_t bytes = 0; bytes < packed.size(); ++bytes) {
    SCOPED_TRACE(bytes);
    expect_throw<FormatError>([&] { unpack(form_, std::string_view(packed).substr(0, bytes)); }, {"data is cut off"});
  }
}

TEST_P(CompressionTest, NoChangedByteChangesTheContent) {
  const std::string text = sample(20);
  const std::string packed = pack(form_, text);
  size_t num_noticed = 0;
  for (size_t byte = 0; byte < packed.size(); ++byte) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = packed;
      damaged[byte] = static_cast<char>(damaged[byte] ^ (1 << bit));
      try {
        ASSERT_EQ(unpack(form_, damaged), text) << "byte " << byte << " bit " << bit;
      } catch (const FormatError&) {
        ++num_noticed;
      }
    }
  }
  // All but some header fields that say nothing about the content, as a time.
  EXPECT_GT(num_noticed, (packed.size() - 16) * 8);
}

TEST_P(CompressionTest, WhatFollowsThatIsNotOfTheFormIsRefused) {
  expect_throw<FormatError>([&] { unpack(form_, pack(form_, "x") + "garbage"); }, {"data is damaged"});
  expect_throw<FormatError>([&] { unpack(form_, "{\"prompt\":\"x\"}\n{}"); }, {"data is damaged or not "});
}

INSTANTIATE_TEST_SUITE_P(Forms, CompressionTest, testing::Values(Compression::kGzip, Compression::kZstd),
                         [](const auto& tested) { return tested.param == Compression::kGzip ? "gzip" : "zstd"; });

TEST(Compression, GzipHeaderHasNoTimeAndNoName) {
  EXPECT_EQ(pack(Compression::kGzip, "x").substr(0, 8), std::string("\x1F\x8B\x08\0\0\0\0\0", 8));
}

TEST(Compression, FormsAreKnownByNameAndByFirstBytes) {
  EXPECT_EQ(compression_of_name("a/in.jsonl.gz"), Compression::kGzip);
  EXPECT_EQ(compression_of_name("in.zst"), Compression::kZstd);
  EXPECT_EQ(compression_of_name("gz"), Compression::kNone);
  EXPECT_EQ(compression_of_name("-"), Compression::kNone);
  EXPECT_EQ(compression_of_magic(bytes_of("")), Compression::kNone);
  EXPECT_EQ(compression_of_magic(bytes_of("\x1F")), Compression::kNone);
  EXPECT_EQ(compression_of_magic(bytes_of("{\"a\"")), Compression::kNone);
  EXPECT_EQ(compression_of_magic(bytes_of("\x5A\x2A\x4D\x18")), Compression::kZstd);
}

TEST(Compression, ASkippableFrameIsSkipped) {
  const std::string skippable("\x50\x2A\x4D\x18\x03\0\0\0abc", 11);
  EXPECT_EQ(unpack(Compression::kZstd, skippable + pack(Compression::kZstd, "text")), "text");
}

TEST(Compression, NoneCopies) {
  EXPECT_EQ(pack(Compression::kNone, "text"), "text");
  EXPECT_EQ(unpack(Compression::kNone, "text"), "text");
}

}  // namespace
}  // namespace lockstep
