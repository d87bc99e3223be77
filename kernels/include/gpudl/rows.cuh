// Rows of a C-ordered matrix: groups of threads that hold one in registers, and reductions over them.
//
// Sums are taken in a fixed order, so the bits depend on the shape alone.
#pragma once
#include <gpudl/device.cuh>

namespace gd {

constexpr uint32_t kAllLanes = 0xffffffffu;

// A vector of N neighbours, loaded and stored at once: 16 bytes where it counts.
template <class T, int N>
struct alignas(sizeof(T) * N) Packed {
    T v[N];
};

GD_DEVICE float exp_(float x) { return expf(x); }
GD_DEVICE double exp_(double x) { return exp(x); }
GD_DEVICE float log_(float x) { return logf(x); }
GD_DEVICE double log_(double x) { return log(x); }
GD_DEVICE float sqrt_(float x) { return sqrtf(x); }
GD_DEVICE double sqrt_(double x) { return sqrt(x); }
GD_DEVICE float larger(float a, float b) { return fmaxf(a, b); }
GD_DEVICE double larger(double a, double b) { return fmax(a, b); }

template <class T>
GD_DEVICE bool is_finite(T x) {
    return x - x == T(0);
}

struct Sum {
    template <class T>
    GD_DEVICE T operator()(T a, T b) const {
        return a + b;
    }
};

struct Largest {  // passes over NaN, which the sum of exponentials brings back
    template <class T>
    GD_DEVICE T operator()(T a, T b) const {
        return larger(a, b);
    }
};

// Threads of a block of row kernels: as many rows of LANES threads as fit 128, or one row.
template <int LANES>
constexpr int kRowThreads = LANES > 32 ? LANES : 128;
template <int LANES>
constexpr int kRowWarps = kRowThreads<LANES> / 32;

constexpr int kLongThreads = 512;  // of the block that shares a row too long for registers

// `x` of the LANES threads of a group combined; each of them gets the result. The operation has to be
// commutative in every bit. `scratch` holds a T per warp of the block and is used once, so one barrier is enough; groups
// inside a warp leave it alone.
template <int LANES, class T, class Op>
GD_DEVICE T group_reduce(T x, Op op, T* scratch) {
    constexpr int WIDTH = LANES < 32 ? LANES : 32;
#pragma unroll
    for (int d = WIDTH / 2; d > 0; d /= 2) x = op(x, __shfl_xor_sync(kAllLanes, x, d));
    if constexpr (LANES > 32) {
        if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = x;
        __syncthreads();
        x = scratch[0];
#pragma unroll
        for (int w = 1; w < LANES / 32; ++w) x = op(x, scratch[w]);
    }
    return x;
}

// The states of all THREADS threads of a block merged in one order, which each of them gets. A state has
// `merge(other)` and `below(d)`, the state of the lane d further up. `scratch` holds one per warp, and is used once.
template <int THREADS, class State>
GD_DEVICE State block_merge(State state, State* scratch) {
#pragma unroll
    for (int d = 16; d > 0; d /= 2) state.merge(state.below(d));
    if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = state;
    __syncthreads();
    state = scratch[0];
#pragma unroll
    for (int w = 1; w < THREADS / 32; ++w) state.merge(scratch[w]);
    return state;
}

// The part of one row that a thread of a group of LANES holds: PER elements, VEC neighbours at a time, so
// that a warp reads whole cache lines. What lies past the row is left at `fill`.
template <class T, int LANES, int PER, int VEC>
struct RowTile {
    T v[PER];

    GD_DEVICE static int lane() { return int(threadIdx.x) % LANES; }
    GD_DEVICE static int64_t row() {
        return int64_t(blockIdx.x) * (kRowThreads<LANES> / LANES) + int(threadIdx.x) / LANES;
    }
    GD_DEVICE static int column(int i) { return (i / VEC * LANES + lane()) * VEC + i % VEC; }

    GD_DEVICE void load(const T* row, int cols, T fill) {
#pragma unroll
        for (int i = 0; i < PER; i += VEC) {
            Packed<T, VEC> part;
#pragma unroll
            for (int k = 0; k < VEC; ++k) part.v[k] = fill;
            if (column(i) < cols) part = *reinterpret_cast<const Packed<T, VEC>*>(row + column(i));
#pragma unroll
            for (int k = 0; k < VEC; ++k) v[i + k] = part.v[k];
        }
    }

    GD_DEVICE void store(T* row, int cols) const {
#pragma unroll
        for (int i = 0; i < PER; i += VEC) {
            if (column(i) >= cols) continue;
            Packed<T, VEC> part;
#pragma unroll
            for (int k = 0; k < VEC; ++k) part.v[k] = v[i + k];
            *reinterpret_cast<Packed<T, VEC>*>(row + column(i)) = part;
        }
    }
};

template <class T, int VEC>
GD_DEVICE Packed<T, VEC> load_packed(const T* from) {
    return *reinterpret_cast<const Packed<T, VEC>*>(from);
}

template <class T, int VEC>
GD_DEVICE void store_packed(T* to, const Packed<T, VEC>& x) {
    *reinterpret_cast<Packed<T, VEC>*>(to) = x;
}

// f(column, values) for the VEC neighbours of each vector of a row that a block of THREADS threads shares.
template <int THREADS, class T, int VEC, class F>
GD_DEVICE void each_vector(const T* row, int64_t cols, F f) {
#pragma unroll 4
    for (int64_t c = int64_t(threadIdx.x) * VEC; c < cols; c += THREADS * VEC)
        f(c, load_packed<T, VEC>(row + c));
}

}  // namespace gd
