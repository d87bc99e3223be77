// The tensor memory accelerator of sm_90: one thread asks for a tile, the copy engine fills shared memory.
#pragma once
#include <gpudl/language.cuh>
#include <gpudl/memory.cuh>

namespace gd {

// CUtensorMap of the driver, which encodes it; a kernel takes it as `const __grid_constant__ TensorMap`.
struct alignas(64) TensorMap {
  uint64_t opaque[16];
};

#ifdef GPUDL_EMULATED

EMU_INLINE void tma_load_2d(void* dst, const TensorMap* map, int c0, int c1, uint64_t* barrier) {
  emu_tma_load_2d(dst, map, c0, c1, barrier);
}
EMU_INLINE void fence_proxy_async() { emu_fence_proxy_async(); }

#elif defined(GPUDL_SM90)

// The box at element (c0, c1), c0 along the contiguous dimension. What lies outside of the tensor arrives as zeros; the whole
// box counts towards the bytes that the barrier expects.
GD_DEVICE void tma_load_2d(void* dst, const TensorMap* map, int c0, int c1, uint64_t* barrier) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];" ::"r"(
          shared_address(dst)),
      "l"(map), "r"(shared_address(barrier)), "r"(c0), "r"(c1)
      : "memory");
}
// Orders this thread's ordinary accesses to shared memory before later ones of the asynchronous proxy (TMA, wgmma).
GD_DEVICE void fence_proxy_async() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

#endif

}  // namespace gd
