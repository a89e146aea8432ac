// Byte-pair encoding: the `model` of a tokenizer file. A word becomes its characters' tokens, which merge pair by pair
// in the order of the merge list until no rule applies.
//
// The merges go through a priority queue over a linked list of symbols: O(n log n) for a word of n characters, so a
// megabyte without a space is no trap. Source: Sennrich et al. 2016; ties go to the leftmost pair.
// Thread-safety: const members may be called from any number of threads, each with its own BpeScratch.
#pragma once

#include "core/checkpoint/json_reader.h"
#include "core/ids.h"
#include "core/text/merge_table.h"
#include "core/text/word_cache.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace lockstep {

/// Memory of one encoding thread: known words, and the symbols and queue of the word at hand.
struct BpeScratch {
  struct Symbol {
    int32_t id;
    int32_t previous, next;  // -1: none
    bool alive;
  };
  struct Merge {
    uint64_t order;  // rank, then position
    int32_t result;
    bool operator>(const Merge& other) const { return order > other.order; }
  };
  WordCache cache;
  std::vector<Symbol> symbols;
  std::vector<Merge> queue;  // a heap, lowest order first
};

class BpeModel {
 public:
  BpeModel(BpeModel&&) = default;  // not copyable: the keys of one map refer to its own strings
  BpeModel& operator=(BpeModel&&) = default;

  /// Reads the `model` object. Throws FormatError for another type than BPE, dropout, affixes, a merge whose parts or
  /// result are not in the vocabulary.
  static BpeModel read(const JsonObject& model);

  /// Appends the ids of a word. A character outside the vocabulary becomes its bytes (byte_fallback), else the unknown
  /// token, else nothing. Throws FormatError if the unknown token itself is not in the vocabulary.
  void encode(std::string_view word, BpeScratch& scratch, std::vector<TokenId>& ids) const;

  std::optional<TokenId> find(std::string_view token) const;
  /// Tokens by id; ids that the vocabulary leaves out hold nullopt.
  const std::vector<std::optional<std::string>>& tokens() const { return tokens_; }
  /// Number of tokens (not of ids).
  int64_t num_tokens() const { return static_cast<int64_t>(ids_.size()); }

 private:
  BpeModel() = default;
  void read_vocabulary(const JsonObject& model);
  void read_merges(const JsonObject& model);
  void start_symbols(std::string_view word, std::vector<BpeScratch::Symbol>& symbols) const;
  void merge_symbols(BpeScratch& scratch) const;
  TokenId unknown() const;

  std::vector<std::optional<std::string>> tokens_;
  std::unordered_map<std::string_view, int32_t> ids_;  // keys refer to tokens_
  MergeTable merges_{0};
  std::array<int32_t, 256> byte_ids_{};  // ids of <0x00> … <0xFF>; -1 where absent
  std::optional<std::string> unknown_token_;
  std::optional<TokenId> unknown_id_;
  std::string place_;
  bool fuse_unknown_ = false;
  bool byte_fallback_ = false;
  bool ignore_merges_ = false;
};

}  // namespace lockstep
