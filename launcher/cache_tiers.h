// What a rank has below its device's pages: host memory and the disk store. The engine moves pages between them
// (launcher/engine.h); sizes come from launcher/runtime/sizing.h.
#pragma once

#include "cache/disk/disk_store.h"
#include "cache/planner.h"
#include "cache/transfer/fault_plan.h"
#include "cache/transfer/host_pool.h"
#include "cache/transfer/page_file.h"
#include "dist/communicator.h"
#include "kernels/kv_layout.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace lockstep {

/// Equal on every rank of a group, but for faults.
struct TierSizes {
  int64_t host_slots = 0;                  // 0 = the device is the only tier
  bool are_slots_by_bytes = false;         // cut from a number of bytes: of wider pages there are fewer
  KvFormat cold_format = KvFormat::kFull;  // kFull: pages of the host keep their format
  double compression_ratio = 0.0;          // see fit_cold_slots()
  int64_t host_bytes = 0;                  // with a cold format: of slots of both kinds
  int64_t cold_slots = 0;
  std::string disk_dir;  // "" = no disk
  int64_t disk_bytes = 0;
  std::string disk_io = "auto";
  int32_t disk_packing_level = 0;  // of zstd; 0 = pages lie on the disk as they are
  bool persist = true;
  bool may_bypass = false;
  int64_t workers = 2;
  std::chrono::milliseconds timeout{30'000};
  std::vector<FaultRule> faults = {};
};

/// The format in words, with the layers it treats apart: "kv4, keys of 8 bits in layers 0,3".
std::string format_text(const KvLayout& layout);

/// The layout of pages in the cold format. `wide_keys`: layers whose keys keep 8 bits in kKv4.
KvLayout cold_layout_of(const KvLayout& layout, KvFormat cold, const LayerSet& wide_keys);

/// Cuts sizes.host_bytes into slots of the canonical and of the cold format, so that pages have compression_ratio of
/// the bytes of full precision on average. 0: as few of the canonical one as first pages of sequences will take. Throws
/// ConfigError for a ratio below what the cold format takes, and bytes that hold too few pages.
void fit_cold_slots(TierSizes& sizes, const KvLayout& layout, const KvLayout& cold);

class CacheTiers {
 public:
  /// `content`: whatever decides the bits of a page. `heads`: KV heads of the model that this rank has. `node_size`:
  /// ranks of the job on this node, which write into the same directory. Ranks: local.
  /// Throws: OutOfMemory, ConfigError, IoError.
  /// `cold`: the layout of sizes.cold_slots.
  CacheTiers(const TierSizes& sizes, const KvLayout& layout, HeadRange heads, const Hash128& content, int32_t node_size,
             Device device, const KvLayout& cold = {});
  ~CacheTiers();
  CacheTiers(const CacheTiers&) = delete;
  CacheTiers& operator=(const CacheTiers&) = delete;

  /// The part that all ranks of the group have: the least capacities, and the pages that every rank can read.
  /// Ranks: collective.
  TierConfig agree(Communicator& group) const;

  HostPool& host() { return *host_; }
  /// nullptr: no disk.
  PageFile* file() { return file_.get(); }
  const DiskStore* store() const { return store_.get(); }

 private:
  class StoreFile;

  TierSizes sizes_;
  std::unique_ptr<HostPool> host_;
  std::unique_ptr<DiskStore> store_;
  std::unique_ptr<PageFile> file_;
};

}  // namespace lockstep
