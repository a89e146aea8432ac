// Integer dot products of packed queries (or weights) with codes, in blocks of (rows x vectors) that live in registers.
#pragma once

#include "kernels/cpu/attention/bytes.h"
#include "kernels/cpu/vector/parts.h"

namespace lockstep::cpu {
namespace {

/// Codes as they lie in a page: [groups][lanes][4 bytes], a group being four codes of a lane, of 4 bits eight.
struct CodeGrid {
  const uint8_t* codes;
  int64_t group_bytes;
  int64_t num_groups;
};

/// Rows to multiply them by: kPlanes planes of bytes each, a word of four for four codes.
struct PackedRows {
  const uint8_t* bytes;
  int64_t row_bytes, plane_bytes;
  const int32_t* initial;  // [row][plane], what sums start from
};

/// Memory that will be read next: fetched line by line while the codes before it are multiplied. Blocks of codes are
/// too short for the hardware to see them coming: without this a page takes twice the time.
struct Upcoming {
  const std::byte* at = nullptr;
  int64_t bytes = 0;
};

/// kBits of codes; kPlanes of the rows; kSignedRows: rows are signed and codes unsigned, else the other way round.
template <int kBitsOf, int kPlanesOf, bool kSignedRowsOf>
struct CodeProduct {
  static constexpr int kBits = kBitsOf, kPlanes = kPlanesOf;
  static constexpr bool kSignedRows = kSignedRowsOf;
  static constexpr int kMaxRows = Vec::kMaxRows / kPlanes;

  static Bytes::I dot(Bytes::I sum, Bytes::I code, Bytes::I row) {
    return kSignedRows ? Bytes::dot(sum, code, row) : Bytes::dot(sum, row, code);
  }
};

/// Calls done(r, c, sums of the planes) for kRows rows and kColumns vectors of lanes.
template <class Product, int kRows, int kColumns, class Done>
inline void code_block(CodeGrid grid, const PackedRows& rows, Upcoming upcoming, Done done) {
  constexpr int kPlanes = Product::kPlanes;
  Bytes::I sum[kRows][kColumns][kPlanes];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int p = 0; p < kPlanes; ++p) {
      const Bytes::I start = Bytes::broadcast(rows.initial[r * kPlanes + p]);
#pragma GCC unroll 8
      for (int c = 0; c < kColumns; ++c) sum[r][c][p] = start;
    }
  }
  const uint8_t* words = rows.bytes;
  const auto add = [&](const Bytes::I(&codes)[kColumns]) {
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
      for (int p = 0; p < kPlanes; ++p) {
        int32_t word;
        __builtin_memcpy(&word, words + r * rows.row_bytes + p * rows.plane_bytes, sizeof(word));
        const Bytes::I row = Bytes::broadcast(word);
#pragma GCC unroll 8
        for (int c = 0; c < kColumns; ++c) sum[r][c][p] = Product::dot(sum[r][c][p], codes[c], row);
      }
    }
    words += sizeof(int32_t);
  };
  const uint8_t* codes = grid.codes;
  const std::byte* next = upcoming.at;
  const auto fetch = [&next](int64_t lines) {
    for (int64_t line = 0; line < lines; ++line) __builtin_prefetch(next + 64 * line, 0, 2);  // to the L2 cache
    next += 64 * lines;
  };
  const int64_t lines = (upcoming.bytes + 63) / 64, lines_per_group = lines / grid.num_groups;
  fetch(lines - lines_per_group * grid.num_groups);
  for (int64_t j = 0; j < grid.num_groups; ++j, codes += grid.group_bytes) {
    fetch(lines_per_group);
    Bytes::I packed[kColumns];
#pragma GCC unroll 8
    for (int c = 0; c < kColumns; ++c) packed[c] = Bytes::load(codes + c * 4 * Vec::kWidth);
    if constexpr (Product::kBits == 8) {
      add(packed);
    } else {
      Bytes::I half[kColumns];
#pragma GCC unroll 8
      for (int c = 0; c < kColumns; ++c) half[c] = Bytes::low_halves(packed[c]);
      add(half);
#pragma GCC unroll 8
      for (int c = 0; c < kColumns; ++c) half[c] = Bytes::high_halves(packed[c]);
      add(half);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int c = 0; c < kColumns; ++c) done(r, c, sum[r][c]);
  }
}

/// All rows against `num_vectors` vectors of lanes: done(row, vector, sums of the planes).
template <class Product, class Done>
inline void multiply_codes(CodeGrid grid, const PackedRows& rows, int64_t num_rows, int64_t num_vectors,
                           Upcoming upcoming, Done done) {
  for (int64_t vector = 0; vector < num_vectors;) {
    const int columns = num_vectors - vector >= Vec::kMaxColumns ? Vec::kMaxColumns : 1;
    const Upcoming share = {upcoming.at + upcoming.bytes * vector / num_vectors,
                            upcoming.bytes * columns / num_vectors};
    CodeGrid part = grid;
    part.codes += vector * 4 * Vec::kWidth;
    for (int64_t r = 0; r < num_rows; r += Product::kMaxRows) {
      PackedRows some = rows;
      some.bytes += r * rows.row_bytes;
      some.initial += r * Product::kPlanes;
      const auto block_done = [&](int row, int column, const Bytes::I(&sums)[Product::kPlanes]) {
        done(r + row, vector + column, sums);
      };
      const int64_t left = num_rows - r;
      with_count<Product::kMaxRows>(
          static_cast<int>(left < Product::kMaxRows ? left : Product::kMaxRows), [&](auto count) {
            if (columns == 1) {
              code_block<Product, count.value, 1>(part, some, r == 0 ? share : Upcoming{}, block_done);
            } else {
              code_block<Product, count.value, Vec::kMaxColumns>(part, some, r == 0 ? share : Upcoming{}, block_done);
            }
          });
    }
    vector += columns;
  }
}

}  // namespace
}  // namespace lockstep::cpu
