#include "kernels/cpu/linear/pack_weights.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace lockstep::cpu {
namespace {

constexpr int64_t kChunk = 64;  // units of a row at a time: the 16 rows' lines and the panel's stay in L1

// Addresses of the 16 rows of W in a panel; nullptr past the last.
using PanelRows = std::array<const std::byte*, kPanelColumns>;

PanelRows rows_of_panel(std::span<const ConstTensorView> parts, int64_t panel) {
  PanelRows rows{};
  int64_t skip = panel * kPanelColumns;
  size_t column = 0;
  for (const ConstTensorView& part : parts) {
    const auto* data = static_cast<const std::byte*>(part.data());
    for (int64_t row = skip; row < part.size(0) && column < rows.size(); ++row) {
      rows[column++] = data + row * part.stride(0) * size_of(part.dtype());
    }
    skip = std::max<int64_t>(skip - part.size(0), 0);
  }
  return rows;
}

// out[unit][column] = unit-th T of the column's row from byte `begin`; T is one value, or a pair of BF16.
template <class T>
void interleave(const PanelRows& rows, int64_t begin, int64_t units, T* out) {
  for (int64_t first = 0; first < units; first += kChunk) {
    const int64_t last = std::min(first + kChunk, units);
    for (size_t column = 0; column < rows.size(); ++column) {
      if (rows[column] == nullptr) {
        for (int64_t u = first; u < last; ++u) out[u * kPanelColumns + static_cast<int64_t>(column)] = 0;
        continue;
      }
      const std::byte* in = rows[column] + begin;
      for (int64_t u = first; u < last; ++u) {
        std::memcpy(out + u * kPanelColumns + static_cast<int64_t>(column), in + u * int64_t{sizeof(T)}, sizeof(T));
      }
    }
  }
}

// `size` values of k from `begin`; returns what was written, in T.
template <class T>
int64_t pack_segment(const PanelRows& rows, DType dtype, int64_t begin, int64_t size, T* out) {
  const int64_t per_unit = int64_t{sizeof(T)} / size_of(dtype);
  const int64_t units = size / per_unit;
  interleave(rows, begin * size_of(dtype), units, out);
  if (units * per_unit == size) return units * kPanelColumns;
  for (size_t column = 0; column < rows.size(); ++column) {  // a pair of which one value exists
    T unit = 0;
    if (rows[column] != nullptr) {
      std::memcpy(&unit, rows[column] + (begin + size - 1) * size_of(dtype), static_cast<size_t>(size_of(dtype)));
    }
    out[units * kPanelColumns + static_cast<int64_t>(column)] = unit;
  }
  return (units + 1) * kPanelColumns;
}

template <class T>
void pack_panel(const PanelLayout& layout, int step, const PanelRows& rows, DType dtype, const SegmentBounds& segments,
                std::byte* panel) {
  T* out = reinterpret_cast<T*>(panel);
  T* const end = reinterpret_cast<T*>(panel + layout.panel_bytes);
  const int64_t per_unit = int64_t{sizeof(T)} / size_of(dtype);
  for (size_t s = 0; s + 1 < segments.size(); ++s) {
    const int64_t written = pack_segment(rows, dtype, segments[s], segments[s + 1] - segments[s], out);
    T* const next = out + layout.segment_steps[s] * step / per_unit * kPanelColumns;
    std::fill(out + written, next, T{0});
    out = next;
  }
  std::fill(out, end, T{0});
}

}  // namespace

void pack_panels(const PanelLayout& layout, int step, std::span<const ConstTensorView> parts,
                 const SegmentBounds& segments, int64_t first, int64_t last, std::byte* out) {
  const DType dtype = parts[0].dtype();
  for (int64_t panel = first; panel < last; ++panel) {
    const PanelRows rows = rows_of_panel(parts, panel);
    std::byte* data = out + panel * layout.panel_bytes;
    if (dtype == DType::kF16) {
      pack_panel<uint16_t>(layout, step, rows, dtype, segments, data);
    } else {
      pack_panel<uint32_t>(layout, step, rows, dtype, segments, data);
    }
  }
}

}  // namespace lockstep::cpu
