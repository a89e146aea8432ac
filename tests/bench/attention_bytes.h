// Bytes that attention of one token takes from memory, of one layer and KV head: what the benches' shares are made of.
#pragma once

#include "kernels/kv_layout.h"

#include <cstdint>
#include <span>

namespace lockstep::test {

/// Of the listed pages, ascending, the last one the token's own: that one in the model's dtype, page 0 with 8 bits
/// where it takes two slots, all others as they are sealed. Codes count with their scales and summaries, which lie
/// among them; the summary of a page in the model's dtype is not read.
int64_t attended_bytes(const KvLayout& layout, int64_t layer, std::span<const int32_t> pages);

/// The same of all pages up to the token's own.
int64_t dense_bytes(const KvLayout& layout, int64_t layer, int64_t own_page);

/// Of the table of summaries: entries of all pages before the token's own.
int64_t selection_bytes(const KvLayout& layout, int64_t own_page);

}  // namespace lockstep::test
