// What emulated device code calls. Everything behind these functions is in the runtime, which is compiled without
// instrumentation; the return address of a call is what a report shows as the source line, so callers are inlined.
#pragma once
#include <cstddef>
#include <cstdint>

#define EMU_INLINE inline __attribute__((always_inline))
#if defined(GPUDL_EMU_CHECKED)
// For accesses that must not reach the instrumentation, which would take them for ordinary ones of the kernel.
#define EMU_UNCHECKED __attribute__((no_sanitize("thread"), noinline)) inline
#else
#define EMU_UNCHECKED EMU_INLINE
#endif

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

// The thread that runs now: CUDA's built-in variables and little more.
struct EmuHere {
  uint3 thread_index, block_index;
  dim3 block_dim, grid_dim;
  unsigned lane;
  unsigned char* dynamic_shared;
};

// Values that the lanes of a warp exchange: one slot a lane, valid for the lanes in `lanes`.
struct EmuExchange {
  static constexpr int kSlot = 96;
  unsigned lanes;
  alignas(16) char slot[32][kSlot];
};
// Runs once, on the last lane to arrive.
using EmuFinish = void (*)(EmuExchange&);

enum EmuAtomicKind { kAtomicLoad = 1, kAtomicStore = 2, kAtomicUpdate = 3 };

extern "C" {
extern EmuHere emu_here;

void emu_register(const char* key, void (*entry)(const void**), int n, const int* sizes, const int* is_pointer);

void emu_syncthreads();
int emu_syncthreads_vote(int predicate, int what);  // 0 count, 1 and, 2 or
void emu_named_barrier_sync(int id, int threads);
void emu_named_barrier_arrive(int id, int threads);
void emu_grid_sync(void* barrier, size_t bytes);
void emu_threadfence();

EmuExchange* emu_exchange(unsigned mask, const void* in, int bytes, EmuFinish finish, const char* name);
void emu_syncwarp(unsigned mask);
unsigned emu_activemask();
void emu_absent_lane(const char* name, int lane);

void emu_atomic(const void* p, int bytes, int kind);  // before an atomic access: checks and orders it
void emu_acquire(const void* p, int bytes);           // load_acquire: all that was released to p is seen from now on
void emu_release(const void* p, int bytes);           // store_release, before the store

uint32_t emu_shared_address(const void* p);
void emu_cp_async(void* dst, const void* src, int bytes, int source_bytes);
void emu_cp_async_commit();
void emu_cp_async_wait(int groups);

void emu_ldmatrix(uint32_t* r, const void* row, int matrices, bool transposed);
void emu_mma_bf16(float* c, const uint32_t* a, const uint32_t* b);
void emu_mma_f16(float* c, const uint32_t* a, const uint32_t* b);
void emu_mma_tf32(float* c, const uint32_t* a, const uint32_t* b);

void emu_mbarrier_init(uint64_t* barrier, int arrivals);
void emu_mbarrier_arrive(uint64_t* barrier, int bytes);
void emu_mbarrier_wait(uint64_t* barrier, int parity);
void emu_tma_load_2d(void* dst, const void* map, int c0, int c1, uint64_t* barrier);
void emu_fence_proxy_async();

void emu_wgmma_fence();
void emu_wgmma_bf16(float* d, int n, uint64_t a, uint64_t b, int accumulate);
void emu_wgmma_commit();
void emu_wgmma_wait(int groups);
void emu_setmaxnreg(int registers, bool increase);
}

EMU_INLINE unsigned char* emu_dynamic_shared() { return emu_here.dynamic_shared; }

template <class T>
struct emu_identity_of {
  using type = T;
};
template <class T>
using emu_identity = typename emu_identity_of<T>::type;  // not deduced, so that a literal converts
