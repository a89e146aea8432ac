#include "kernels/cuda/linear/upload.h"

#include "core/copy.h"
#include "kernels/cuda/linear/library.h"
#include "kernels/cuda/state.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace lockstep::cuda {
namespace {

// Copies of this size run at nearly the bus's full speed.
constexpr int64_t kPieceBytes = int64_t{1} << 20;
constexpr int64_t kRowsPerTask = 16;

/// Where the rows of a packed weight come from.
class Source {
 public:
  Source(std::span<const ConstTensorView> parts, const SegmentBounds& segments, const LinearLayout& layout)
      : parts_(parts), segments_(segments), layout_(layout) {
    for (const ConstTensorView& part : parts) ends_.push_back((ends_.empty() ? 0 : ends_.back()) + part.size(0));
  }

  /// Row `row` of all blocks, with its zeros.
  void copy_row(int64_t row, std::byte* to) const {
    const int64_t element = size_of(layout_.dtype), n = row % layout_.out;
    const auto segment = static_cast<size_t>(row / layout_.out);
    int64_t bytes = 0;
    if (n < ends_.back()) {
      const auto part = static_cast<size_t>(std::upper_bound(ends_.begin(), ends_.end(), n) - ends_.begin());
      const int64_t first = part == 0 ? 0 : ends_[part - 1];
      const auto* const from = static_cast<const std::byte*>(parts_[part].data()) +
                               ((n - first) * parts_[part].stride(0) + segments_[segment]) * element;
      bytes = (segments_[segment + 1] - segments_[segment]) * element;
      if (bytes > 0) std::memcpy(to, from, static_cast<size_t>(bytes));
    }
    std::memset(to + bytes, 0, static_cast<size_t>(layout_.row_bytes() - bytes));
  }

 private:
  std::span<const ConstTensorView> parts_;
  const SegmentBounds& segments_;
  const LinearLayout& layout_;
  std::vector<int64_t> ends_;
};

}  // namespace

void upload_weight(const OpContext& context, std::span<const ConstTensorView> parts, const SegmentBounds& segments,
                   const LinearLayout& layout, void* to) {
  LinearLibrary& library = state_of(context).linear_library();
  const int64_t row_bytes = layout.row_bytes();
  const int64_t piece_rows = std::max<int64_t>(kPieceBytes / row_bytes, 1), half_bytes = piece_rows * row_bytes;
  if (library.staging.bytes() < 2 * half_bytes) {
    library.staging = PinnedBuffer();
    library.staging = PinnedBuffer(2 * std::max(half_bytes, kPieceBytes), context.device);
  }
  const Source source(parts, segments, layout);
  size_t half = 0;
  for (int64_t row = 0; row < layout.num_rows(); row += piece_rows) {
    const int64_t count = std::min(piece_rows, layout.num_rows() - row);
    std::byte* const piece = library.staging.as<std::byte>() + static_cast<int64_t>(half) * half_bytes;
    library.is_sent[half].synchronize();
    const auto copy = [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) source.copy_row(row + i, piece + i * row_bytes);
    };
    if (context.threads != nullptr) {
      context.threads->parallel_for(count, kRowsPerTask, copy);
    } else {
      copy(0, count);
    }
    copy_async(*context.stream, static_cast<std::byte*>(to) + row * row_bytes, piece, count * row_bytes);
    library.is_sent[half].record(*context.stream);
    half = 1 - half;
  }
  context.stream->synchronize();
}

void upload_bias(const OpContext& context, std::span<const ConstTensorView> biases, void* to) {
  std::vector<float> values;
  for (const ConstTensorView& bias : biases) {
    visit_floating(bias.dtype(), [&]<class T>() {
      const T* const from = bias.as<T>();
      for (int64_t i = 0; i < bias.size(0); ++i) values.push_back(to_float(from[i]));
    });
  }
  copy_async(*context.stream, to, values.data(), static_cast<int64_t>(values.size() * sizeof(float)));
  context.stream->synchronize();
}

}  // namespace lockstep::cuda
