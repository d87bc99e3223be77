// Compiles one file of kernels once per instruction set and chooses at run time:
//
//   #define GPUDL_TARGET_FILE "conv_kernels.inc"
//   #include "targets.h"
//   GPUDL_DISPATCH(run_block<float>(job, 0, rows));
//
// The file puts its functions into `namespace gpudl::GPUDL_TARGET`. Unlike target_clones this works for templates, with
// every C library, and lets the tests run each variant on one machine (`limit_simd`). Includes of headers stay outside the
// file, so no inline function of a library is compiled for an instruction set that the CPU may lack.
#include "simd.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#ifndef GPUDL_TARGETS_ONCE
#define GPUDL_TARGETS_ONCE
namespace gpudl {
// 0: base architecture, 1: AVX2 and FMA, 2: AVX-512 (F, BW, DQ, VL). Found once; `limit_simd` lowers it.
int simd_level();
}  // namespace gpudl

#if defined(__clang__)
#define GPUDL_UNROLL _Pragma("clang loop unroll(full)")
#else
#define GPUDL_UNROLL _Pragma("GCC unroll 64")
#endif
#if defined(__x86_64__)
#define GPUDL_DISPATCH(...)                                    \
    do {                                                       \
        switch (::gpudl::simd_level()) {                       \
            case 2: ::gpudl::isa_avx512::__VA_ARGS__; break;   \
            case 1: ::gpudl::isa_avx2::__VA_ARGS__; break;     \
            default: ::gpudl::isa_base::__VA_ARGS__;           \
        }                                                      \
    } while (0)
#else
#define GPUDL_DISPATCH(...) ::gpudl::isa_base::__VA_ARGS__
#endif
#endif

#define GPUDL_TARGET isa_base
#define GPUDL_VECTOR_BYTES 16
#include "vec.inc"
#include GPUDL_TARGET_FILE
#undef GPUDL_TARGET
#undef GPUDL_VECTOR_BYTES

#if defined(__x86_64__)

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
#define GPUDL_TARGET isa_avx2
#define GPUDL_VECTOR_BYTES 32
#include "vec.inc"
#include GPUDL_TARGET_FILE
#undef GPUDL_TARGET
#undef GPUDL_VECTOR_BYTES
#if defined(__clang__)
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")
#endif
#define GPUDL_TARGET isa_avx512
#define GPUDL_VECTOR_BYTES 64
#include "vec.inc"
#include GPUDL_TARGET_FILE
#undef GPUDL_TARGET
#undef GPUDL_VECTOR_BYTES
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif
#undef GPUDL_TARGET_FILE
