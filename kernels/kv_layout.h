// Where keys and values of a token lie inside a KV page. Known to attention and to everything that moves pages.
//
// page = [kv head][layer][K | V]: one (page, head) shard is contiguous, so one transfer moves it.
// K block, V block: see k_offset and v_offset; each (layer) block is padded to 64 bytes.
#pragma once

#include "core/dtype.h"

#include <cstdint>

namespace lockstep {

struct KvLayout {
  int64_t page_tokens = 64;
  int64_t num_kv_heads = 0;  // of this rank
  int64_t num_layers = 0;
  int64_t head_dim = 0;
  DType dtype = DType::kF32;

  /// head_dim rounded up to even: K keeps pairs of dimensions side by side.
  int64_t padded_head_dim() const { return (head_dim + 1) / 2 * 2; }
  int64_t k_bytes() const { return round_up(page_tokens * padded_head_dim() * size_of(dtype)); }
  int64_t v_bytes() const { return round_up(page_tokens * head_dim * size_of(dtype)); }
  int64_t layer_bytes() const { return k_bytes() + v_bytes(); }
  int64_t head_bytes() const { return num_layers * layer_bytes(); }
  int64_t page_bytes() const { return num_kv_heads * head_bytes(); }

  /// Byte offset of the K (V) block of (head, layer) inside a page.
  int64_t k_block(int64_t head, int64_t layer) const { return head * head_bytes() + layer * layer_bytes(); }
  int64_t v_block(int64_t head, int64_t layer) const { return k_block(head, layer) + k_bytes(); }
  /// Element index inside a K block: pairs of dimensions of one token side by side, tokens next, so that one vector
  /// register holds one pair of dimensions of consecutive tokens: [dim / 2][token][dim % 2].
  int64_t k_index(int64_t token, int64_t dim) const { return ((dim / 2) * page_tokens + token) * 2 + dim % 2; }
  /// Element index inside a V block: [token][dim].
  int64_t v_index(int64_t token, int64_t dim) const { return token * head_dim + dim; }

 private:
  static int64_t round_up(int64_t bytes) { return (bytes + 63) / 64 * 64; }
};

}  // namespace lockstep
