// 16-bit floats. They are storage: arithmetic converts to float, and converting back rounds to nearest even.
#pragma once
#include <gpudl/language.cuh>

namespace gd {

struct bf16;
struct half;

namespace detail {

GD_DEVICE float bf16_to_float(uint16_t bits) { return __uint_as_float(static_cast<uint32_t>(bits) << 16); }

GD_DEVICE uint16_t float_to_bf16(float x) {
#if defined(GPUDL_SM80) && !defined(GPUDL_EMULATED)
  uint16_t bits;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(x));
  return bits;
#else
  uint32_t u = __float_as_uint(x);
  if ((u & 0x7fffffffu) > 0x7f800000u) return 0x7fff;  // NaN, as cvt gives it
  return static_cast<uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
#endif
}

#ifdef GPUDL_EMULATED
EMU_INLINE float half_to_float(uint16_t bits) { return emu_half_to_float(bits); }
EMU_INLINE uint16_t float_to_half(float x) { return emu_float_to_half(x); }
#else
GD_DEVICE float half_to_float(uint16_t bits) {
  float x;
  asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
  return x;
}

GD_DEVICE uint16_t float_to_half(float x) {
  uint16_t bits;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x));
  return bits;
}
#endif

}  // namespace detail

// Shared arrays take a constructor that does nothing. g++ would guard theirs with a flag beside them, in shared memory,
// unless it is a constant.
#ifdef GPUDL_EMULATED
#define GPUDL_UNSET(type) constexpr type() : bits() {}
#else
#define GPUDL_UNSET(type) type() = default;
#endif

struct alignas(2) bf16 {
  uint16_t bits;
  GPUDL_UNSET(bf16)
  GD_DEVICE explicit bf16(float x) : bits(detail::float_to_bf16(x)) {}
  GD_DEVICE operator float() const { return detail::bf16_to_float(bits); }
};

struct alignas(2) half {
  uint16_t bits;
  GPUDL_UNSET(half)
  GD_DEVICE explicit half(float x) : bits(detail::float_to_half(x)) {}
  GD_DEVICE operator float() const { return detail::half_to_float(bits); }
};
#undef GPUDL_UNSET

GD_DEVICE float to_float(float x) { return x; }
GD_DEVICE float to_float(bf16 x) { return detail::bf16_to_float(x.bits); }
GD_DEVICE float to_float(half x) { return detail::half_to_float(x.bits); }

template <class T>
GD_DEVICE T from_float(float x) {
  return T(x);
}

// Two values side by side in a register, the first in the low half, as mma fragments hold them.
GD_DEVICE uint32_t pack(bf16 low, bf16 high) { return low.bits | static_cast<uint32_t>(high.bits) << 16; }
GD_DEVICE uint32_t pack(half low, half high) { return low.bits | static_cast<uint32_t>(high.bits) << 16; }

// Rounded to the 10 bits of mantissa that a TF32 multiply takes.
GD_DEVICE uint32_t to_tf32(float x) {
#if defined(GPUDL_SM80) && !defined(GPUDL_EMULATED)
  uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return bits;
#else
  uint32_t u = __float_as_uint(x);
  if ((u & 0x7f800000u) == 0x7f800000u) return u;  // infinity and NaN stay
  return (u + 0x1000u) & ~0x1fffu;                 // to nearest, ties away from zero
#endif
}

}  // namespace gd
