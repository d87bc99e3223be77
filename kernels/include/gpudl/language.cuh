// What the language itself must provide: fixed-width integers, limits, dynamic shared memory, instances for the emulator.
#pragma once

#ifdef GPUDL_EMULATED
#include "cuda.h"  // CUDA's language for g++: gpudl/runtime/emulator

#define GD_DEVICE EMU_INLINE
#define GPUDL_DYNAMIC_SHARED(type, name) type* name = reinterpret_cast<type*>(emu_dynamic_shared())
#else

typedef signed char int8_t;
typedef short int16_t;
typedef int int32_t;
typedef long long int64_t;
typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef unsigned int uint32_t;
typedef unsigned long long uint64_t;

#ifndef INFINITY
#define INFINITY __int_as_float(0x7f800000)
#endif
#ifndef NAN
#define NAN __int_as_float(0x7fffffff)
#endif

#define GD_DEVICE __device__ __forceinline__
// 1024 bytes: what a 128-byte swizzle needs.
#define GPUDL_DYNAMIC_SHARED(type, name)                              \
  extern __shared__ __align__(1024) unsigned char gpudl_dynamic_shared_[]; \
  type* name = reinterpret_cast<type*>(gpudl_dynamic_shared_)
#define GPUDL_INSTANCE(key, function)  // NVRTC instantiates by name expression
#endif

// Architectures. wgmma and setmaxnreg exist on sm_90a only; the emulator has everything.
#if defined(GPUDL_EMULATED) || (defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800)
#define GPUDL_SM80 1
#endif
#if defined(GPUDL_EMULATED) || (defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900)
#define GPUDL_SM90 1
#endif
#if defined(GPUDL_EMULATED) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define GPUDL_SM90A 1
#endif
