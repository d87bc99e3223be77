// mbarriers, wgmma and setmaxnreg, of sm_90a.
#include "kernel.cuh"

// Four phases of a barrier that all threads arrive at: what one thread stored is seen by all after it.
KERNEL(mbarrier_phases, int, int, int) {
    HERE;
    __shared__ uint64_t barrier[1];
    __shared__ int s[2];
    if (t == 0) {
        mbarrier_init(barrier, n);
        mbarrier_init_fence();
    }
    __syncthreads();
    for (int i = 0; i < 4; ++i) {
        if (t == 32) s[i % 2] = x[i];
        mbarrier_arrive(barrier);
        mbarrier_wait(barrier, i & 1);
        out[i * n + t] = s[i % 2];
    }
}

// x and y hold 64 x 64 matrices. They are stored under the 128-byte swizzle by ordinary threads, which the tensor cores see
// after the fence of the proxy.
GD_DEVICE void store_swizzled(uint16_t* to, const uint16_t* from) {
    for (int i = threadIdx.x; i < 64 * 64; i += blockDim.x) {
        const int row = i / 64, column = i % 64;
        to[row * 64 + (column / 8 ^ row % 8) * 8 + column % 8] = from[i];
    }
}
// The whole product, added to what the registers held, and in a second group a quarter of it that overwrites them. Registers
// that were set to constants would be set again after the fence.
KERNEL(wgmma, uint16_t, uint16_t, float) {
    HERE;
    GPUDL_DYNAMIC_SHARED(uint16_t, a);
    uint16_t* const b = a + 64 * 64;
    store_swizzled(a, x);
    store_swizzled(b, y);
    fence_proxy_async();
    __syncthreads();
    float whole[32], part[32];
#pragma unroll
    for (int i = 0; i < 32; ++i) whole[i] = float(x[i]), part[i] = float(y[i]);
    const uint64_t left = wgmma_descriptor_128b(a), right = wgmma_descriptor_128b(b);
    wgmma_fence();
#pragma unroll
    for (int step = 0; step < 4; ++step) wgmma_m64n64k16_bf16(whole, left + 2 * step, right + 2 * step, 1);
    wgmma_commit();
    wgmma_fence();
    wgmma_m64n64k16_bf16(part, left + 2, right + 2, 0);
    wgmma_commit();
    wgmma_wait<1>();
    for (int i = 0; i < 32; ++i) out[32 * t + i] = whole[i];
    wgmma_wait<0>();
    for (int i = 0; i < 32; ++i) out[32 * (n + t) + i] = part[i];
}

// 384 threads with 168 registers: one warpgroup gives up what the others take.
__global__ void __launch_bounds__(384, 1) setmaxnreg(const int* x, int*, int* out) {
    const int t = threadIdx.x;
    if (t < 128) {
        setmaxnreg_dec<40>();
    } else {
        setmaxnreg_inc<232>();
    }
    out[t] = x[t];
}
