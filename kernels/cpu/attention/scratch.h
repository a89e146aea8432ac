// Where the working memory of an attention tile lies inside its scratch block.
#pragma once

#include "kernels/cpu/attention/tile.h"

namespace lockstep::cpu {
namespace {

/// Sizes are for the widest vectors (16 floats), so that one formula serves every level.
struct Scratch {
  int64_t queries = 0;  // [pairs of dimensions][queries], 8 bytes each
  int64_t scores = 0;   // F32 [queries][padded tokens]: scores, then probabilities
  int64_t sums = 0;     // F32 [queries][padded dimensions]: running P · V
  int64_t totals = 0;   // F32 [queries][16]: running sum of probabilities, a lane each
  int64_t maxima = 0;   // F32 [queries]
  int64_t keys = 0;     // a K block padded to whole vectors
  int64_t values = 0;   // F32 [tokens][padded dimensions]: a widened V block
  // Coded pages only:
  int64_t padded_queries = 0;  // F32 [queries][padded dimensions]
  int64_t packed = 0;          // [queries][2 planes][padded dimensions or tokens] bytes
  int64_t numbers = 0;         // 4 numbers of 4 bytes a query
  int64_t channels = 0;        // F32 [2][padded dimensions]: scales and centres of keys
  int64_t tokens = 0;          // F32 [2][tokens]: scales and centres of values
  int64_t bytes = 0;

  static int64_t round_up(int64_t x) { return (x + 15) / 16 * 16; }

  Scratch(int64_t num_queries, int64_t head_dim, int64_t page_tokens, bool coded) {
    const auto take = [this](int64_t floats) {
      const int64_t begin = bytes;
      bytes += round_up(floats) * 4;
      return begin;
    };
    const int64_t pairs = (head_dim + 1) / 2, dims = round_up(head_dim), page = round_up(page_tokens);
    queries = take(pairs * num_queries * 2);
    scores = take(num_queries * page);
    sums = take(num_queries * dims);
    totals = take(num_queries * 16);
    maxima = take(num_queries);
    keys = take(pairs * page * 2);
    values = take(page_tokens * dims);
    if (!coded) return;
    padded_queries = take(num_queries * dims);
    packed = take(num_queries * 2 * (dims > page ? dims : page) / 4);
    numbers = take(num_queries * 4);
    channels = take(2 * dims);
    tokens = take(2 * page);
  }
};

}  // namespace
}  // namespace lockstep::cpu
