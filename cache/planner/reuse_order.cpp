#include "cache/planner/reuse_order.h"

#include <algorithm>
#include <unordered_map>

namespace lockstep {
namespace {

// A page that requests share, or their common root.
struct Branch {
  std::vector<size_t> children;  // branches, in the order of their first requests
  std::vector<size_t> requests;  // that end here
  int64_t work = 0;              // tokens of the subtree, shared ones once, and generated ones
};

class Forest {
 public:
  Forest(std::span<const QueuedRequest> requests, int64_t page_tokens)
      : requests_(requests), page_tokens_(page_tokens) {
    branches_.emplace_back();
    for (size_t i = 0; i < requests.size(); ++i) add(i);
    // Children have higher numbers than their parents.
    for (size_t branch = branches_.size(); branch-- > 0;) {
      std::vector<size_t>& children = branches_[branch].children;
      for (const size_t child : children) branches_[branch].work += branches_[child].work;
      std::stable_sort(children.begin(), children.end(),
                       [&](size_t a, size_t b) { return branches_[a].work > branches_[b].work; });
    }
  }

  // Requests without a full page are groups of their own.
  std::vector<std::vector<size_t>> groups() const {
    std::vector<std::vector<size_t>> groups;
    for (const size_t child : branches_[0].children) groups.push_back(depth_first(child));
    for (const size_t request : branches_[0].requests) groups.push_back({request});
    return groups;
  }
  /// Tokens that the requests compute when they follow each other in this order.
  int64_t computed_tokens(const std::vector<size_t>& group) const {
    int64_t total = 0;
    std::span<const Hash128> before;
    for (const size_t request : group) {
      const QueuedRequest& one = requests_[request];
      const auto shared = std::mismatch(before.begin(), before.end(), one.keys.begin(), one.keys.end()).first;
      total += std::max<int64_t>(one.num_tokens - (shared - before.begin()) * page_tokens_, 1);
      before = one.keys;
    }
    return total;
  }

 private:
  void add(size_t index) {
    const QueuedRequest& request = requests_[index];
    size_t at = 0;
    for (const Hash128& key : request.keys) {
      const auto [found, is_new] = by_key_.try_emplace(key, branches_.size());
      if (is_new) {
        branches_[at].children.push_back(branches_.size());
        branches_.emplace_back().work = page_tokens_;
      }
      at = found->second;
    }
    branches_[at].requests.push_back(index);
    branches_[at].work += request.num_tokens - static_cast<int64_t>(request.keys.size()) * page_tokens_;
    branches_[at].work += request.max_new_tokens;
  }

  // Without recursion: prompts have thousands of pages.
  std::vector<size_t> depth_first(size_t root) const {
    std::vector<size_t> order, stack{root};
    while (!stack.empty()) {
      const Branch& branch = branches_[stack.back()];
      stack.pop_back();
      order.insert(order.end(), branch.requests.begin(), branch.requests.end());
      stack.insert(stack.end(), branch.children.rbegin(), branch.children.rend());
    }
    return order;
  }

  std::span<const QueuedRequest> requests_;
  int64_t page_tokens_;
  std::vector<Branch> branches_;
  std::unordered_map<Hash128, size_t> by_key_;
};

struct Group {
  std::vector<size_t> requests;
  int64_t computed = 0, generated = 0;
  size_t num_taken = 0;
};

// Computed tokens per generated one, compared without division.
bool is_heavier_in_prompts(const Group& a, const Group& b) {
  return a.computed * b.generated > b.computed * a.generated;
}

// Two scans, from both ends of the scale: the one whose kind of work is behind goes on.
std::vector<size_t> mix_both_ends(std::vector<Group> groups) {
  std::stable_sort(groups.begin(), groups.end(), is_heavier_in_prompts);
  int64_t all_computed = 0, all_generated = 0;
  for (const Group& group : groups) {
    all_computed += group.computed;
    all_generated += group.generated;
  }
  double computed = 0, generated = 0;  // shares of all
  std::vector<size_t> order;
  size_t first = 0, last = groups.size() - 1;
  while (first <= last) {
    Group& group = groups[computed <= generated ? first : last];
    order.push_back(group.requests[group.num_taken++]);
    const auto size = static_cast<double>(group.requests.size());
    computed += static_cast<double>(group.computed) / size / static_cast<double>(all_computed);
    generated += static_cast<double>(group.generated) / size / static_cast<double>(all_generated);
    if (group.num_taken < group.requests.size()) continue;
    if (&group == &groups[first]) {
      ++first;
    } else {
      --last;
    }
  }
  return order;
}

}  // namespace

std::vector<size_t> reuse_order(std::span<const QueuedRequest> requests, int64_t page_tokens) {
  const Forest forest(requests, page_tokens);
  std::vector<Group> groups;
  for (std::vector<size_t>& members : forest.groups()) {
    Group& group = groups.emplace_back();
    group.computed = forest.computed_tokens(members);
    for (const size_t request : members) group.generated += std::max<int64_t>(requests[request].max_new_tokens, 1);
    group.requests = std::move(members);
  }
  if (groups.empty()) return {};
  const auto [lightest, heaviest] = std::minmax_element(
      groups.begin(), groups.end(), [](const Group& a, const Group& b) { return is_heavier_in_prompts(b, a); });
  // Less than twice apart, mixing would gain nothing.
  if (heaviest->computed * lightest->generated >= 2 * lightest->computed * heaviest->generated) {
    return mix_both_ends(std::move(groups));
  }
  std::vector<size_t> order;
  for (const Group& group : groups) order.insert(order.end(), group.requests.begin(), group.requests.end());
  return order;
}

}  // namespace lockstep
