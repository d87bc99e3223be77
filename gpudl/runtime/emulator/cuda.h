// CUDA's language on g++: qualifiers, built-in variables and the functions that NVRTC has built in.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "hooks.h"

#define __global__
#define __device__
#define __host__
#define __constant__ const
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(n) __attribute__((aligned(n)))
#ifndef __restrict__
#define __restrict__ __restrict
#endif
// The thread-local block of a library is the static shared memory of its kernels: one range that can be poisoned and
// watched. (A section would do too, but g++ refuses one for variables of templates.)
#define __shared__ static thread_local

#define threadIdx (emu_here.thread_index)
#define blockIdx (emu_here.block_index)
#define blockDim (emu_here.block_dim)
#define gridDim (emu_here.grid_dim)
#define warpSize 32

EMU_INLINE void __syncthreads() { emu_syncthreads(); }
EMU_INLINE int __syncthreads_count(int p) { return emu_syncthreads_vote(p, 0); }
EMU_INLINE int __syncthreads_and(int p) { return emu_syncthreads_vote(p, 1); }
EMU_INLINE int __syncthreads_or(int p) { return emu_syncthreads_vote(p, 2); }
EMU_INLINE void __threadfence() { emu_threadfence(); }
EMU_INLINE void __threadfence_block() {}
EMU_INLINE void __threadfence_system() { emu_threadfence(); }
EMU_INLINE void __nanosleep(unsigned) {}

#include "vector_types.h"
// After the vector types: shuffles and loads of all of them.
#include "atomics.h"
#include "instance.h"
#include "intrinsics.h"
#include "warp.h"
