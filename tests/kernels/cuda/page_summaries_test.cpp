#include "kernels/page_summaries.h"

#include "core/pinned_buffer.h"
#include "kernels/seal_pages.h"
#include "tests/kernels/cuda/device_support.h"
#include "tests/kernels/host_pages.h"

#include <fmt/format.h>
#include <string>
#include <vector>

namespace lockstep::test {
namespace {

constexpr int64_t kSlots = 6, kEntries = 9, kLayer = 1;

std::vector<KvLayout> layouts() {
  std::vector<KvLayout> out;
  for (const KvFormat format : {KvFormat::kFull, KvFormat::kKv8, KvFormat::kK8v4, KvFormat::kKv4}) {
    for (const int64_t head_dim : {5, 40, 128}) {
      out.push_back({16, 2, 3, head_dim, DType::kBF16, format});
      out.back().has_summaries = format == KvFormat::kFull;
      if (format == KvFormat::kKv4 && head_dim == 40) out.back().wide_keys.insert(kLayer);
    }
  }
  return out;
}
std::string words(const KvLayout& layout) {
  return fmt::format("{}, head {}", name_of(layout.format), layout.head_dim);
}

std::vector<std::byte> empty_table(const KvLayout& layout) {
  return std::vector<std::byte>(static_cast<size_t>(kEntries * summary_slot_bytes(layout)), std::byte{0x5a});
}
KvPages with_table(KvPages pages, void* table) {
  pages.summaries = static_cast<std::byte*>(table);
  pages.num_summaries = kEntries;
  return pages;
}
DeviceArray device_bytes(CudaContext& context, const std::vector<std::byte>& bytes) {
  DeviceArray out(context, DType::kI32, static_cast<int64_t>(bytes.size()) / 4);
  out.upload(bytes.data());
  return out;
}

// Sealing on the device, indexing there and indexing on the CPU come to the same bytes.
TEST(CudaPageSummaries, EntriesAreThoseOfTheCpu) {
  CudaContext context;
  const CpuContext cpu;
  for (const KvLayout& layout : layouts()) {
    SCOPED_TRACE(words(layout));
    const KvLayout open = KvPages{nullptr, layout}.open_layout();
    const int64_t page_bytes = layout.is_coded() ? open.page_bytes() : layout.page_bytes();
    const int64_t elements = kSlots * page_bytes / 2;
    TypedArray source(DType::kBF16, random_floats(elements, static_cast<uint64_t>(layout.head_dim)));
    const auto* const written = static_cast<const std::byte*>(source.view({elements}).data());
    const std::vector<std::byte> pages(written, written + kSlots * page_bytes);
    const std::vector<std::byte> nothing(static_cast<size_t>(kSlots * layout.page_bytes()), std::byte{0xff});

    DeviceArray pool = device_bytes(context, layout.is_coded() ? nothing : pages);
    DeviceArray open_pool = device_bytes(context, pages), table = device_bytes(context, empty_table(layout));
    const KvPages on_device = with_table(
        {static_cast<std::byte*>(pool.data()), layout, static_cast<std::byte*>(open_pool.data())}, table.data());
    const int32_t second = layout.splits_first_page() ? 5 : 3;
    // -1: padding, as recorded launches have it.
    const DeviceArray open_slots(context, std::vector<int32_t>{2, -1, 4}),
        keys(context, std::vector<int32_t>{3, -1, 1}), values(context, std::vector<int32_t>{second, -1, 1});
    seal_pages(context,
               {3, open_slots.view({3}).as<int32_t>(), keys.view({3}).as<int32_t>(), values.view({3}).as<int32_t>()},
               kLayer, on_device);
    const std::vector<std::byte> sealed = table.download();
    EXPECT_NE(sealed, empty_table(layout));

    const std::vector<IndexedPage> list = {{1, false}, {3, true}};
    std::vector<std::byte> host_pool = pool.download(), expected = empty_table(layout);
    index_pages(cpu, list, kLayer, with_table({host_pool.data(), layout}, expected.data()));
    EXPECT_EQ(sealed, expected);
    table.upload(empty_table(layout).data());
    index_pages(context, list, kLayer, on_device);
    EXPECT_EQ(table.download(), expected);
    EXPECT_EQ(pool.download(), host_pool);

    // In host memory, and of one layer only.
    HostPages host(layout, 2);
    host.add(host_pool.data(), 3);
    host.add(host_pool.data(), 1);
    PinnedBuffer memory(static_cast<int64_t>(host.bytes().size()), Device::cuda(0));
    std::memcpy(memory.data(), host.bytes().data(), host.bytes().size());
    KvPages joined = on_device;
    host.join(joined, kSlots, memory.as<std::byte>());
    const std::vector<IndexedPage> there = {{kSlots, true}, {kSlots + 1, false}};
    index_pages(context, there, kLayer, joined);
    host.join(joined, kSlots);
    joined.base = host_pool.data();
    index_pages(cpu, there, kLayer, with_table(joined, expected.data()));
    EXPECT_EQ(table.download(), expected);
  }
}

// More than one launch takes.
TEST(CudaPageSummaries, ListsOfAnyLength) {
  CudaContext context;
  const CpuContext cpu;
  KvLayout layout{16, 1, 2, 8, DType::kBF16};
  layout.has_summaries = true;
  constexpr int64_t kCount = 600;
  const int64_t elements = kCount * layout.page_bytes() / 2;
  TypedArray source(DType::kBF16, random_floats(elements, 3));
  auto* const written = static_cast<std::byte*>(source.view({elements}).data());
  std::vector<std::byte> expected(static_cast<size_t>(2 * kCount * summary_slot_bytes(layout)), std::byte{0x5a});
  DeviceArray pool = device_bytes(context, {written, written + kCount * layout.page_bytes()});
  DeviceArray table = device_bytes(context, expected);
  const auto pages_at = [&](void* base, void* entries) {
    KvPages pages{static_cast<std::byte*>(base), layout};
    pages.summaries = static_cast<std::byte*>(entries);
    pages.num_summaries = 2 * kCount;
    return pages;
  };
  std::vector<IndexedPage> list;
  for (int32_t i = 0; i < kCount; ++i) list.push_back({i, false});
  for (int64_t layer = 0; layer < 2; ++layer) {
    index_pages(context, list, layer, pages_at(pool.data(), table.data()));
    index_pages(cpu, list, layer, pages_at(written, expected.data()));
  }
  EXPECT_EQ(table.download(), expected);
}

}  // namespace
}  // namespace lockstep::test
