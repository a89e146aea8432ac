#include "launcher/batch/stop_matcher.h"

#include <gtest/gtest.h>
#include <random>

namespace lockstep {
namespace {

struct Outcome {
  std::string text;
  bool is_stopped;
  bool operator==(const Outcome&) const = default;
};

/// Feeds `text` in pieces of `piece_bytes`.
Outcome run(const std::vector<std::string>& stops, std::string_view text, size_t piece_bytes) {
  StopMatcher matcher(stops);
  std::string out;
  for (; !text.empty() && !matcher.is_stopped(); text.remove_prefix(std::min(piece_bytes, text.size())))
    out += matcher.push(text.substr(0, piece_bytes));
  out += matcher.finish();
  return {out, matcher.is_stopped()};
}

/// The rule itself, written plainly: the match that ends first, then the longest.
Outcome expected(const std::vector<std::string>& stops, std::string_view text) {
  for (size_t end = 1; end <= text.size(); ++end) {
    size_t longest = 0;
    for (const std::string& stop : stops)
      if (text.substr(0, end).ends_with(stop)) longest = std::max(longest, stop.size());
    if (longest > 0) return {std::string(text.substr(0, end - longest)), true};
  }
  return {std::string(text), false};
}

TEST(StopMatcher, CutsBeforeTheStopString) {
  EXPECT_EQ(run({"END"}, "one END two", 100), (Outcome{"one ", true}));
  EXPECT_EQ(run({"END"}, "one EN", 100), (Outcome{"one EN", false}));
  EXPECT_EQ(run({}, "anything", 3), (Outcome{"anything", false}));
  EXPECT_EQ(run({"a"}, "a", 1), (Outcome{"", true}));
}

TEST(StopMatcher, HoldsBackAPossibleBeginning) {
  const std::vector<std::string> stops{"\n\nQ:"};
  StopMatcher matcher(stops);
  EXPECT_EQ(matcher.push("yes\n"), "yes");
  EXPECT_EQ(matcher.push("\n"), "");
  EXPECT_EQ(matcher.push("\n"), "\n");  // the last two may still begin it
  EXPECT_EQ(matcher.push("Q"), "");
  EXPECT_FALSE(matcher.is_stopped());
  EXPECT_EQ(matcher.push(": more"), "");
  EXPECT_TRUE(matcher.is_stopped());
  EXPECT_EQ(matcher.push("ignored"), "");
  EXPECT_EQ(matcher.finish(), "");
}

TEST(StopMatcher, EmptyPiecesChangeNothing) {
  const std::vector<std::string> stops{"ab"};
  StopMatcher matcher(stops);
  EXPECT_EQ(matcher.push("xa"), "x");
  EXPECT_EQ(matcher.push(""), "");
  EXPECT_EQ(matcher.push("b"), "");
  EXPECT_TRUE(matcher.is_stopped());
}

TEST(StopMatcher, FirstCompleteMatchWins) {
  EXPECT_EQ(run({"abcde", "cd"}, "xabcdef", 100), (Outcome{"xab", true}));
  EXPECT_EQ(run({"d", "bcd"}, "abcd", 100), (Outcome{"a", true}));  // both end there: the longest
  EXPECT_EQ(run({"zz", "yy"}, "1yy2zz", 2), (Outcome{"1", true}));
}

TEST(StopMatcher, NeverCutsACharacter) {
  // U+00E9 and U+00E8 share their first byte; whole characters come in, whole characters go out.
  const std::vector<std::string> stops{"\xC3\xA9nd", "\xF0\x9F\x98\x80!"};
  StopMatcher matcher(stops);
  EXPECT_EQ(matcher.push("\xC3\xA8"), "\xC3\xA8");
  EXPECT_EQ(matcher.push("\xC3\xA9"), "");
  EXPECT_EQ(matcher.push("x"), "\xC3\xA9x");
  EXPECT_EQ(matcher.push("\xF0\x9F\x98\x80"), "");
  EXPECT_EQ(matcher.push("!"), "");
  EXPECT_TRUE(matcher.is_stopped());
}

TEST(StopMatcher, RandomTextAgreesWithTheRuleForEveryCutting) {
  std::mt19937 random(1);
  const auto random_text = [&](size_t most) {
    std::string text(1 + random() % most, ' ');
    for (char& c : text) c = static_cast<char>('a' + random() % 2);  // two letters: many overlaps
    return text;
  };
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::string> stops(1 + random() % 4);
    for (std::string& stop : stops) stop = random_text(7);
    const std::string text = random_text(40);
    for (const size_t piece : {1, 2, 3, 5, 40}) ASSERT_EQ(run(stops, text, piece), expected(stops, text)) << text;
  }
}

}  // namespace
}  // namespace lockstep
