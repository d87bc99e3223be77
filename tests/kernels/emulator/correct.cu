// Patterns that are legal, and must not be reported in any order.
#include <gpudl/device.cuh>

#define KERNEL(name) __global__ void __launch_bounds__(128) name(float* x, float* y, int32_t n)
#define HERE const int t = threadIdx.x; (void)t; (void)x; (void)y; (void)n

// The last block adds up what all have written: y[16].
KERNEL(last_block) {
    HERE;
    __shared__ bool last[1];
    if (t == 0) {
        y[blockIdx.x] = x[blockIdx.x];
        __threadfence();
        last[0] = atomicAdd(reinterpret_cast<int*>(y) + 8, 1) == int(gridDim.x) - 1;
    }
    __syncthreads();
    if (last[0] && t == 0) {
        float sum = 0;
        for (int i = 0; i < int(gridDim.x); ++i) sum += y[i];
        y[16] = sum;
    }
}
KERNEL(exchange_in_a_warp) {
    HERE;
    __shared__ float s[64];
    s[t] = x[t];
    __syncwarp();
    y[t] = s[t ^ 1];
}
KERNEL(early_exit) {
    HERE;
    __shared__ float s[64];
    if (t >= 32) return;
    s[t] = x[t];
    __syncthreads();
    y[t] = s[31 - t];
}
KERNEL(neighbouring_bytes) {
    HERE;
    __shared__ uint8_t s[64];
    s[t] = uint8_t(t);
    __syncthreads();
    y[t] = float(s[63 - t]);
}
KERNEL(two_buffers) {
    HERE;
    __shared__ __align__(16) float s[2][64];
    cp_async4(s[0] + t, x + t);
    cp_async_commit();
    float sum = 0;
    for (int i = 0; i < 4; ++i) {
        if (i < 3) cp_async4(s[(i + 1) % 2] + t, x + t);
        cp_async_commit();
        cp_async_wait<1>();
        __syncthreads();
        sum += s[i % 2][63 - t];
        __syncthreads();
    }
    y[t] = sum;
}
KERNEL(producer_and_consumer) {
    HERE;
    __shared__ float s[32];
    for (int i = 0; i < 3; ++i) {
        if (t < 32) {
            if (i) named_barrier_sync(2, 64);
            s[t] = x[t] + float(i);
            named_barrier_arrive(1, 64);
        } else {
            named_barrier_sync(1, 64);
            y[t - 32] = s[63 - t];
            if (i < 2) named_barrier_arrive(2, 64);
        }
    }
}
KERNEL(phases) {
    HERE;
    __shared__ uint64_t b[1];
    __shared__ float s[1];
    if (t == 0) mbarrier_init(b, 1);
    __syncthreads();
    if (t == 0) {
        s[0] = x[5];
        mbarrier_arrive(b);
    }
    mbarrier_wait(b, 0);
    y[t] = s[0];
}
KERNEL(counted_up) {
    HERE;
    atomicAdd(y, 1.0f);
}
// y[32 ...] of every block from what the other one wrote before the grid's barrier.
KERNEL(across_the_grid) {
    HERE;
    if (t < 8) y[blockIdx.x * 8 + t] = x[t];
    grid_sync(reinterpret_cast<GridBarrier*>(x + 32));
    if (t < 8) y[32 + blockIdx.x * 8 + t] = y[(1 - blockIdx.x) * 8 + t];
}
