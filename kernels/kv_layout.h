// Where keys and values of a token lie inside a KV page. Known to attention and to everything that moves pages.
//
// page = [kv head][layer][K | V | summary]: one (page, head) shard is contiguous, so one transfer moves it.
// K block, V block: see k_offset and v_offset; each block is padded to 64 bytes.
//
// A page that is being written holds the model's dtype (KvFormat::kFull). Once full it is sealed: in a format of fewer
// bits its codes go to another slot, as kernels/kv_codes.h says, and the open page is given up.
#pragma once

#include "core/dtype.h"
#include "core/layer_set.h"

#include <cstdint>
#include <string_view>

namespace lockstep {

/// Bits of keys and values of sealed pages: keys per channel over the page, values per token.
enum class KvFormat : uint8_t {
  kFull = 0,  // the model's dtype
  kKv8 = 1,   // keys and values of 8 bits
  kK8v4 = 2,  // keys of 8, values of 4
  kKv4 = 3,   // both of 4, but keys of 8 in the layers of KvLayout::wide_keys
};

/// full, kv8, k8v4 or kv4.
std::string_view name_of(KvFormat format);
/// Throws ConfigError naming the accepted names.
KvFormat parse_kv_format(std::string_view name);

struct KvLayout {
  int64_t page_tokens = 64;  // a multiple of 16 but for kFull
  int64_t num_kv_heads = 0;  // of this rank
  int64_t num_layers = 0;
  int64_t head_dim = 0;
  DType dtype = DType::kF32;
  KvFormat format = KvFormat::kFull;
  LayerSet wide_keys = {};     // kKv4 only
  bool has_summaries = false;  // kFull only: mean and deviation of every channel behind V; codes carry them anyway

  bool is_coded() const { return format != KvFormat::kFull; }
  /// head_dim rounded up to even: K keeps pairs of dimensions side by side.
  int64_t padded_head_dim() const { return (head_dim + 1) / 2 * 2; }
  /// head_dim as codes have it: their words hold four dimensions, or eight of 4 bits.
  int64_t coded_head_dim() const { return (head_dim + 7) / 8 * 8; }
  int64_t k_bits(int64_t layer) const { return format == KvFormat::kKv4 && !wide_keys.contains(layer) ? 4 : 8; }
  int64_t v_bits() const { return format == KvFormat::kKv8 ? 8 : 4; }

  int64_t k_bytes(int64_t layer) const { return is_coded() ? k_code_bytes(k_bits(layer)) : full_k_bytes(); }
  int64_t v_bytes() const { return is_coded() ? v_code_bytes(v_bits()) : full_v_bytes(); }
  int64_t summary_bytes() const { return has_summaries ? round_up(coded_head_dim() * 4) : 0; }
  /// A layer's part of a head.
  LayerBlocks layer_blocks() const {
    const int64_t rest = v_bytes() + summary_bytes();
    if (!is_coded()) return {num_layers, full_k_bytes() + rest, 0, {}};
    const int64_t bits = format == KvFormat::kKv4 ? 4 : 8;
    return {num_layers, least(k_code_bytes(bits) + rest), least(k_code_bytes(8) + rest), wide_keys};
  }
  int64_t layer_bytes(int64_t layer) const { return layer_blocks().bytes_of(layer); }
  int64_t head_bytes() const { return layer_blocks().total(); }
  int64_t page_bytes() const { return num_kv_heads * head_bytes(); }

  /// The first page of a sequence is never below 8 bits. Where a slot does not hold that, it takes two: keys in the
  /// first, values in the second, each at k_block().
  bool splits_first_page() const { return is_coded() && format != KvFormat::kKv8; }
  /// Slots of the pages of `tokens` tokens of one sequence.
  int64_t slots_for(int64_t tokens) const {
    const int64_t pages = (tokens + page_tokens - 1) / page_tokens;
    return pages + (pages > 0 && splits_first_page() ? 1 : 0);
  }

  /// Byte offset of the K (V, summary) block of (head, layer) inside a page.
  int64_t k_block(int64_t head, int64_t layer) const { return head * head_bytes() + layer_blocks().offset_of(layer); }
  int64_t v_block(int64_t head, int64_t layer) const { return k_block(head, layer) + k_bytes(layer); }
  int64_t summary_block(int64_t head, int64_t layer) const { return v_block(head, layer) + v_bytes(); }
  /// Element index inside a K block of kFull: pairs of dimensions of one token side by side, tokens next, so that one
  /// vector register holds one pair of dimensions of consecutive tokens: [dim / 2][token][dim % 2].
  int64_t k_index(int64_t token, int64_t dim) const { return ((dim / 2) * page_tokens + token) * 2 + dim % 2; }
  /// Element index inside a V block of kFull: [token][dim].
  int64_t v_index(int64_t token, int64_t dim) const { return token * head_dim + dim; }

  /// Bytes of a block of codes with its scales (kernels/kv_codes.h).
  int64_t k_code_bytes(int64_t bits) const {
    return round_up(page_tokens * coded_head_dim() * bits / 8 + coded_head_dim() * (bits == 4 ? 5 : 4));
  }
  int64_t v_code_bytes(int64_t bits) const {
    return round_up(page_tokens * coded_head_dim() * bits / 8 + page_tokens * (bits == 4 ? 4 : 2));
  }

 private:
  static int64_t round_up(int64_t bytes) { return (bytes + 63) / 64 * 64; }
  int64_t full_k_bytes() const { return round_up(page_tokens * padded_head_dim() * size_of(dtype)); }
  int64_t full_v_bytes() const { return round_up(page_tokens * head_dim * size_of(dtype)); }
  /// Either half of a first page must fit.
  int64_t least(int64_t bytes) const {
    const int64_t half = k_code_bytes(8) > v_code_bytes(8) ? k_code_bytes(8) : v_code_bytes(8);
    return splits_first_page() && bytes < half ? half : bytes;
  }
};

}  // namespace lockstep
