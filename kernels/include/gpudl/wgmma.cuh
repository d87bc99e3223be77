// Matrix multiplication by a warpgroup (four warps) on sm_90a, with both operands in shared memory.
#pragma once
#include <gpudl/language.cuh>
#include <gpudl/memory.cuh>

namespace gd {

#ifdef GPUDL_EMULATED

EMU_INLINE void wgmma_fence() { emu_wgmma_fence(); }
EMU_INLINE void wgmma_commit() { emu_wgmma_commit(); }
template <int N>
EMU_INLINE void wgmma_wait() {
  emu_wgmma_wait(N);
}
EMU_INLINE void wgmma_m64n64k16_bf16(float (&d)[32], uint64_t a, uint64_t b, int accumulate) {
  emu_wgmma_bf16(d, 64, a, b, accumulate);
}
template <int REGISTERS>
EMU_INLINE void setmaxnreg_inc() {
  emu_setmaxnreg(REGISTERS, true);
}
template <int REGISTERS>
EMU_INLINE void setmaxnreg_dec() {
  emu_setmaxnreg(REGISTERS, false);
}

#elif defined(GPUDL_SM90A)

// Before the first wgmma, and whenever registers of an accumulator were touched in between.
GD_DEVICE void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
GD_DEVICE void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int N>
GD_DEVICE void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory");
}

// d (+)= A B^T with A[64][16] and B[64][16], both K-major. Warp w of the group, lane l: d[4j + e] is
// D[16w + l/4 + 8 (e/2)][8j + 2 (l%4) + e%2].
GD_DEVICE void wgmma_m64n64k16_bf16(float (&d)[32], uint64_t a, uint64_t b, int accumulate) {
  asm volatile(
      "{\n.reg .pred p;\nsetp.ne.b32 p, %34, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 "
      "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, "
      "%32, %33, p, 1, 1, 0, 0;\n}"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]), "+f"(d[8]),
        "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]), "+f"(d[16]),
        "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]), "+f"(d[24]),
        "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31])
      : "l"(a), "l"(b), "r"(accumulate));
}

// Moves registers between warpgroups: all warps of the group, a multiple of 8 from 24 to 256.
template <int REGISTERS>
GD_DEVICE void setmaxnreg_inc() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(REGISTERS));
}
template <int REGISTERS>
GD_DEVICE void setmaxnreg_dec() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(REGISTERS));
}

#endif

#ifdef GPUDL_SM90A
// A K-major operand with rows of 64 16-bit elements under a 128-byte swizzle: start address, leading offset (unused, 1),
// 1024 bytes from one group of 8 rows to the next, swizzle mode 1 in bits 62 and 63. The k-th 16 columns are 2k further.
GD_DEVICE uint64_t wgmma_descriptor_128b(const void* operand) {
  return static_cast<uint64_t>((shared_address(operand) & 0x3ffffu) >> 4) | (1ull << 16) | (64ull << 32) | (1ull << 62);
}
#endif

}  // namespace gd
