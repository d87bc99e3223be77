// Reductions down the columns of a C-ordered matrix, in two passes: each block reduces a chunk of rows to one value per
// column, then one block per few columns reduces the chunks. Both in a fixed order that the shape alone decides.
//
// A block is (X, Y) threads with X * Y = kColumnThreads: a thread owns VEC neighbouring columns and every Y-th row.
#pragma once
#include "moments.cuh"

namespace gd {

constexpr int kColumnThreads = 256;

template <class T>
GD_DEVICE void fold(T& a, const T& b) {
    a += b;
}

template <class T>
GD_DEVICE void fold(Moments<T>& a, const Moments<T>& b) {
    a.merge(b);
}

// The N states that the Y threads of each column hold, folded into those of threadIdx.y == 0: the upper half of the
// threads into the lower one, until one is left. Y is a power of two.
template <int N, class State>
GD_DEVICE void fold_columns(State (&states)[N], State (&scratch)[N][kColumnThreads]) {
    const int here = int(threadIdx.y * blockDim.x + threadIdx.x);
#pragma unroll
    for (int i = 0; i < N; ++i) scratch[i][here] = states[i];
    for (int half = int(blockDim.y) / 2; half > 0; half /= 2) {
        __syncthreads();
        if (int(threadIdx.y) >= half) continue;
#pragma unroll
        for (int i = 0; i < N; ++i) {
            fold(states[i], scratch[i][here + half * int(blockDim.x)]);
            scratch[i][here] = states[i];
        }
    }
}

// The first of this thread's VEC columns; blockIdx.x tiles the columns.
template <int VEC>
GD_DEVICE int64_t own_column() {
    return (int64_t(blockIdx.x) * blockDim.x + threadIdx.x) * VEC;
}

// f(row) for this thread's rows of the chunk blockIdx.y.
template <class F>
GD_DEVICE void each_row(int64_t rows, int64_t chunk, F f) {
    const int64_t first = int64_t(blockIdx.y) * chunk;
    const int64_t last = first + chunk < rows ? first + chunk : rows;
#pragma unroll 4
    for (int64_t r = first + threadIdx.y; r < last; r += blockDim.y) f(r);
}

}  // namespace gd
