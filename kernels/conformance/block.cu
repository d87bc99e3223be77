// Barriers of a block and of the grid, fences, ordered accesses, and the report of an error.
#include "kernel.cuh"

KERNEL(syncthreads, int, int, int) {
    HERE;
    __shared__ int s[256];
    s[t] = x[t];
    __syncthreads();
    out[t] = s[n - 1 - t];
}
#define VOTE(name)                               \
    KERNEL(name##_, int, int, int) {             \
        HERE;                                    \
        out[t] = name(x[t] & 1);                 \
        out[n + t] = name(x[t] == 1000);         \
        out[2 * n + t] = name(x[t] != 1000);     \
    }
VOTE(__syncthreads_count)
VOTE(__syncthreads_and)
VOTE(__syncthreads_or)

// The first warp hands three loads to the second, which tells it that it has read.
KERNEL(named_barriers, int, int, int) {
    HERE;
    __shared__ int s[32];
    for (int i = 0; i < 3; ++i) {
        if (t < 32) {
            if (i) named_barrier_sync(2, 64);
            s[t] = x[t] + i;
            named_barrier_arrive(1, 64);
        } else {
            named_barrier_sync(1, 64);
            out[i * 32 + lane] = s[31 - lane];
            if (i < 2) named_barrier_arrive(2, 64);
        }
    }
}

// Each block gets what the other one wrote, twice.
KERNEL(across_the_grid, int, int, int) {
    HERE;
    GridBarrier* const barrier = reinterpret_cast<GridBarrier*>(y);
    const int own = blockIdx.x * n, other = (1 - int(blockIdx.x)) * n;
    y[2 + own + t] = x[own + t];
    grid_sync(barrier);
    out[own + t] = y[2 + other + t];
    grid_sync(barrier);
    y[2 + own + t] = 3 * x[own + t];
    grid_sync(barrier);
    out[2 * n + own + t] = y[2 + other + t];
}

// A message and its flag from block 0 to block 1, which run together.
template <class T>
KERNEL(acquire_release, T, T, T) {
    HERE;
    if (t != 0) return;
    if (blockIdx.x == 0) {
        y[0] = x[3];
        store_release(y + 1, T(x[0] + 1));
        out[0] = 1;
    } else {
        while (load_acquire(y + 1) == 0) {
        }
        out[1] = y[0];
        out[2] = y[1];
    }
}

// The block that counts last adds up what all have written.
#define LAST_BLOCK(name, fence)                                                      \
    KERNEL(name, int, unsigned, int) {                                               \
        HERE;                                                                        \
        if (t != 0) return;                                                          \
        out[blockIdx.x] = x[blockIdx.x];                                             \
        fence();                                                                     \
        if (atomicAdd(y, 1u) != gridDim.x - 1) return;                               \
        fence();                                                                     \
        int sum = 0;                                                                 \
        for (unsigned i = 0; i < gridDim.x; ++i) sum += out[i];                      \
        out[gridDim.x] = sum;                                                        \
    }
LAST_BLOCK(fence_of_device, __threadfence)
LAST_BLOCK(fence_of_system, __threadfence_system)

KERNEL(fence_of_block, int, int, int) {
    HERE;
    __shared__ int s[256];
    s[t] = x[t];
    __threadfence_block();
    __syncthreads();
    out[t] = s[t ^ 33];
}
KERNEL(nanosleep, int, int, int) {
    HERE;
    __nanosleep(20);
    out[t] = x[t];
}

KERNEL(report_first, int, int, unsigned long long) {
    HERE;
    const ErrorSlot error{out, 6};
    if (t == 5) report(error, 41, 37);
    __syncthreads();
    if (t == 9) report(error, -1, 3);
}
// Shared addresses count bytes.
KERNEL(shared_addresses, int, int, unsigned) {
    HERE;
    __shared__ double s[256];
    out[t] = shared_address(s + t) - shared_address(s);
}
