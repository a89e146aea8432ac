// How the CPU's bodies write an entry of the table of summaries.
#pragma once

#include "kernels/page_summaries.h"

namespace lockstep::cpu {

/// The entry of one layer and head of a sealed page, from what the page holds. Pages that have a table only.
void write_summary(const KvPages& pages, const IndexedPage& page, int64_t layer, int64_t head);

}  // namespace lockstep::cpu
