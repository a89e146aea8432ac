#include "core/hash.h"

#include "core/crc32c_bodies.h"

#include <gtest/gtest.h>
#include <numeric>
#include <vector>
#include <xxhash.h>

namespace lockstep {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::vector<std::byte> counting_bytes(size_t count) {
  std::vector<std::byte> bytes(count);
  for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>((i * 131 + (i >> 8)) & 0xff);
  return bytes;
}

// RFC 3720, appendix B.4, and the catalogue's check value.
TEST(Crc32c, MatchesPublishedValues) {
  EXPECT_EQ(crc32c(bytes_of("123456789")), 0xe3069283U);
  EXPECT_EQ(crc32c(std::vector<std::byte>(32, std::byte{0})), 0x8a9136aaU);
  EXPECT_EQ(crc32c(std::vector<std::byte>(32, std::byte{0xff})), 0x62a8ab43U);
  std::vector<std::byte> ascending(32);
  for (size_t i = 0; i < 32; ++i) ascending[i] = static_cast<std::byte>(i);
  EXPECT_EQ(crc32c(ascending), 0x46dd794eU);
  EXPECT_EQ(crc32c({}), 0U);
}

TEST(Crc32c, PortableBodyMatchesPublishedValues) {
  EXPECT_EQ(crc32c_portable(bytes_of("123456789"), 0), 0xe3069283U);
  EXPECT_EQ(crc32c_portable(std::vector<std::byte>(32, std::byte{0}), 0), 0x8a9136aaU);
}

TEST(Crc32c, HardwareAndPortableBodiesAgreeAtEveryLengthAndAlignment) {
  if (!has_crc32c_instructions()) GTEST_SKIP() << "this CPU has no CRC32C instructions";
  const std::vector<std::byte> bytes = counting_bytes(3 * 3072 + 64);
  const std::span<const std::byte> all(bytes);
  std::vector<size_t> lengths(70);
  std::iota(lengths.begin(), lengths.end(), size_t{0});
  lengths.insert(lengths.end(), {3071, 3072, 3073, 3080, 4096, 6143, 6144, 6151, 9216, 9223});
  for (const size_t length : lengths)
    for (size_t offset = 0; offset < 8; ++offset)
      ASSERT_EQ(crc32c_hardware(all.subspan(offset, length), 0x12345678),
                crc32c_portable(all.subspan(offset, length), 0x12345678))
          << "length " << length << ", offset " << offset;
}

TEST(Crc32c, ContinuesFromAnEarlierPart) {
  const std::vector<std::byte> bytes = counting_bytes(8000);
  const std::span<const std::byte> all(bytes);
  const uint32_t whole = crc32c(all);
  for (const size_t cut : {size_t{0}, size_t{1}, size_t{3072}, size_t{7999}, size_t{8000}})
    EXPECT_EQ(crc32c(all.subspan(cut), crc32c(all.first(cut))), whole) << "cut at " << cut;
}

TEST(Hash128, IsFixedForEver) {
  // Disk records carry these hashes: a change of value is a change of the store's format.
  EXPECT_EQ(hash128("").to_string(), "610f45a11794815b7a1ebe9d5a5a9c77");
  EXPECT_EQ(hash128("lockstep").to_string(), "fecabaa056a6d34c73f4b6cf4d5766b3");
  EXPECT_EQ(hash128("lockstep", Hash128{1, 2}).to_string(), "a3e95eb171dae38792f96867ba2ed934");
}

TEST(Hash128, DependsOnTextOrderAndParent) {
  const Hash128 a = hash128("a");
  EXPECT_NE(a, hash128("b"));
  EXPECT_NE(a, hash128(std::string_view("a\0", 2)));
  EXPECT_NE(hash128("b", a), hash128("b"));
  EXPECT_NE(hash128("b", a), hash128("a", hash128("b")));
  EXPECT_NE(hash128("b", a), hash128("ab"));
  EXPECT_NE(hash128("b", Hash128{1, 0}), hash128("b", Hash128{0, 1}));
  EXPECT_EQ(hash128("text"), hash128(bytes_of("text")));
}

TEST(Hash128, NoUnchainedTextCollidesWithAChain) {
  // A text that spells (parent, digest) must not take the chain's value.
  const Hash128 parent = hash128("parent");
  const XXH128_hash_t digest = XXH3_128bits("child", 5);
  const std::array<uint64_t, 4> words{parent.low, parent.high, digest.low64, digest.high64};
  const std::string_view text(reinterpret_cast<const char*>(words.data()), sizeof words);
  EXPECT_NE(hash128(text), hash128("child", parent));
}

TEST(Hash128, PrintsThirtyTwoDigits) {
  EXPECT_EQ((Hash128{0xabc, 0x1}.to_string()), "00000000000000010000000000000abc");
}

}  // namespace
}  // namespace lockstep
