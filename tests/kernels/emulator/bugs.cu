// Kernels with one fault each. The line that a report must name is marked; where two accesses race, both are.
#include <gpudl/device.cuh>

#define KERNEL(name) __global__ void __launch_bounds__(128) name(float* x, float* y, int32_t n)
#define GD_DEVICE_NOINLINE __device__ __noinline__
#define HERE const int t = threadIdx.x; (void)t; (void)x; (void)y; (void)n

// ----- races -----
KERNEL(missing_barrier) {
    HERE;
    __shared__ float s[64];
    s[t] = 0;
    __syncthreads();
    s[t] = x[t];          // BUG missing_barrier
    y[t] = s[n - 1 - t];  // BUG missing_barrier
}
KERNEL(barrier_before_reuse) {
    HERE;
    __shared__ float s[64];
    for (int i = 0; i < 2; ++i) {
        s[t] = x[t] + float(i);  // BUG barrier_before_reuse
        __syncthreads();
        y[t] = s[(t + 1) % n];  // BUG barrier_before_reuse
    }
}
KERNEL(write_write) {
    HERE;
    __shared__ float s[1];
    s[0] = x[t];  // BUG write_write
    __syncthreads();
    y[t] = s[0];
}
KERNEL(missing_syncwarp) {
    HERE;
    __shared__ float s[64];
    s[t] = 0;
    __syncthreads();
    s[t] = x[t];      // BUG missing_syncwarp
    y[t] = s[t ^ 1];  // BUG missing_syncwarp
}
KERNEL(between_warps) {
    HERE;
    __shared__ float s[64];
    s[t] = 0;
    __syncthreads();
    s[t] = x[t];  // BUG between_warps
    __syncwarp();
    y[t] = s[t ^ 32];  // BUG between_warps
}
KERNEL(same_result) {
    HERE;
    y[0] = x[t];  // BUG same_result
}
KERNEL(between_blocks) {
    HERE;
    y[t] = x[t];  // BUG between_blocks
}
KERNEL(sum_without_atomic) {
    HERE;
    y[t % 4] += x[t];  // BUG sum_without_atomic
}
KERNEL(missing_fence) {
    HERE;
    if (t) return;
    y[blockIdx.x] = x[0];  // BUG missing_fence
    if (atomicAdd(reinterpret_cast<int*>(y) + 8, 1) == int(gridDim.x) - 1) y[16] = y[0] + y[1];  // BUG missing_fence
}
KERNEL(plain_and_atomic) {
    HERE;
    if (t < 32) atomicAdd(y, 1.0f);  // BUG plain_and_atomic
    else y[0] = x[t];                // BUG plain_and_atomic
}

// ----- bounds -----
KERNEL(read_above) {
    HERE;
    y[t] = x[t + 1];  // BUG read_above
}
KERNEL(read_below) {
    HERE;
    y[t] = x[t - 1];  // BUG read_below
}
KERNEL(write_above) {
    HERE;
    y[t + 1] = 1;  // BUG write_above
}
KERNEL(write_below) {
    HERE;
    y[-t] = 1;  // BUG write_below
}
KERNEL(null_pointer) {
    HERE;
    float* p = n ? nullptr : x;
    y[t] = p[t];  // BUG null_pointer
}
KERNEL(static_index) {
    HERE;
    __shared__ float s[64];
    s[t + 1] = x[t];  // BUG static_index
}
struct Four {
    float v[4];
};
GD_DEVICE float picked(const Four& four, int i) {
    return four.v[i];  // BUG member_index
}
KERNEL(member_index) {
    HERE;
    const Four four = {{x[t], 1, 2, 3}};
    y[t] = picked(four, t % 5);
}
KERNEL(dynamic_overrun) {
    HERE;
    GPUDL_DYNAMIC_SHARED(float, s);
    s[t + 1] = x[t];  // BUG dynamic_overrun
}
KERNEL(wide_tail) {
    HERE;
    const float4 v = reinterpret_cast<float4*>(x)[t];  // BUG wide_tail
    y[t] = v.x;
}

// ----- memory that nobody wrote -----
KERNEL(unwritten_shared) {
    HERE;
    __shared__ float s[64];
    y[t] = s[t];  // BUG unwritten_shared
    s[t] = x[t];
}
KERNEL(half_written) {
    HERE;
    __shared__ float s[64];
    if (t % 2) s[t] = x[t];
    __syncthreads();
    y[t] = s[t];  // BUG half_written
}
KERNEL(unwritten_dynamic) {
    HERE;
    GPUDL_DYNAMIC_SHARED(float, s);
    y[t] = s[t];  // BUG unwritten_dynamic
}
KERNEL(fresh_array) {
    HERE;
    x[t] = y[t];  // BUG fresh_array
}

// ----- divergence -----
KERNEL(two_barriers) {
    HERE;
    if (t < 32) {
        __syncthreads();  // BUG two_barriers
    } else {
        __syncthreads();  // BUG two_barriers
    }
}
KERNEL(exited_lane) {
    HERE;
    if (t % 32 >= 16) return;
    y[t] = __shfl_xor_sync(0xffffffffu, x[t], 1);  // BUG exited_lane
}
KERNEL(not_in_mask) {
    HERE;
    y[t] = __shfl_xor_sync(0x0000ffffu, x[t], 1);  // BUG not_in_mask
}
KERNEL(absent_source) {
    HERE;
    if (t % 32 < 16) y[t] = __shfl_sync(0x0000ffffu, x[t], 20);  // BUG absent_source
}
KERNEL(different_collectives) {
    HERE;
    if (t % 32 < 16) y[t] = float(__ballot_sync(0xffffffffu, t));  // BUG different_collectives
    else y[t] = __shfl_sync(0xffffffffu, x[t], 0);                 // BUG different_collectives
}

// ----- barriers -----
KERNEL(odd_count) {
    HERE;
    named_barrier_sync(1, 33);  // BUG odd_count
}
KERNEL(no_such_barrier) {
    HERE;
    named_barrier_sync(16, 64);  // BUG no_such_barrier
}
KERNEL(counts_differ) {
    HERE;
    if (t < 32) named_barrier_sync(1, 64);  // BUG counts_differ
    else named_barrier_sync(1, 128);        // BUG counts_differ
}
KERNEL(mbarrier_not_initialised) {
    HERE;
    __shared__ uint64_t b[1];
    mbarrier_wait(b, 0);  // BUG mbarrier_not_initialised
}
KERNEL(too_many_arrivals) {
    HERE;
    __shared__ uint64_t b[1];
    if (t) return;
    mbarrier_init(b, 2);
    mbarrier_arrive(b);
    mbarrier_arrive_expect_tx(b, 16);
    mbarrier_arrive(b);  // BUG too_many_arrivals
}

// ----- deadlocks -----
KERNEL(spin) {
    HERE;
    const int* flag = reinterpret_cast<const int*>(x);
    if (t == 0)
        while (load_acquire(flag) == 0) {  // BUG spin
        }
}
KERNEL(never_arrives) {
    HERE;
    __shared__ uint64_t b[1];
    if (t) return;
    mbarrier_init(b, 2);
    mbarrier_arrive(b);
    mbarrier_wait(b, 0);  // BUG never_arrives
}
KERNEL(half_a_barrier) {
    HERE;
    if (t < 32) named_barrier_sync(1, 64);  // BUG half_a_barrier
}

// ----- asynchronous copies and tensor cores -----
KERNEL(read_before_wait) {
    HERE;
    __shared__ __align__(16) float s[256];
    cp_async4(s + t, x + t);
    cp_async_commit();
    y[t] = s[t];  // BUG read_before_wait
}
KERNEL(not_committed) {
    HERE;
    __shared__ __align__(16) float s[256];
    cp_async4(s + t, x + t);
    cp_async_wait<0>();
    y[t] = s[t];  // BUG not_committed
}
KERNEL(wrong_group) {
    HERE;
    __shared__ __align__(16) float s[256];
    cp_async4(s + t, x + t);
    cp_async_commit();
    cp_async4(s + 64 + t, x + t);
    cp_async_commit();
    cp_async_wait<1>();
    y[t] = s[64 + t];  // BUG wrong_group
}
KERNEL(refilled_in_flight) {
    HERE;
    __shared__ __align__(16) float s[256];
    cp_async4(s + t, x + t);
    cp_async_commit();
    s[t] = 0;  // BUG refilled_in_flight
}
KERNEL(wgmma_without_fence) {
    HERE;
    float d[32] = {};
    wgmma_m64n64k16_bf16(d, 0, 0, 0);  // BUG wgmma_without_fence
    y[t % 64] = d[0];
}
KERNEL(proxy_fence) {
    HERE;
    GPUDL_DYNAMIC_SHARED(uint32_t, s);
    for (int i = t; i < 4096; i += 128) s[i] = 0;
    __syncthreads();
    float d[32] = {};
    wgmma_fence();
    wgmma_m64n64k16_bf16(d, wgmma_descriptor_128b(s), wgmma_descriptor_128b(s + 2048), 0);
    wgmma_commit();
    wgmma_wait<0>();  // BUG proxy_fence
    if (t < 64) y[t] = d[0];
}

// ----- the stack -----
GD_DEVICE_NOINLINE float deeper(const float* x, int32_t n) {
    volatile float large[1024];
    large[n % 1024] = x[n % 64];                                         // BUG endless_recursion
    return n < 0 ? large[0] : deeper(x, n + 1) + large[(n + 1) % 1024];  // BUG endless_recursion
}
KERNEL(endless_recursion) {
    HERE;
    y[t] = deeper(x, n);
}

// ----- alignment, arithmetic, launches -----
KERNEL(misaligned_vector) {
    HERE;
    if (t < 8) y[t] = reinterpret_cast<float4*>(x + 1)[t].x;  // BUG misaligned_vector
}
KERNEL(misaligned_copy) {
    HERE;
    __shared__ __align__(16) float s[256];
    cp_async16(s + 1, x);  // BUG misaligned_copy
}
KERNEL(overflow) {
    HERE;
    y[t] = float(2147483647 - 1 + t + n);  // BUG overflow
}
KERNEL(shift) {
    HERE;
    y[t] = float(1 << (n - t));  // BUG shift
}
KERNEL(division_by_zero) {
    HERE;
    y[t] = float(n / t);  // BUG division_by_zero
}
KERNEL(grid_sync_alone) {
    HERE;
    grid_sync(reinterpret_cast<GridBarrier*>(y));  // BUG grid_sync_alone
}
KERNEL(registers) {
    HERE;
    setmaxnreg_dec<20>();  // BUG registers
}
