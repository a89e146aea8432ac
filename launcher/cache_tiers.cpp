#include "launcher/cache_tiers.h"

#include "core/error.h"
#include "core/log.h"

#include <algorithm>
#include <utility>

namespace lockstep {

// The mover's view of the store.
class CacheTiers::StoreFile final : public PageFile {
 public:
  explicit StoreFile(DiskStore& store) : store_(store) {}

  std::vector<Result> write(std::span<const Write> pages) override {
    std::vector<DiskStore::Write> writes;
    for (const Write& page : pages) writes.push_back({page.key, page.heads, page.layer_crcs, page.number - 1});
    return store_.write(writes);
  }
  std::vector<Result> read(std::span<const Read> pages) override {
    std::vector<DiskStore::Read> reads;
    for (const Read& page : pages) reads.push_back({page.key, page.heads, page.layer_crcs});
    return store_.read(reads);
  }
  Result forget(std::span<const Hash128> keys) override { return store_.forget(keys); }

 private:
  DiskStore& store_;
};

namespace {

RecordShape record_shape(const KvLayout& layout) {
  const LayerBlocks blocks = layout.layer_blocks();
  return {blocks.num_layers, blocks.bytes, blocks.wide_bytes, blocks.wide};
}

}  // namespace

CacheTiers::CacheTiers(const TierSizes& sizes, const KvLayout& layout, HeadRange heads, const Hash128& content,
                       int32_t node_size, Device device, const KvLayout& cold)
    : sizes_(sizes),
      host_(sizes.cold_slots > 0 ? std::make_unique<HostPool>(layout, sizes.host_slots, cold, sizes.cold_slots, device)
                                 : std::make_unique<HostPool>(layout, sizes.host_slots, device)) {
  if (sizes.disk_dir.empty()) return;
  store_ = std::make_unique<DiskStore>(DiskStoreOptions{.directory = sizes.disk_dir,
                                                        .capacity_bytes = sizes.disk_bytes,
                                                        .num_writers = node_size,
                                                        .content = content,
                                                        .shape = record_shape(layout),
                                                        .heads = heads,
                                                        .io = sizes.disk_io,
                                                        .packing_level = sizes.disk_packing_level,
                                                        .packing_threads = static_cast<int32_t>(sizes.workers),
                                                        .timeout = sizes.timeout});
  LS_CHECK(record_shape(layout).aligned_payload_bytes() == host_->head_stride(),
           "the disk's records and the host's slots differ");
  file_ = std::make_unique<StoreFile>(*store_);
}

// I/O that is late still has the address of the host's memory: better lost than freed.
CacheTiers::~CacheTiers() {
  if (store_ == nullptr || store_->is_idle()) return;
  log_warn("KV cache: the disk has not answered; its buffers are left behind");
  static_cast<void>(host_.release());
}

TierConfig CacheTiers::agree(Communicator& group) const {
  TierConfig config;
  config.host_slots = host_->num_slots();
  config.cold_slots = host_->num_cold_slots();
  config.cold_takes_first = !host_->cold_layout().splits_first_page();
  const std::vector<Hash128> mine = store_ ? store_->pages() : std::vector<Hash128>();
  config.disk_pages = group.all_reduce_min(store_ ? store_->capacity_pages() : 0);
  config.disk_pages_per_segment = group.all_reduce_min(store_ ? std::max<int64_t>(store_->pages_per_segment(), 1) : 1);
  // In the leader's order; every rank strikes out what it does not have.
  const std::vector<std::byte> bytes = broadcast_bytes(group, std::as_bytes(std::span(mine)), Rank(0));
  std::vector<Hash128> stored(bytes.size() / sizeof(Hash128));
  std::copy(bytes.begin(), bytes.end(), std::as_writable_bytes(std::span(stored)).begin());
  std::vector<Hash128> sorted = mine;
  std::sort(sorted.begin(), sorted.end());
  std::vector<std::byte> has(stored.size());
  for (size_t i = 0; i < stored.size(); ++i) {
    has[i] = std::byte{std::binary_search(sorted.begin(), sorted.end(), stored[i])};
  }
  std::vector<std::byte> all(has.size() * static_cast<size_t>(group.size()));
  if (!has.empty()) group.all_gather(has, all);
  for (size_t i = 0; i < stored.size(); ++i) {
    bool is_whole = true;
    for (size_t rank = 0; rank < static_cast<size_t>(group.size()); ++rank) {
      is_whole = is_whole && all[rank * has.size() + i] != std::byte{0};
    }
    if (is_whole) config.stored.push_back(stored[i]);
  }
  return config;
}

}  // namespace lockstep
