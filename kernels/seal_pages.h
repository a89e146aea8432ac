// What happens to a page once its last token is written: it becomes codes of fewer bits, or gets its summary.
#pragma once

#include "kernels/context.h"
#include "kernels/paged_attention.h"

#include <cstdint>

namespace lockstep {

/// Pages that a batch fills. Arrays of `count` on the context's device; -1 in all three: padding, nothing is done.
struct FilledPages {
  int64_t count = 0;
  const int32_t* open_slots = nullptr;   // where the page was written; not read for KvFormat::kFull
  const int32_t* key_slots = nullptr;    // where it is kept, as a slot of KvPages::base
  const int32_t* value_slots = nullptr;  // another than its key slot: a first page of 8 bits in two slots
};

/// Writes one layer of the pages in their sealed format, from the open pages' dtype and from nothing else: the same
/// codes whichever step wrote the tokens. kFull with summaries: adds the summary to the page in place; without:
/// nothing. Where there is a table of summaries (KvPages::summaries), writes the pages' entries too. Keys of 4 bits and
/// values of 4 bits take, of a few ranges, the one with the least square error. Bits are the same on every instruction
/// set of the CPU. Ranks: local. Throws: ShapeError.
void seal_pages(const OpContext& context, const FilledPages& filled, int64_t layer, const KvPages& pages);

}  // namespace lockstep
