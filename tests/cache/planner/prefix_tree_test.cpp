#include "cache/planner/prefix_tree.h"

#include "cache/policy/lru.h"
#include "core/error.h"
#include "tests/cache/planner_steps.h"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

class PrefixTreeTest : public testing::Test {
 protected:
  // Keys of a chain of one-token pages.
  static std::vector<Hash128> chain_of(const std::vector<TokenId>& tokens) {
    std::vector<Hash128> chain;
    for (const TokenId& token : tokens) {
      chain.push_back(page_key(chain.empty() ? Hash128{} : chain.back(), std::span(&token, 1)));
    }
    return chain;
  }
  // Inserts what is missing of a chain; every node is referenced once more.
  std::vector<PrefixTree::Node*> hold(const std::vector<Hash128>& chain) {
    std::vector<PrefixTree::Node*> nodes;
    for (const Hash128& key : chain) {
      PrefixTree::Node* node = tree_.find(key);
      if (node != nullptr) {
        tree_.reference(*node, 0);
      } else {
        node = &tree_.insert(key, nodes.empty() ? nullptr : nodes.back(), {PageId(next_page_++), SlotId(0)}, 0,
                             /*is_output=*/false);
      }
      nodes.push_back(node);
    }
    return nodes;
  }
  void let_go(const std::vector<PrefixTree::Node*>& nodes, uint64_t now) {
    for (auto node = nodes.rbegin(); node != nodes.rend(); ++node) tree_.release(**node, now);
  }
  int64_t evicted() {
    PrefixTree::Node* victim = tree_.device_victim();
    if (victim == nullptr) return -1;
    const int64_t page = victim->page.page.value();
    tree_.set_slot(*victim, SlotId(-1));
    tree_.remove(*victim, 0);
    return page;
  }

  LruPolicy policy_;
  PlannedReaders readers_;
  PrefixTree tree_{policy_, readers_};
  int64_t next_page_ = 0;
};

TEST_F(PrefixTreeTest, AKeyStandsForTheWholePrefix) {
  const auto tokens = tokens_from(1, 4);
  const auto pair = std::span(tokens).first(2);
  EXPECT_EQ(page_key({1, 2}, pair), page_key({1, 2}, pair));
  EXPECT_NE(page_key({1, 2}, pair), page_key({1, 3}, pair));
  EXPECT_NE(page_key({1, 2}, pair), page_key({1, 2}, std::span(tokens).last(2)));
}

TEST_F(PrefixTreeTest, FindsTheLongestCachedPrefix) {
  const auto chain = chain_of(tokens_from(1, 9));
  EXPECT_EQ(tree_.num_cached(chain), 0);
  for (size_t length = 1; length <= chain.size(); ++length) {
    hold({chain.begin(), chain.begin() + static_cast<int64_t>(length)});
    EXPECT_EQ(tree_.num_cached(chain), static_cast<int64_t>(length));
  }
  EXPECT_EQ(tree_.num_cached(std::span(chain).first(3)), 3);
  EXPECT_EQ(tree_.num_cached(chain_of(tokens_from(2, 5))), 0);
}

TEST_F(PrefixTreeTest, ReferencedPagesAreNotEvicted) {
  const auto nodes = hold(chain_of(tokens_from(1, 3)));
  EXPECT_EQ(evicted(), -1);
  EXPECT_EQ(tree_.num_unreferenced(), 0);
  let_go(nodes, 1);
  EXPECT_EQ(tree_.num_unreferenced(), 3);
  EXPECT_EQ(evicted(), 2);
  EXPECT_EQ(evicted(), 1);
  EXPECT_EQ(evicted(), 0);
  EXPECT_EQ(evicted(), -1);
  EXPECT_EQ(tree_.num_pages(), 0);
}

TEST_F(PrefixTreeTest, AParentStaysWhileAChildIsReferenced) {
  const auto stem = tokens_from(1, 2);
  const auto left = hold(chain_of(joined(stem, tokens_from(10, 1))));   // pages 0 1 2
  const auto right = hold(chain_of(joined(stem, tokens_from(20, 1))));  // pages 0 1 3
  let_go(left, 1);
  EXPECT_EQ(evicted(), 2);
  EXPECT_EQ(evicted(), -1);
  tree_.checked_nodes();
  let_go(right, 2);
  EXPECT_EQ(evicted(), 3);
  EXPECT_EQ(evicted(), 1);
}

TEST_F(PrefixTreeTest, AnotherUseMakesALeafYounger) {
  const auto a = chain_of(tokens_from(1, 1)), b = chain_of(tokens_from(2, 1)), c = chain_of(tokens_from(3, 1));
  let_go(hold(a), 1);
  let_go(hold(b), 2);
  let_go(hold(c), 2);
  let_go(hold(a), 3);
  EXPECT_EQ(evicted(), 2);  // b and c are equally old: the higher page first
  EXPECT_EQ(evicted(), 1);
  EXPECT_EQ(evicted(), 0);
}

TEST_F(PrefixTreeTest, ClaimsLastUntilTheyAreCleared) {
  EXPECT_FALSE(tree_.is_claimed({1, 1}));
  tree_.claim({1, 1});
  EXPECT_TRUE(tree_.is_claimed({1, 1}));
  tree_.clear_claims();
  EXPECT_FALSE(tree_.is_claimed({1, 1}));
}

TEST_F(PrefixTreeTest, MisuseIsAFault) {
  const auto nodes = hold(chain_of(tokens_from(1, 2)));
  EXPECT_THROW(tree_.remove(*nodes[1], 0), Error);                                               // referenced
  EXPECT_THROW(tree_.insert(nodes[1]->key, nodes[0], {PageId(9), SlotId(0)}, 0, false), Error);  // there already
  let_go(nodes, 1);
  EXPECT_THROW(tree_.remove(*nodes[0], 0), Error);  // has a child
  EXPECT_THROW(tree_.release(*nodes[0], 1), Error);
  EXPECT_THROW(tree_.insert({5, 5}, nodes[1], {PageId(9), SlotId(0)}, 0, false), Error);  // under a page that may leave
}

}  // namespace
}  // namespace lockstep
