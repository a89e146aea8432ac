// Sampling a second time, by Thrust's sort and scan of the whole row: what the device's selection is held against on a
// GPU (thrust_draw_test.cpp).
#pragma once

#include "kernels/sample_rows.h"

#include <cstdint>
#include <vector>

namespace lockstep::test {

/// What sample_rows() must draw from each row of `logits` [rows.size(), vocab], finite values in host memory.
/// Temperatures above 0.
std::vector<int32_t> thrust_draw(const std::vector<float>& logits, const std::vector<RowSampling>& rows);

}  // namespace lockstep::test
