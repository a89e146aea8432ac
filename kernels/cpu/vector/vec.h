// `Vec`: the widest vectors of the instruction-set level that the including file is compiled for.
#pragma once

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#include "kernels/cpu/vector/avx512.h"
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#include "kernels/cpu/vector/avx2.h"
#else
#include "kernels/cpu/vector/scalar.h"
#endif
