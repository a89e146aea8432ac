// Entries of the table of summaries, written from pages and copied. Lists of the host travel as arguments.
#include "kernels/backends.h"
#include "kernels/cuda/page_summaries.cuh"

#include <algorithm>

namespace lockstep::cuda {
namespace {

constexpr int kAtOnce = 256;  // of 8 bytes: half of what arguments may take
constexpr int kCopyThreads = 32;

struct PageList {
  IndexedPage pages[kAtOnce];
  __device__ IndexedPage page(int i) const { return pages[i]; }
};

struct SlotPairs {
  int32_t from[kAtOnce], to[kAtOnce];
};

/// Grid: pairs, layers and heads. `words`: 16 bytes of an entry each.
__global__ void __launch_bounds__(kCopyThreads)
    copy_kernel(std::byte* table, int64_t num_summaries, int64_t words, SlotPairs pairs) {
  auto* const entries = reinterpret_cast<uint4*>(table) + int64_t{blockIdx.y} * num_summaries * words;
  const uint4* const from = entries + pairs.from[blockIdx.x] * words;
  uint4* const to = entries + pairs.to[blockIdx.x] * words;
  for (int64_t i = threadIdx.x; i < words; i += kCopyThreads) to[i] = from[i];
}

}  // namespace

void index_pages(const OpContext& context, std::span<const IndexedPage> list, int64_t layer, const KvPages& pages) {
  const SummaryArguments args = summary_arguments(pages, layer);
  for (size_t begin = 0; begin < list.size(); begin += kAtOnce) {
    const std::span<const IndexedPage> part = list.subspan(begin, std::min<size_t>(kAtOnce, list.size() - begin));
    PageList at_once{};
    std::copy(part.begin(), part.end(), at_once.pages);
    launch(context, dim3(static_cast<unsigned>(part.size()), static_cast<unsigned>(pages.layout.num_kv_heads)),
           kSummaryThreads, 0, summaries_kernel<PageList>, args, at_once);
  }
}

void copy_summaries(const OpContext& context, const int32_t* from, const int32_t* to, int64_t count,
                    const KvPages& pages) {
  const KvLayout& layout = pages.layout;
  for (int64_t begin = 0; begin < count; begin += kAtOnce) {
    const int64_t part = std::min<int64_t>(kAtOnce, count - begin);
    SlotPairs pairs{};
    std::copy_n(from + begin, part, pairs.from);
    std::copy_n(to + begin, part, pairs.to);
    launch(context, dim3(static_cast<unsigned>(part), static_cast<unsigned>(layout.num_layers * layout.num_kv_heads)),
           kCopyThreads, 0, copy_kernel, pages.summaries, pages.num_summaries, summary_entry_bytes(layout) / 16, pairs);
  }
}

}  // namespace lockstep::cuda
