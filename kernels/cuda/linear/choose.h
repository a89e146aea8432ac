// Choosing cuBLASLt's algorithms so that an output element is a function of its row of x and its row of w only.
//
// For each element type and inner length one algorithm is the reference: the first of the library's proposals for one
// fixed shape that gives a row the same bits in batches of 1 to 256 rows. A product of any width, number of segments
// and output type then uses, for each range of rows, only algorithms that are seen to give the reference's bits there;
// which of them is faster is measured, and cannot matter to the results. So shards of a weight, split by columns or by
// segments, agree as well as batches do. Stated by docs/determinism.md; after He et al., "Defeating Nondeterminism in
// LLM Inference", 2025, who fix one kernel instead.
#pragma once

#include "kernels/context.h"
#include "kernels/cuda/linear/layout.h"
#include "kernels/cuda/linear/library.h"

#include <memory>

namespace lockstep::cuda {

/// From the library's cache, or chosen now, which takes some milliseconds to a second and up to 256 MiB of device
/// memory for the time. `w` (the layout's packed bytes) and `bias` (null: none is added by the product) may be
/// overwritten. Not while the stream is recorded. Throws Error if no algorithm gives a row the same bits at every
/// number of rows.
std::shared_ptr<const LinearAlgorithm> choose_algorithm(const OpContext& context, const LinearLayout& layout, void* w,
                                                        float* bias);

}  // namespace lockstep::cuda
