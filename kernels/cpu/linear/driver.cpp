#include "kernels/cpu/linear/driver.h"

#include "kernels/cpu/linear/pack_rows.h"
#include "kernels/cpu/linear/pack_weights.h"
#include "kernels/linear_backends.h"

#include <algorithm>
#include <utility>

namespace lockstep::cpu {
namespace {

// Packed rows of x are reused across panels: keep what is packed at once near the size of a shared cache.
constexpr int64_t kMaxPackedRowBytes = int64_t{16} << 20;
// Packing less than this is quicker alone than shared out.
constexpr int64_t kParallelPackBytes = 64 << 10;
// Pieces of work per thread, so that a thread that is held up does not hold up the rest.
constexpr int64_t kPiecesPerThread = 4;
// Tiles of at most this many rows wait for memory rather than for arithmetic.
constexpr int64_t kFewRows = 6;
// Prefetching: about a memory latency at full speed; what a core's L2 keeps beside its rows of x.
constexpr int64_t kPrefetchBytes = 1024;
constexpr int64_t kNearCacheBytes = 768 << 10;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// begin_thread and end_thread of the kernels, also when a body throws.
class ThreadScope {
 public:
  explicit ThreadScope(const TileKernels& kernels) : end_(kernels.end_thread) {
    if (kernels.begin_thread != nullptr) kernels.begin_thread();
  }
  ~ThreadScope() {
    if (end_ != nullptr) end_();
  }
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;

 private:
  void (*end_)();
};

/// Per calling thread, kept between calls: fresh pages for every product would cost more than small products.
std::byte* scratch(int64_t bytes) {
  static thread_local Buffer buffer;
  if (buffer.bytes() < bytes) {
    buffer = Buffer();
    buffer = Buffer(bytes);
  }
  return static_cast<std::byte*>(buffer.data());
}

/// One product over rows that fit into the scratch.
class Product {
 public:
  Product(const TileKernels& kernels, const PanelLayout& layout, const LinearWeight& weight, ConstTensorView x,
          TensorView out)
      : kernels_(kernels),
        layout_(layout),
        weight_(weight),
        x_(x),
        out_(out),
        num_blocks_(ceil_div(x.size(0), kernels.max_rows)),
        // Blocks of nearly equal size: 13 rows as 7 + 6 rather than 12 + 1.
        max_block_rows_(ceil_div(x.size(0), num_blocks_)),
        panels_per_tile_(kernels.max_panels(static_cast<int>(max_block_rows_))),
        packed_x_(scratch(num_blocks_ * layout.block_bytes(kernels.row_format, max_block_rows_))) {}

  void run(ThreadPool& threads) {
    const auto pack = [this](int64_t begin, int64_t end) {
      for (int64_t block = begin; block < end; ++block) pack_block(block);
    };
    if (x_.size(0) * layout_.row_bytes < kParallelPackBytes) {
      pack(0, num_blocks_);
    } else {
      threads.parallel_for(num_blocks_, 1, pack);
    }

    // Work items: groups of panels, times splits of the rows where there are too few groups.
    const int64_t wanted = threads.num_threads() == 1 ? 1 : threads.num_threads() * kPiecesPerThread;
    const int64_t group = std::clamp<int64_t>(layout_.num_panels / wanted, 1, panels_per_tile_);
    const int64_t num_groups = ceil_div(layout_.num_panels, group);
    const int64_t splits = std::clamp<int64_t>(wanted / num_groups, 1, num_blocks_);
    threads.parallel_for(num_groups * splits, 1, [&](int64_t begin, int64_t end) {
      const ThreadScope scope(kernels_);
      while (begin < end) {
        const int64_t split = begin / num_groups, stop = std::min(end, (split + 1) * num_groups);
        const int64_t first = begin - split * num_groups, last = stop - split * num_groups;
        multiply(first * group, std::min(last * group, layout_.num_panels), split * num_blocks_ / splits,
                 (split + 1) * num_blocks_ / splits);
        begin = stop;
      }
    });
  }

 private:
  int64_t first_row(int64_t block) const { return block * x_.size(0) / num_blocks_; }

  std::byte* packed_block(int64_t block) const {
    return packed_x_ + block * layout_.block_bytes(kernels_.row_format, max_block_rows_);
  }

  void pack_block(int64_t block) const {
    pack_rows(kernels_, layout_, weight_.segments, x_.slice(0, first_row(block), first_row(block + 1)),
              packed_block(block));
  }

  /// Panels [panel, last_panel) of the rows of blocks [first_block, last_block).
  void multiply(int64_t panel, int64_t last_panel, int64_t first_block, int64_t last_block) const {
    while (panel < last_panel) {
      int64_t count = panels_per_tile_;
      while (count > last_panel - panel) count /= 2;
      for (int64_t block = first_block; block < last_block; ++block) {
        run_tile(panel, count, block, prefetch_plan(panel, count, block - first_block, last_block - first_block));
      }
      panel += count;
    }
  }

  const char* panel_data(int64_t panel) const {
    return static_cast<const char*>(weight_.packed.data()) + panel * layout_.panel_bytes;
  }

  /// What the `block`-th of `num_blocks` tiles over the same panels fetches ahead.
  TilePrefetch prefetch_plan(int64_t panel, int64_t panels, int64_t block, int64_t num_blocks) const {
    const char* const data = panel_data(panel);
    const int64_t steps = layout_.padded_k / kernels_.step;
    const int64_t step_bytes = steps > 0 ? layout_.panel_bytes / steps : 0;
    // Rows enough to compute for about as long as memory delivers: the next panels, an equal part during each tile, so
    // that memory is busy all the time.
    const bool is_computing = num_blocks > 1 || max_block_rows_ > kFewRows;
    if (is_computing && 2 * panels * layout_.panel_bytes <= kNearCacheBytes) {
      return {data + panels * layout_.panel_bytes + block * layout_.panel_bytes / num_blocks,
              ceil_div(step_bytes, num_blocks), 0, 0};
    }
    // Otherwise a little ahead in the same panels, and at their end the start of the next.
    return {data + kPrefetchBytes, step_bytes, steps > 0 ? steps - kPrefetchBytes / step_bytes : 0,
            (panels - 1) * layout_.panel_bytes};
  }

  void run_tile(int64_t panel, int64_t panels, int64_t block, const TilePrefetch& prefetch) const {
    const int64_t row = first_row(block), column = panel * kPanelColumns;
    TileTask task;
    task.prefetch = prefetch;
    task.x = packed_block(block);
    task.weights = panel_data(panel);
    task.panel_bytes = layout_.panel_bytes;
    task.segment_steps = layout_.segment_steps.data();
    task.num_segments = layout_.num_segments;
    task.rows = static_cast<int>(first_row(block + 1) - row);
    task.panels = static_cast<int>(panels);
    if (weight_.bias.data() != nullptr) task.bias = static_cast<const float*>(weight_.bias.data()) + column;
    task.out = static_cast<char*>(out_.data()) + (row * out_.stride(0) + column) * size_of(out_.dtype());
    task.out_stride = out_.stride(0);
    task.columns = static_cast<int>(std::min(panels * kPanelColumns, weight_.out_features - column));
    task.out_dtype = out_.dtype();
    kernels_.run(task);
  }

  const TileKernels& kernels_;
  const PanelLayout& layout_;
  const LinearWeight& weight_;
  ConstTensorView x_;
  TensorView out_;
  int64_t num_blocks_;
  int64_t max_block_rows_;
  int64_t panels_per_tile_;
  std::byte* packed_x_;
};

Buffer pack_bias(std::span<const ConstTensorView> biases) {
  int64_t size = 0;
  for (const ConstTensorView& bias : biases) size += bias.size(0);
  Buffer packed(size * int64_t{sizeof(float)});
  auto* out = static_cast<float*>(packed.data());
  for (const ConstTensorView& bias : biases) {
    visit_floating(bias.dtype(), [&]<class T>() {
      const T* in = bias.as<T>();
      for (int64_t i = 0; i < bias.size(0); ++i) *out++ = to_float(in[i]);
    });
  }
  return packed;
}

}  // namespace

LinearWeight pack_with(const TileKernels& kernels, ThreadPool& threads, std::span<const ConstTensorView> parts,
                       std::span<const ConstTensorView> biases, SegmentBounds segments) {
  LinearWeight weight;
  for (const ConstTensorView& part : parts) weight.out_features += part.size(0);
  weight.in_features = segments.back();
  weight.dtype = parts[0].dtype();
  weight.segments = std::move(segments);
  const PanelLayout layout = panel_layout(kernels, weight.out_features, weight.dtype, weight.segments);
  weight.packed = Buffer(layout.packed_bytes());
  threads.parallel_for(layout.num_panels, 1, [&](int64_t begin, int64_t end) {
    pack_panels(layout, kernels.step, parts, weight.segments, begin, end,
                static_cast<std::byte*>(weight.packed.data()));
  });
  if (!biases.empty()) weight.bias = pack_bias(biases);
  return weight;
}

void linear_with(const TileKernels& kernels, ThreadPool& threads, ConstTensorView x, const LinearWeight& weight,
                 TensorView out) {
  if (x.size(0) == 0 || weight.out_features == 0) return;
  const PanelLayout layout = panel_layout(kernels, weight.out_features, weight.dtype, weight.segments);
  const int64_t fitting = kMaxPackedRowBytes / std::max<int64_t>(layout.row_bytes, 1);
  const int64_t chunk = std::max<int64_t>(fitting / kernels.max_rows, 1) * kernels.max_rows;
  for (int64_t row = 0; row < x.size(0); row += chunk) {
    const int64_t end = std::min(row + chunk, x.size(0));
    Product(kernels, layout, weight, x.slice(0, row, end), out.slice(0, row, end)).run(threads);
  }
}

LinearWeight pack_linear_weight(const OpContext& context, std::span<const ConstTensorView> parts,
                                std::span<const ConstTensorView> biases, SegmentBounds segments) {
  LinearWeight weight =
      pack_with(tile_kernels(context.isa, parts[0].dtype()), *context.threads, parts, biases, std::move(segments));
  weight.isa = context.isa;
  return weight;
}

int64_t packed_linear_bytes(const OpContext& context, int64_t out_features, DType dtype,
                            const SegmentBounds& segments) {
  return panel_layout(tile_kernels(context.isa, dtype), out_features, dtype, segments).packed_bytes();
}

void linear(const OpContext& context, ConstTensorView x, const LinearWeight& weight, TensorView out) {
  linear_with(tile_kernels(weight.isa, weight.dtype), *context.threads, x, weight, out);
}

}  // namespace lockstep::cpu
