// CUDA's built-in vector types and dim3, for the host's compiler.
#pragma once

#include <cstdint>

// NOLINTBEGIN(readability-identifier-naming): the names are CUDA's
#define LS_EMULATED_VECTORS(scalar, name, align2, align4)                           \
  struct name##1 {                                                                  \
    scalar x;                                                                       \
  };                                                                                \
  struct alignas(align2) name##2 {                                                  \
    scalar x, y;                                                                    \
  };                                                                                \
  struct name##3 {                                                                  \
    scalar x, y, z;                                                                 \
  };                                                                                \
  struct alignas(align4) name##4 {                                                  \
    scalar x, y, z, w;                                                              \
  };                                                                                \
  inline name##1 make_##name##1(scalar x) { return {x}; }                           \
  inline name##2 make_##name##2(scalar x, scalar y) { return {x, y}; }              \
  inline name##3 make_##name##3(scalar x, scalar y, scalar z) { return {x, y, z}; } \
  inline name##4 make_##name##4(scalar x, scalar y, scalar z, scalar w) { return {x, y, z, w}; }

LS_EMULATED_VECTORS(signed char, char, 2, 4)
LS_EMULATED_VECTORS(unsigned char, uchar, 2, 4)
LS_EMULATED_VECTORS(short, short, 4, 8)
LS_EMULATED_VECTORS(unsigned short, ushort, 4, 8)
LS_EMULATED_VECTORS(int, int, 8, 16)
LS_EMULATED_VECTORS(unsigned int, uint, 8, 16)
LS_EMULATED_VECTORS(long long, longlong, 16, 16)
LS_EMULATED_VECTORS(unsigned long long, ulonglong, 16, 16)
LS_EMULATED_VECTORS(float, float, 8, 16)
LS_EMULATED_VECTORS(double, double, 16, 16)
#undef LS_EMULATED_VECTORS

struct dim3 {
  unsigned int x = 1, y = 1, z = 1;
  constexpr dim3(unsigned int width = 1, unsigned int height = 1, unsigned int depth = 1)
      : x(width), y(height), z(depth) {}
  constexpr dim3(uint3 size) : x(size.x), y(size.y), z(size.z) {}
};
// NOLINTEND(readability-identifier-naming)
