// What the machine itself can do, measured beside a kernel so that both see the same clock and the same neighbours.
// x86-64 with AVX-512 only; other machines get zeros.
#pragma once

#include "core/buffer.h"
#include "core/thread_pool.h"

namespace lockstep::bench {

/// Seconds since an arbitrary point.
double now();

/// Bytes per second of one plain read of `buffer` by all threads of `pool`.
double read_bandwidth(ThreadPool& pool, const Buffer& buffer);

/// FLOP per second of BF16 dot products in registers on all threads of `pool`; 0 without AVX512_BF16.
double dot_product_peak(ThreadPool& pool);

}  // namespace lockstep::bench
