// What the tests of the mover share: pools of a small layout on a CPU or CUDA device, a page file in memory, and a
// computation that writes and reads pages layer by layer on the rank's stream.
#pragma once

#include "cache/transfer/page_mover.h"
#include "core/copy.h"
#include "core/pinned_buffer.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace lockstep::test {

/// Two KV heads of five layers of two sizes, small enough that thousands of plans take seconds.
inline KvLayout small_layout() {
  KvLayout layout{.page_tokens = 16, .num_kv_heads = 2, .num_layers = 5, .head_dim = 8, .dtype = DType::kF32};
  layout.format = KvFormat::kKv4;
  layout.wide_keys.insert(1);
  layout.wide_keys.insert(4);
  return layout;
}

/// Byte `at` of (head, layer) of a page: differs between pages, heads, layers and bytes.
std::byte byte_of(PageId page, int64_t head, int64_t layer, int64_t at);

/// Pages in memory. Checks what it is given: checksums that do not fit are a failure of the write, keys that are not
/// there one of the read. Any thread.
class MemoryPageFile final : public PageFile {
 public:
  explicit MemoryPageFile(const KvLayout& layout) : layout_(layout) {}

  std::vector<Result> write(std::span<const Write> pages) override;
  std::vector<Result> read(std::span<const Read> pages) override;
  Result forget(std::span<const Hash128> keys) override;

  bool contains(const Hash128& key) const;
  size_t size() const;
  /// Called before every batch, on the mover's I/O thread.
  std::function<void()> before_batch = [] {};

 private:
  struct Record {
    std::vector<std::byte> heads;
    std::vector<uint32_t> crcs;
  };
  bool fits(std::span<const std::byte> heads, std::span<const uint32_t> crcs) const;

  KvLayout layout_;
  mutable std::mutex mutex_;
  std::map<Hash128, Record> records_;
};

/// A rank: its pools, its stream, its mover.
struct Rig {
  struct Options {
    Device device = Device::cpu();
    KvLayout layout = small_layout();
    int64_t device_slots = 4, host_slots = 4;
    bool has_disk = true;
    bool async_compute = false;  // CPU: the computation runs on a thread of its own
    std::string faults{};
    MoverOptions mover{.timeout = std::chrono::minutes(5), .piece_bytes = 1};
    KvLayout cold{};
    int64_t cold_slots = 0;  // of that layout
  };
  explicit Rig(Options options);
  ~Rig();

  KvLayout layout() const { return device_pool.pages().layout; }

  /// The computation writes a page's bytes into a slot, or compares the bytes in a slot with a page's, one layer. What
  /// it finds is known after the stream was synchronised.
  void write_layer(SlotId slot, PageId page, int64_t layer);
  struct Check {
    PageId page;
    int64_t layer = 0;
    std::shared_ptr<PinnedBuffer> found;  // CUDA; on a CPU rank compared at once
    std::shared_ptr<bool> is_right;
  };
  Check check_layer(SlotId slot, PageId page, int64_t layer);
  bool is_right(const Check& check) const;

  /// begin, all layers of writes and checks, end. Synchronises, and returns whether all checks found what they should.
  bool run(const StepPlan& plan, const std::vector<std::pair<SlotId, PageId>>& writes = {},
           const std::vector<std::pair<SlotId, PageId>>& reads = {});
  /// A plan of these ops with the next number.
  StepPlan plan(std::vector<PageOp> ops, bool confirms = false);
  /// take_report() until every channel is done through its last number; failures of all of them.
  std::vector<TransferFailure> settle();

  Options options;
  Stream stream;
  OpContext context;
  DevicePool device_pool;
  HostPool host_pool;
  MemoryPageFile file;
  std::unique_ptr<PageMover> mover;
  uint64_t next_plan = 0;
  std::array<uint64_t, kNumTransferChannels> num_transfers{};
  std::deque<PinnedBuffer> sources;  // CUDA: of writes that the stream may not have passed
};

inline Hash128 key_of(PageId page) { return {static_cast<uint64_t>(page.value()) + 1, 77}; }

inline PageOp allocate(PageId page, int slot) { return {PageOpKind::kAllocate, page, SlotId(slot)}; }
inline PageOp evict(PageId page, int slot) { return {PageOpKind::kEvict, page, SlotId(slot)}; }
inline PageOp evict_host(PageId page, int host_slot) {
  return {PageOpKind::kEvict, page, SlotId(-1), Tier::kHost, SlotId(host_slot)};
}
inline PageOp evict_disk(PageId page) {
  return {PageOpKind::kEvict, page, SlotId(-1), Tier::kDisk, SlotId(-1), key_of(page)};
}
inline PageOp to_host(PageId page, int slot, int host_slot) {
  return {PageOpKind::kDemote, page, SlotId(slot), Tier::kHost, SlotId(host_slot)};
}
inline PageOp to_device(PageId page, int host_slot, int slot) {
  return {PageOpKind::kPromote, page, SlotId(slot), Tier::kDevice, SlotId(host_slot)};
}
inline PageOp to_disk(PageId page, int host_slot) {
  return {PageOpKind::kDemote, page, SlotId(-1), Tier::kDisk, SlotId(host_slot), key_of(page)};
}
inline PageOp from_disk(PageId page, int host_slot) {
  return {PageOpKind::kPromote, page, SlotId(-1), Tier::kHost, SlotId(host_slot), key_of(page)};
}

}  // namespace lockstep::test
