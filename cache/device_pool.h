// A rank's device memory for KV pages: one block, cut into equal slots; for coded pages a second one, of pages that are
// being written; and for sparse attention a table of the pages' summaries.
//
// Which page lies in which slot is told by plans (cache/page_table.h); this is the memory alone. Not thread-safe by
// itself: kernels write where plans say.
#pragma once

#include "core/buffer.h"
#include "kernels/kv_layout.h"
#include "kernels/paged_attention.h"

#include <cstdint>

namespace lockstep {

class DevicePool {
 public:
  /// Sets all pages to 0, so that tokens that were never written are finite numbers. `num_open_slots`: pages of coded
  /// layouts that can be written at a time. `num_summaries`: entries of the table (kernels/page_summaries.h), one for
  /// each slot and for each host slot that attention may read; 0: no table.
  /// Throws: ConfigError for a layout without bytes, no slots, a table of fewer entries than slots, or a coded layout
  /// that has no open slots or whose pages are no multiple of 16 tokens; OutOfMemory.
  DevicePool(const KvLayout& layout, int64_t num_slots, Device device = Device::cpu(), int64_t num_open_slots = 0,
             int64_t num_summaries = 0);

  /// Valid as long as the pool; slot s starts at base + s * layout.page_bytes().
  KvPages pages() const;
  int64_t num_slots() const { return num_slots_; }
  int64_t num_open_slots() const { return num_open_slots_; }
  int64_t bytes() const { return memory_.bytes() + open_memory_.bytes() + summary_memory_.bytes(); }

 private:
  KvLayout layout_;
  int64_t num_slots_, num_open_slots_, num_summaries_;
  Buffer memory_, open_memory_, summary_memory_;
};

}  // namespace lockstep
