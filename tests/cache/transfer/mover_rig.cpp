#include "tests/cache/transfer/mover_rig.h"

#include "core/hash.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace lockstep::test {
namespace {

Stream compute_stream(const Rig::Options& options) {
  if (options.device.kind == DeviceKind::kCuda) return Stream::cuda(options.device);
  return options.async_compute ? Stream::async_cpu("compute") : Stream::inline_cpu();
}

}  // namespace

std::byte byte_of(PageId page, int64_t head, int64_t layer, int64_t at) {
  const auto mixed = static_cast<uint64_t>(page.value() * 1'000'003 + head * 10'007 + layer * 101 + at / 8);
  return static_cast<std::byte>((mixed * 0x9e3779b97f4a7c15U) >> (8 * (at % 8)));
}

bool MemoryPageFile::fits(std::span<const std::byte> heads, std::span<const uint32_t> crcs) const {
  const auto stride = static_cast<int64_t>(heads.size()) / layout_.num_kv_heads;
  for (int64_t head = 0; head < layout_.num_kv_heads; ++head) {
    for (int64_t layer = 0; layer < layout_.num_layers; ++layer) {
      const auto block = heads.subspan(static_cast<size_t>(head * stride + layout_.layer_blocks().offset_of(layer)),
                                       static_cast<size_t>(layout_.layer_bytes(layer)));
      if (crc32c(block) != crcs[static_cast<size_t>(head * layout_.num_layers + layer)]) return false;
    }
  }
  return true;
}

std::vector<PageFile::Result> MemoryPageFile::write(std::span<const Write> pages) {
  before_batch();
  const std::lock_guard lock(mutex_);
  std::vector<Result> results(pages.size());
  for (size_t i = 0; i < pages.size(); ++i) {
    const Write& page = pages[i];
    if (!fits(page.heads, page.layer_crcs)) {
      results[i] = "the checksums do not fit";
      continue;
    }
    records_[page.key] = {{page.heads.begin(), page.heads.end()}, {page.layer_crcs.begin(), page.layer_crcs.end()}};
  }
  return results;
}

std::vector<PageFile::Result> MemoryPageFile::read(std::span<const Read> pages) {
  before_batch();
  const std::lock_guard lock(mutex_);
  std::vector<Result> results(pages.size());
  for (size_t i = 0; i < pages.size(); ++i) {
    const auto found = records_.find(pages[i].key);
    if (found == records_.end()) {
      results[i] = "no such page";
      continue;
    }
    std::copy(found->second.heads.begin(), found->second.heads.end(), pages[i].heads.begin());
    std::copy(found->second.crcs.begin(), found->second.crcs.end(), pages[i].layer_crcs.begin());
  }
  return results;
}

PageFile::Result MemoryPageFile::forget(std::span<const Hash128> keys) {
  before_batch();
  const std::lock_guard lock(mutex_);
  for (const Hash128& key : keys) records_.erase(key);
  return std::nullopt;
}

bool MemoryPageFile::contains(const Hash128& key) const {
  const std::lock_guard lock(mutex_);
  return records_.contains(key);
}

size_t MemoryPageFile::size() const {
  const std::lock_guard lock(mutex_);
  return records_.size();
}

Rig::Rig(Options rig_options)
    : options(std::move(rig_options)),
      stream(compute_stream(options)),
      context{.device = options.device, .stream = &stream},
      device_pool(options.layout, options.device_slots, options.device, options.layout.is_coded() ? 1 : 0),
      host_pool(options.cold_slots > 0
                    ? HostPool(options.layout, options.host_slots, options.cold, options.cold_slots, options.device)
                    : HostPool(options.layout, options.host_slots, options.device)),
      file(options.layout) {
  options.mover.faults = FaultPlan(parse_faults(options.faults), Rank(0));
  mover =
      std::make_unique<PageMover>(context, device_pool, &host_pool, options.has_disk ? &file : nullptr, options.mover);
}

Rig::~Rig() {
  mover.reset();
  stream.synchronize();
}

void Rig::write_layer(SlotId slot, PageId page, int64_t layer) {
  const KvLayout& kv = options.layout;
  std::byte* const base = device_pool.pages().base + slot.value() * kv.page_bytes();
  const auto fill = [kv, page, layer](std::byte* to, int64_t head) {
    for (int64_t at = 0; at < kv.layer_bytes(layer); ++at) to[at] = byte_of(page, head, layer, at);
  };
  for (int64_t head = 0; head < kv.num_kv_heads; ++head) {
    std::byte* const to = base + kv.k_block(head, layer);
    if (options.device.kind == DeviceKind::kCpu) {
      stream.enqueue([=] { fill(to, head); });
      continue;
    }
    const PinnedBuffer& source = sources.emplace_back(kv.layer_bytes(layer), options.device);
    fill(source.as<std::byte>(), head);
    copy_async(stream, to, source.data(), kv.layer_bytes(layer));
  }
}

Rig::Check Rig::check_layer(SlotId slot, PageId page, int64_t layer) {
  const KvLayout& kv = options.layout;
  const std::byte* const base = device_pool.pages().base + slot.value() * kv.page_bytes() + kv.k_block(0, layer);
  Check check{page, layer, nullptr, std::make_shared<bool>(false)};
  if (options.device.kind == DeviceKind::kCuda) {
    check.found = std::make_shared<PinnedBuffer>(kv.num_kv_heads * kv.layer_bytes(layer), options.device);
    copy_2d_async(stream, check.found->data(), kv.layer_bytes(layer), base, kv.head_bytes(), kv.layer_bytes(layer),
                  kv.num_kv_heads);
    return check;
  }
  stream.enqueue([kv, base, check] {
    bool is_right = true;
    for (int64_t head = 0; head < kv.num_kv_heads; ++head) {
      for (int64_t at = 0; at < kv.layer_bytes(check.layer); ++at) {
        is_right = is_right && base[head * kv.head_bytes() + at] == byte_of(check.page, head, check.layer, at);
      }
    }
    *check.is_right = is_right;
  });
  return check;
}

bool Rig::is_right(const Check& check) const {
  if (!check.found) return *check.is_right;
  const KvLayout& kv = options.layout;
  for (int64_t head = 0; head < kv.num_kv_heads; ++head) {
    for (int64_t at = 0; at < kv.layer_bytes(check.layer); ++at) {
      const std::byte found = check.found->as<std::byte>()[head * kv.layer_bytes(check.layer) + at];
      if (found != byte_of(check.page, head, check.layer, at)) return false;
    }
  }
  return true;
}

StepPlan Rig::plan(std::vector<PageOp> ops, bool confirms) {
  StepPlan plan;
  plan.number = next_plan++;
  for (const PageOp& op : ops) {
    if (const auto channel = channel_of(op)) ++num_transfers[static_cast<size_t>(*channel)];
  }
  plan.ops = std::move(ops);
  plan.confirms = confirms;
  return plan;
}

bool Rig::run(const StepPlan& plan, const std::vector<std::pair<SlotId, PageId>>& writes,
              const std::vector<std::pair<SlotId, PageId>>& reads) {
  mover->begin(plan);
  std::vector<Check> checks;
  for (int64_t layer = 0; layer < options.layout.num_layers; ++layer) {
    mover->before_layer(layer);
    for (const auto& [slot, page] : writes) write_layer(slot, page, layer);
    for (const auto& [slot, page] : reads) checks.push_back(check_layer(slot, page, layer));
  }
  mover->end(plan);
  stream.synchronize();
  sources.clear();
  return std::all_of(checks.begin(), checks.end(), [this](const Check& check) { return is_right(check); });
}

std::vector<TransferFailure> Rig::settle() {
  std::vector<TransferFailure> failures;
  for (;;) {
    const TransferReport report = mover->take_report();
    failures.insert(failures.end(), report.failures.begin(), report.failures.end());
    if (report.done_through == num_transfers) return failures;
    mover->wait_for_progress(std::chrono::seconds(1));
  }
}

}  // namespace lockstep::test
