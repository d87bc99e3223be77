// Barriers: named ones of a block, the grid's, and the mbarrier that asynchronous copies report to.
#pragma once
#include <gpudl/language.cuh>
#include <gpudl/memory.cuh>

namespace gd {

// Zeroed before a cooperative launch; grid_sync leaves it ready for the next one.
struct GridBarrier {
  unsigned arrived;
  unsigned generation;
};

#ifdef GPUDL_EMULATED

EMU_INLINE void named_barrier_sync(int id, int threads) { emu_named_barrier_sync(id, threads); }
EMU_INLINE void named_barrier_arrive(int id, int threads) { emu_named_barrier_arrive(id, threads); }
EMU_INLINE void grid_sync(GridBarrier* barrier) { emu_grid_sync(barrier, sizeof *barrier); }

EMU_INLINE void mbarrier_init(uint64_t* barrier, int arrivals) { emu_mbarrier_init(barrier, arrivals); }
EMU_INLINE void mbarrier_init_fence() {}
EMU_INLINE void mbarrier_arrive(uint64_t* barrier) { emu_mbarrier_arrive(barrier, 0); }
EMU_INLINE void mbarrier_arrive_expect_tx(uint64_t* barrier, int bytes) { emu_mbarrier_arrive(barrier, bytes); }
EMU_INLINE void mbarrier_wait(uint64_t* barrier, int parity) { emu_mbarrier_wait(barrier, parity); }

#else

GD_DEVICE void named_barrier_sync(int id, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
GD_DEVICE void named_barrier_arrive(int id, int threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

// All threads of all blocks of a cooperative launch. Sense-reversing: the last block to arrive opens the next generation.
GD_DEVICE void grid_sync(GridBarrier* barrier) {
  __syncthreads();
  if (threadIdx.x == 0 && threadIdx.y == 0 && threadIdx.z == 0) {
    unsigned blocks = gridDim.x * gridDim.y * gridDim.z;
    unsigned generation = load_acquire(&barrier->generation);
    __threadfence();
    if (atomicAdd(&barrier->arrived, 1u) == blocks - 1) {
      atomicExch(&barrier->arrived, 0u);
      __threadfence();
      store_release(&barrier->generation, generation + 1);
    } else {
      while (load_acquire(&barrier->generation) == generation) {
      }
    }
    __threadfence();
  }
  __syncthreads();
}

#ifdef GPUDL_SM90
GD_DEVICE void mbarrier_init(uint64_t* barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(arrivals) : "memory");
}
// Makes initialised barriers visible to the asynchronous proxy; one thread after mbarrier_init, before __syncthreads.
GD_DEVICE void mbarrier_init_fence() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }
GD_DEVICE void mbarrier_arrive(uint64_t* barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier)) : "memory");
}
// One arrival that also announces `bytes` of asynchronous copies.
GD_DEVICE void mbarrier_arrive_expect_tx(uint64_t* barrier, int bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)), "r"(bytes)
               : "memory");
}
// Until the phase of this parity has completed. A fresh barrier is in phase 0, so waiting for parity 1 passes at once.
GD_DEVICE void mbarrier_wait(uint64_t* barrier, int parity) {
  asm volatile(
      "{\n.reg .pred done;\n"
      "again_%=:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      "@!done bra again_%=;\n}" ::"r"(shared_address(barrier)),
      "r"(parity)
      : "memory");
}
#endif

#endif

}  // namespace gd
