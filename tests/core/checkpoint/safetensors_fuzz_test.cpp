// Damaged files: whatever happens to the bytes, the answer is a readable file or a FormatError, and every view lies in
// the file. Run under AddressSanitizer this also proves that nothing else is touched.
#include "core/checkpoint/safetensors_header.h"
#include "core/error.h"
#include "core/philox.h"
#include "tests/support/checkpoint_writer.h"

#include <algorithm>
#include <gtest/gtest.h>

namespace lockstep {
namespace {

using testing_support::stored;

std::string valid_file() {
  const std::vector<float> values(12, 1.0F);
  const std::vector<testing_support::StoredTensor> tensors{
      stored("model.embed_tokens.weight", DType::kF32, {4, 3}, values),
      stored("model.norm.weight", DType::kBF16, {3}, std::span(values).first(3)),
      stored("empty", DType::kF16, {0, 3}, {})};
  return safetensors_file(tensors);
}

/// A draw below `bound` from a sequence that is the same on every machine.
class Draws {
 public:
  explicit Draws(uint64_t seed) : seed_(seed) {}
  size_t below(size_t bound) { return philox4x32({next_++, 0, 0, 0}, {static_cast<uint32_t>(seed_), 0})[0] % bound; }

 private:
  uint64_t seed_;
  uint32_t next_ = 0;
};

/// True if accepted; false on a FormatError. Anything else fails the test.
bool try_file(const std::string& file) {
  // An exact heap copy, so that AddressSanitizer sees one byte too far.
  const std::vector<char> copy(file.begin(), file.end());
  try {
    const SafetensorsHeader header = parse_safetensors_header(std::as_bytes(std::span(copy)), "damaged");
    const int64_t data_bytes = static_cast<int64_t>(copy.size()) - header.data_offset;
    for (const auto& [name, entry] : header.entries) {
      EXPECT_GE(entry.begin, 0);
      EXPECT_LE(entry.begin, entry.end);
      EXPECT_LE(entry.end, data_bytes);
      for (const int64_t dim : entry.shape) EXPECT_GE(dim, 0);
    }
    return true;
  } catch (const FormatError& error) {
    EXPECT_EQ(std::string(error.what()).rfind("damaged", 0), 0U) << error.what();
    return false;
  }
}

TEST(SafetensorsFuzz, EveryTruncationIsRefused) {
  const std::string file = valid_file();
  ASSERT_TRUE(try_file(file));
  for (size_t length = 0; length < file.size(); ++length) EXPECT_FALSE(try_file(file.substr(0, length))) << length;
}

TEST(SafetensorsFuzz, EverySingleBitFlipIsHandled) {
  const std::string file = valid_file();
  int accepted = 0;
  for (size_t bit = 0; bit < 8 * file.size(); ++bit) {
    std::string damaged = file;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    accepted += try_file(damaged);
  }
  EXPECT_GT(accepted, 0) << "a flip in a tensor's name or data leaves a valid file";
}

TEST(SafetensorsFuzz, RandomDamageIsHandled) {
  const std::string file = valid_file();
  constexpr char kInteresting[] = "{}[]\",:-+.eE0123456789 \\unF\x00\x7f\xff";
  int refused = 0;
  constexpr int kRounds = 20000;
  for (int round = 0; round < kRounds; ++round) {
    Draws draws(static_cast<uint64_t>(round));
    std::string damaged = file;
    for (size_t edits = 1 + draws.below(6); edits > 0; --edits) {
      // Mostly in the header's text, where damage is interesting; sometimes in its length.
      const size_t place = draws.below(16) == 0 ? draws.below(8) : 8 + draws.below(damaged.size() - 8);
      const char byte = kInteresting[draws.below(sizeof kInteresting)];
      switch (draws.below(4)) {
        case 0: damaged[place] = static_cast<char>(draws.below(256)); break;
        case 1: damaged[place] = byte; break;
        case 2: damaged.insert(place, 1, byte); break;
        default: damaged.erase(place, 1 + draws.below(std::min<size_t>(4, damaged.size() - place))); break;
      }
      if (damaged.size() <= 16) break;
    }
    refused += !try_file(damaged);
  }
  EXPECT_GT(refused, kRounds / 2);
}

}  // namespace
}  // namespace lockstep
