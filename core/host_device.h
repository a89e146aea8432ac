// LS_HOST_DEVICE marks functions that device code may call too; to every other compiler it is nothing.
#pragma once

#if defined(__CUDACC__)
#define LS_HOST_DEVICE __host__ __device__
#else
#define LS_HOST_DEVICE
#endif
