#include "core/text/bpe_model.h"

#include "core/error.h"
#include "core/text/utf8.h"

#include <algorithm>
#include <functional>

namespace lockstep {
namespace {

using Symbol = BpeScratch::Symbol;
using Merge = BpeScratch::Merge;

void add_symbol(std::vector<Symbol>& symbols, int32_t id) {
  const auto at = static_cast<int32_t>(symbols.size());
  if (at > 0) symbols.back().next = at;
  symbols.push_back({id, at - 1, -1, true});
}

}  // namespace

std::optional<TokenId> BpeModel::find(std::string_view token) const {
  const auto found = ids_.find(token);
  if (found == ids_.end()) return std::nullopt;
  return TokenId(found->second);
}

TokenId BpeModel::unknown() const {
  LS_REQUIRE(FormatError, unknown_id_, "{}: unk_token '{}' is needed for a text but is not in the vocabulary", place_,
             *unknown_token_);
  return *unknown_id_;
}

void BpeModel::start_symbols(std::string_view word, std::vector<Symbol>& symbols) const {
  symbols.clear();
  bool unknown_pending = false;
  for (std::size_t at = 0; at < word.size();) {
    const std::string_view character = word.substr(at, utf8_length(word[at]));
    at += character.size();
    if (const auto found = ids_.find(character); found != ids_.end()) {
      if (unknown_pending) add_symbol(symbols, unknown().value());
      unknown_pending = false;
      add_symbol(symbols, found->second);
      continue;
    }
    const auto id_of = [this](char byte) { return byte_ids_[static_cast<uint8_t>(byte)]; };
    if (byte_fallback_ && std::all_of(character.begin(), character.end(), [&](char c) { return id_of(c) >= 0; })) {
      // A pending unknown stays pending: Hugging Face puts it behind the bytes.
      for (const char byte : character) add_symbol(symbols, id_of(byte));
    } else if (unknown_token_) {
      if (unknown_pending && !fuse_unknown_) add_symbol(symbols, unknown().value());
      unknown_pending = true;
    }
  }
  if (unknown_pending) add_symbol(symbols, unknown().value());
}

void BpeModel::merge_symbols(BpeScratch& scratch) const {
  std::vector<Symbol>& symbols = scratch.symbols;
  std::vector<Merge>& queue = scratch.queue;
  queue.clear();
  const auto offer = [&](int32_t left, bool keep_heap) {
    const int32_t right = symbols[static_cast<std::size_t>(left)].next;
    if (right < 0) return;
    const MergeRule* rule =
        merges_.find(symbols[static_cast<std::size_t>(left)].id, symbols[static_cast<std::size_t>(right)].id);
    if (!rule) return;
    queue.push_back({uint64_t{rule->rank} << 32 | static_cast<uint32_t>(left), rule->result});
    if (keep_heap) std::push_heap(queue.begin(), queue.end(), std::greater<>());
  };
  for (std::size_t i = 0; i + 1 < symbols.size(); ++i) offer(static_cast<int32_t>(i), false);
  std::make_heap(queue.begin(), queue.end(), std::greater<>());
  while (!queue.empty()) {
    const Merge top = queue.front();
    std::pop_heap(queue.begin(), queue.end(), std::greater<>());
    queue.pop_back();
    const auto position = static_cast<int32_t>(static_cast<uint32_t>(top.order));
    Symbol& left = symbols[static_cast<std::size_t>(position)];
    if (!left.alive || left.next < 0) continue;
    Symbol& right = symbols[static_cast<std::size_t>(left.next)];
    const MergeRule* rule = merges_.find(left.id, right.id);
    if (!rule || rule->result != top.result) continue;  // the pair changed since it was queued
    left.id = top.result;
    left.next = right.next;
    right.alive = false;
    if (left.next >= 0) symbols[static_cast<std::size_t>(left.next)].previous = position;
    if (left.previous >= 0) offer(left.previous, true);
    offer(position, true);
  }
}

void BpeModel::encode(std::string_view word, BpeScratch& scratch, std::vector<TokenId>& ids) const {
  if (scratch.cache.append(word, ids)) return;
  const std::size_t first = ids.size();
  const auto whole = ignore_merges_ ? ids_.find(word) : ids_.end();
  if (whole != ids_.end()) {
    ids.emplace_back(whole->second);
  } else {
    // Positions are 32-bit; a word of that size would need 30 GB of symbols first.
    LS_REQUIRE(FormatError, word.size() < (uint64_t{1} << 31), "a word of {} bytes cannot be tokenized", word.size());
    start_symbols(word, scratch.symbols);
    merge_symbols(scratch);
    for (const Symbol& symbol : scratch.symbols)
      if (symbol.alive) ids.emplace_back(symbol.id);
  }
  scratch.cache.store(word, std::span(ids).subspan(first));
}

}  // namespace lockstep
