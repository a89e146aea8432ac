// Two kernels: estimates of all pages, spread over the device, then a block for every list.
#include "kernels/backends.h"
#include "kernels/cuda/attention/shared_limit.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/selection/choose.cuh"
#include "kernels/cuda/selection/estimate.cuh"
#include "kernels/cuda/state.h"
#include "kernels/page_summaries.h"

namespace lockstep::cuda {
namespace {

using Wide = ListChooser::Wide;

__device__ void add_to(int64_t& total, int64_t amount) {
  atomicAdd(reinterpret_cast<Wide*>(&total), static_cast<Wide>(amount));
}

__global__ void __launch_bounds__(kChooseThreads) choose_kernel(SelectionArguments args) {
  __shared__ ListChooser::Shared shared;
  const int64_t row = blockIdx.x, head = blockIdx.y, list = args.list_of(row, head);
  page_ranking::Candidates candidates{};
  const bool is_listed = args.is_listed(row, candidates);
  // Lists that would not fit would be a fault of the caller, which told the host another max_end.
  const bool reads_all = !is_listed || candidates.reads_all || candidates.most > args.lists.capacity;
  Wide share = 0;
  if (reads_all) {
    if (threadIdx.x == 0) args.lists.counts[list] = -1;
  } else {
    share = ListChooser(args, candidates, list, shared)
                .run(args.lists.pages + list * args.lists.capacity, args.lists.counts + list);
    __syncthreads();  // the count is there
  }
  SelectionTotals* const totals = args.lists.totals;
  if (totals == nullptr || !is_listed || threadIdx.x != 0) return;
  add_to(reads_all ? totals->dense_lists : totals->lists, 1);
  if (reads_all && args.layer >= args.rule.dense_layers) add_to(totals->fallback_lists, 1);
  if (reads_all && args.layer == args.rule.dense_layers && head == 0) add_to(totals->fallback_rows, 1);
  add_to(totals->pages_there, candidates.count());
  add_to(totals->pages_read, reads_all ? candidates.count() : args.lists.counts[list]);
  if (!reads_all) add_to(totals->mass, static_cast<int64_t>(share >> (page_ranking::kFractionBits - 20)));
}

/// Scratch for `lists` lists of max_pages pages.
void place_scratch(const OpContext& context, SelectionArguments& args, int64_t lists) {
  const int64_t pages = lists * args.max_pages;
  const auto wide_bytes = static_cast<int64_t>(sizeof(Wide)), word_bytes = static_cast<int64_t>(sizeof(uint32_t));
  auto* const memory = static_cast<std::byte*>(
      state_of(context).scratch(ScratchUse::kSelection, pages * (wide_bytes + word_bytes * (1 + args.group))));
  args.shares = reinterpret_cast<Wide*>(memory);
  args.keys = reinterpret_cast<uint32_t*>(memory + pages * wide_bytes);
  args.estimates = reinterpret_cast<float*>(memory + pages * (wide_bytes + word_bytes));
}

}  // namespace

void select_pages(const OpContext& context, ConstTensorView q, const RaggedRows& rows, int64_t layer,
                  const KvPages& pages, float scale, int64_t window, const SparseRule& rule,
                  const SelectionLists& lists) {
  const KvLayout& layout = pages.layout;
  SelectionArguments args{};
  args.q = q.as<float>();
  args.q_stride = q.stride(0);
  args.token_begin = rows.token_begin;
  args.first_position = rows.first_position;
  args.page_begin = rows.page_begin;
  args.slots = rows.slots;
  args.is_sparse = rows.is_sparse;
  args.entries = summary_entries(pages, layer, 0);
  args.entry_bytes = summary_entry_bytes(layout);
  args.head_entry_bytes = pages.num_summaries * args.entry_bytes;
  args.deviations = 2 * summary_channels(layout);
  args.layer = static_cast<int32_t>(layer);
  args.splits_first_page = layout.splits_first_page();
  args.page_tokens = static_cast<int32_t>(layout.page_tokens);
  args.num_kv_heads = static_cast<int32_t>(layout.num_kv_heads);
  args.head_dim = static_cast<int32_t>(layout.head_dim);
  args.group = static_cast<int32_t>(q.size(1) / layout.num_kv_heads);
  args.scale = scale;
  args.window = window;
  args.rule = rule;
  args.lists = lists;
  args.max_pages = static_cast<int32_t>((rows.max_end + layout.page_tokens - 1) / layout.page_tokens);
  const auto num_rows = static_cast<unsigned>(rows.num_rows), num_heads = static_cast<unsigned>(layout.num_kv_heads);
  if (rows.is_sparse != nullptr && args.max_pages > 0) {
    LS_REQUIRE(ShapeError, most_selected_pages(rule, args.max_pages) <= lists.capacity,
               "select_pages: rows of {} pages need lists of {}, they hold {}", args.max_pages,
               most_selected_pages(rule, args.max_pages), lists.capacity);
    place_scratch(context, args, rows.num_rows * layout.num_kv_heads);
    const int64_t shared_bytes = 2 * args.group * layout.head_dim * static_cast<int64_t>(sizeof(float));
    LS_REQUIRE(ShapeError, shared_bytes <= shared_limit(context),
               "select_pages: {} query heads of {} dimensions need {} bytes of shared memory, the device has {}",
               args.group, layout.head_dim, shared_bytes, shared_limit(context));
    allow_shared(estimate_kernel, shared_bytes);
    launch(context, dim3(div_up(args.max_pages, kPagesPerBlock), num_heads, num_rows), kEstimateThreads, shared_bytes,
           estimate_kernel, args);
  }
  launch(context, dim3(num_rows, num_heads), kChooseThreads, 0, choose_kernel, args);
}

}  // namespace lockstep::cuda
