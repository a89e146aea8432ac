// Changes the format of sealed pages in host memory: to fewer bits, or back up. By the host on every backend; the tests
// of what a format costs are tests/kernels/transcode_test.cpp.
#pragma once

#include "kernels/kv_layout.h"

#include <cstddef>

namespace lockstep {

/// Writes one layer of one head of a sealed page, the `layer`-th block of KvLayout::layer_blocks(), in another format.
/// - From KvFormat::kFull: the bits that sealing the page on the CPU gives (kernels/seal_pages.h).
/// - Between codes: those of sealing a page of the decoded floats; keys, or values, whose bits stay are copied.
/// - To kFull: the decoded numbers in the model's dtype, and where there are summaries those of these numbers, not of
///   the ones that were coded first.
/// Down and up again is not the identity from the second time on: means and scales of keys are those of the decoded
/// numbers, and a scale may grow by an eighth each time.
/// `source`, `target`: from.layer_bytes(layer) and to.layer_bytes(layer) bytes, of any alignment for dtype; padding of
/// `target` is zero. Not for halves of first pages (KvLayout::splits_first_page()).
/// Layouts differ in format, wide keys and summaries only. Thread-safe. Throws: ShapeError.
void transcode_block(const KvLayout& from, const std::byte* source, const KvLayout& to, std::byte* target,
                     int64_t layer);

}  // namespace lockstep
