#include "launcher/batch/duplicate_finder.h"

#include <gtest/gtest.h>
#include <map>
#include <random>

namespace lockstep {
namespace {

using Ids = std::vector<std::optional<std::string>>;

/// (row, first) as the finder says, when ids are told as they are.
std::vector<std::pair<int64_t, int64_t>> find(const Ids& ids, int64_t* num_reads = nullptr) {
  DuplicateFinder finder;
  for (const auto& id : ids) finder.add(id);
  std::vector<std::pair<int64_t, int64_t>> found;
  for (const auto& [row, first] : finder.find([&](int64_t row) {
         if (num_reads != nullptr) ++*num_reads;
         return ids[static_cast<size_t>(row)];
       }))
    found.emplace_back(row, first);
  return found;
}

TEST(DuplicateFinder, FindsWhatAMapFinds) {
  std::mt19937 random(3);
  for (const uint32_t num_names : {1u, 2u, 50u, 5000u, 100000u}) {
    Ids ids;
    std::map<std::string, int64_t> first_rows;
    std::vector<std::pair<int64_t, int64_t>> expected;
    for (int64_t row = 0; row < 20000; ++row) {
      if (random() % 10 == 0) {
        ids.emplace_back();
        continue;
      }
      ids.emplace_back("id " + std::to_string(random() % num_names));
      const auto [found, is_new] = first_rows.try_emplace(*ids.back(), row);
      if (!is_new) expected.emplace_back(row, found->second);
    }
    EXPECT_EQ(find(ids), expected) << num_names;
  }
}

TEST(DuplicateFinder, ReadsNothingWithoutDuplicates) {
  Ids ids{{}, {}, ""};
  for (int i = 0; i < 10000; ++i) ids.emplace_back(std::to_string(i));
  int64_t num_reads = 0;
  EXPECT_TRUE(find(ids, &num_reads).empty());
  EXPECT_EQ(num_reads, 0);
}

TEST(DuplicateFinder, TheIdsDecideNotTheirHashes) {
  // What was added as one id is told apart by reading: as if hashes collided.
  DuplicateFinder finder;
  for (int i = 0; i < 6; ++i) finder.add("same");
  const Ids read{"a", "b", "a", {}, "b", "c"};
  const auto found = finder.find([&](int64_t row) { return read[static_cast<size_t>(row)]; });
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].row, 2);
  EXPECT_EQ(found[0].first, 0);
  EXPECT_EQ(found[1].row, 4);
  EXPECT_EQ(found[1].first, 1);
}

}  // namespace
}  // namespace lockstep
