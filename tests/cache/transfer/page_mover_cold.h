// The tests of cold slots, on any device.
#pragma once

#include "kernels/transcode.h"
#include "tests/cache/transfer/mover_rig.h"

#include <cstring>
#include <gtest/gtest.h>

namespace lockstep::test {

inline PageOp shrink(PageId page, int host_slot, int cold_slot) {
  PageOp op{PageOpKind::kTranscode, page, SlotId(-1), Tier::kHost, SlotId(host_slot)};
  op.cold_slot = SlotId(cold_slot);
  return op;
}

/// Pages of a format with kv4 below it, and with numbers in it that a format of fewer bits changes.
struct ColdRig {
  explicit ColdRig(Device device, KvFormat format, const std::string& faults = "", int64_t workers = 2)
      : rig({.device = device,
             .layout = layout_of(format),
             .device_slots = 6,
             .has_disk = false,
             .faults = faults,
             .mover = {.workers = workers, .timeout = std::chrono::minutes(5), .piece_bytes = 1},
             .cold = layout_of(KvFormat::kKv4),
             .cold_slots = 8}) {}

  static KvLayout layout_of(KvFormat format) {
    KvLayout layout{.page_tokens = 16, .num_kv_heads = 2, .num_layers = 5, .head_dim = 8, .dtype = DType::kF32};
    layout.format = format;
    if (format == KvFormat::kKv4) layout.wide_keys.insert(3);
    return layout;
  }

  /// As a computation leaves it on the device.
  std::vector<std::byte> content(PageId page) const {
    KvLayout full = layout_of(KvFormat::kFull);
    std::vector<std::byte> floats(static_cast<size_t>(full.page_bytes()));
    uint64_t state = static_cast<uint64_t>(page.value()) + 1;
    for (size_t at = 0; at < floats.size(); at += sizeof(float)) {
      state = state * 6364136223846793005ULL + 1442695040888963407ULL;
      const float value = static_cast<float>(static_cast<int64_t>(state >> 40) - (1 << 23)) * 0x1p-21F;
      std::memcpy(floats.data() + at, &value, sizeof(value));
    }
    return rig.layout().is_coded() ? in_format(floats, full, rig.layout()) : floats;
  }
  static std::vector<std::byte> in_format(const std::vector<std::byte>& page, const KvLayout& from,
                                          const KvLayout& to) {
    std::vector<std::byte> out(static_cast<size_t>(to.page_bytes()));
    for (int64_t head = 0; head < from.num_kv_heads; ++head) {
      for (int64_t layer = 0; layer < from.num_layers; ++layer) {
        transcode_block(from, page.data() + from.k_block(head, layer), to, out.data() + to.k_block(head, layer), layer);
      }
    }
    return out;
  }
  /// What is left of it when it has been cold.
  std::vector<std::byte> content_from_cold(PageId page) const {
    return in_format(in_format(content(page), rig.layout(), rig.options.cold), rig.options.cold, rig.layout());
  }

  void write(int slot, PageId page) {
    const std::vector<std::byte> bytes = content(page);
    copy_async(rig.stream, rig.device_pool.pages().base + slot * rig.layout().page_bytes(), bytes.data(),
               static_cast<int64_t>(bytes.size()));
    rig.stream.synchronize();
  }
  std::vector<std::byte> read(int slot) {
    std::vector<std::byte> bytes(static_cast<size_t>(rig.layout().page_bytes()));
    copy_async(rig.stream, bytes.data(), rig.device_pool.pages().base + slot * rig.layout().page_bytes(),
               static_cast<int64_t>(bytes.size()));
    rig.stream.synchronize();
    return bytes;
  }
  /// The plan, of which nothing is computed.
  std::vector<PageId> run(std::vector<PageOp> ops, bool confirms = false) {
    const StepPlan plan = rig.plan(std::move(ops), confirms);
    rig.run(plan);
    return rig.mover->confirm(plan);
  }

  Rig rig;
};

/// Down to a cold slot at once or by way of a canonical one, and up again.
inline void expect_that_pages_shrink(Device device) {
  for (const KvFormat format : {KvFormat::kFull, KvFormat::kKv8}) {
    SCOPED_TRACE(name_of(format));
    ColdRig cold(device, format);
    const PageId a{1}, b{2};
    cold.run({allocate(a, 0), allocate(b, 1)});
    cold.write(0, a);
    cold.write(1, b);
    cold.run({to_host(a, 0, 4), to_host(b, 1, 0), evict(a, 0), evict(b, 1), shrink(b, 0, 5)});
    EXPECT_TRUE(cold.run({to_device(a, 4, 2), to_device(b, 5, 3)}, true).empty());
    EXPECT_EQ(cold.read(2), cold.content_from_cold(a));
    EXPECT_EQ(cold.read(3), cold.content_from_cold(b));
    EXPECT_NE(cold.content_from_cold(a), cold.content(a));
    EXPECT_TRUE(cold.rig.settle().empty());
  }
}

/// A slot that a page leaves is another's within the plan, many times over: more transfers than staging pages.
inline void expect_that_slots_are_used_again(Device device) {
  ColdRig cold(device, KvFormat::kFull, "", 1);
  for (int round = 0; round < 20; ++round) {
    std::vector<PageOp> ops;
    std::vector<PageId> pages;
    for (int i = 0; i < 6; ++i) {
      pages.emplace_back(round * 10 + i);
      ops.push_back(allocate(pages.back(), i));
    }
    cold.run(ops);
    for (int i = 0; i < 6; ++i) cold.write(i, pages[static_cast<size_t>(i)]);
    ops.clear();
    for (int i = 0; i < 6; ++i) {
      const PageId page = pages[static_cast<size_t>(i)];
      ops.push_back(to_host(page, i, i % 2 == 0 ? 0 : 4 + i));
      ops.push_back(evict(page, i));
      if (i % 2 == 0) ops.push_back(shrink(page, 0, 4 + i));
    }
    for (int i = 0; i < 6; ++i) ops.push_back(to_device(pages[static_cast<size_t>(i)], 4 + i, 5 - i));
    ASSERT_TRUE(cold.run(ops, true).empty());
    for (int i = 0; i < 6; ++i) {
      ASSERT_EQ(cold.read(5 - i), cold.content_from_cold(pages[static_cast<size_t>(i)])) << round << " " << i;
    }
    ops.clear();
    for (int i = 0; i < 6; ++i) {
      ops.push_back(evict(pages[static_cast<size_t>(i)], 5 - i));
      ops.push_back(evict_host(pages[static_cast<size_t>(i)], 4 + i));
    }
    cold.run(ops);
  }
  EXPECT_TRUE(cold.rig.settle().empty());
}

/// A copy that fails, a bit that flips in a canonical and in a cold slot: all that reads it fails.
inline void expect_that_failures_are_found(Device device) {
  const PageId a{1}, b{2}, c{3}, d{4};
  ColdRig cold(device, KvFormat::kFull, "host_copy:nth=1,bit_flip:nth=3,bit_flip:nth=5");
  cold.run({allocate(a, 0), allocate(b, 1), allocate(c, 2), allocate(d, 3)});
  for (const auto& [slot, page] : {std::pair(0, a), std::pair(1, b), std::pair(2, c), std::pair(3, d)}) {
    cold.write(slot, page);
  }
  // To the host: 1 fails, 2 is well; 3 and 4: c flips before it shrinks; 5: d flips in its cold slot.
  cold.run({to_host(a, 0, 0), evict(a, 0), shrink(a, 0, 4), to_host(c, 2, 1)});
  cold.run({shrink(c, 1, 5), to_host(d, 3, 6), to_host(b, 1, 7), evict(b, 1), evict(c, 2), evict(d, 3)});
  EXPECT_EQ(cold.run({to_device(a, 4, 0), to_device(b, 7, 1), to_device(c, 5, 2), to_device(d, 6, 3)}, true),
            (std::vector<PageId>{a, c, d}));
  EXPECT_EQ(cold.read(1), cold.content_from_cold(b));
  EXPECT_GE(cold.rig.settle().size(), 5U);
}

}  // namespace lockstep::test
