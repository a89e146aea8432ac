// Entries of the table of summaries, written from pages. Lists of the host travel as arguments.
#include "kernels/backends.h"
#include "kernels/cuda/page_summaries.cuh"

#include <algorithm>

namespace lockstep::cuda {
namespace {

constexpr int kAtOnce = 256;  // of 8 bytes: half of what arguments may take

struct PageList {
  IndexedPage pages[kAtOnce];
  __device__ IndexedPage page(int i) const { return pages[i]; }
};

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

}  // namespace lockstep::cuda
