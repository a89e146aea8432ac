// A set of strings, and the search for them in a text: leftmost, then longest.
// Built once, then read by any number of threads.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace lockstep {

class TokenTrie {
 public:
  struct Match {
    std::size_t begin = 0, end = 0;
    std::size_t value = 0;
  };

  /// Adds a string that is not empty. One that is already there keeps its value.
  void insert(std::string_view text, std::size_t value);
  bool empty() const { return nodes_.size() == 1; }
  /// The first match that begins at `from` or later; of those that begin there, the longest.
  std::optional<Match> find(std::string_view text, std::size_t from) const;

 private:
  static constexpr uint32_t kNone = ~uint32_t{0};
  struct Node {
    uint8_t byte = 0;              // that leads here
    uint32_t first_child = kNone;  // children are a list: few tokens share a prefix and then differ in many ways
    uint32_t next_sibling = kNone;
    std::size_t value = kNoValue;
  };
  static constexpr std::size_t kNoValue = ~std::size_t{0};

  uint32_t child(uint32_t node, uint8_t byte) const;

  std::vector<Node> nodes_{1};
  std::array<bool, 256> starts_{};  // bytes that begin a string: most positions end here
};

}  // namespace lockstep
