// CUDA's vector types with CUDA's alignments (at most 16 bytes; three elements are aligned as one).
#pragma once
#include "hooks.h"

#define EMU_VECTOR(name, scalar, size)                                                                  \
  struct name##1 {                                                                                      \
    scalar x;                                                                                           \
  };                                                                                                    \
  struct alignas(2 * size) name##2 {                                                                    \
    scalar x, y;                                                                                        \
  };                                                                                                    \
  EMU_VECTOR3(name, scalar)                                                                             \
  struct alignas(4 * size > 16 ? 16 : 4 * size) name##4 {                                               \
    scalar x, y, z, w;                                                                                  \
  };                                                                                                    \
  EMU_INLINE name##1 make_##name##1(scalar x) { return {x}; }                                           \
  EMU_INLINE name##2 make_##name##2(scalar x, scalar y) { return {x, y}; }                              \
  EMU_INLINE name##3 make_##name##3(scalar x, scalar y, scalar z) { return {x, y, z}; }                 \
  EMU_INLINE name##4 make_##name##4(scalar x, scalar y, scalar z, scalar w) { return {x, y, z, w}; }

// uint3 is the type of the built-in variables, in hooks.h.
#define EMU_VECTOR3(name, scalar) \
  struct name##3 {                \
    scalar x, y, z;               \
  };
EMU_VECTOR(char, signed char, 1)
EMU_VECTOR(uchar, unsigned char, 1)
EMU_VECTOR(short, short, 2)
EMU_VECTOR(ushort, unsigned short, 2)
EMU_VECTOR(int, int, 4)
EMU_VECTOR(longlong, long long, 8)
EMU_VECTOR(ulonglong, unsigned long long, 8)
EMU_VECTOR(float, float, 4)
EMU_VECTOR(double, double, 8)
#undef EMU_VECTOR3
#define EMU_VECTOR3(name, scalar)
EMU_VECTOR(uint, unsigned, 4)
#undef EMU_VECTOR3
#undef EMU_VECTOR
