// y = softmax(x) or log_softmax(x) over the rows of a C-ordered (rows, cols) matrix, and their gradients from y.
//
// Bound by bandwidth. Rows of up to 8192 elements stay in registers: x is read and y written once, 2 elements of traffic
// an element (backward: 3). Longer rows are read twice: once for the maximum and the sum together, once for the result.
#include "online.cuh"

template <class T, int LANES, int PER, int VEC>
__global__ void __launch_bounds__(kRowThreads<LANES>)
softmax_fwd(const T* __restrict__ x, T* __restrict__ y, int64_t rows, int32_t cols, int32_t logarithm) {
    using Tile = RowTile<T, LANES, PER, VEC>;
    __shared__ T scratch[2][kRowWarps<LANES>];
    const int64_t row = Tile::row();
    const int held = row < rows ? cols : 0;  // a group past the end still takes part in the shuffles
    Tile tile;
    tile.load(x + row * cols, held, -T(INFINITY));
    T top = tile.v[0];
#pragma unroll
    for (int i = 1; i < PER; ++i) top = larger(top, tile.v[i]);
    top = group_reduce<LANES>(top, Largest{}, scratch[0]);
    T sum = T(0);
    if (logarithm) {
#pragma unroll
        for (int i = 0; i < PER; ++i) sum += exp_(tile.v[i] -= top);
        const T rest = log_(group_reduce<LANES>(sum, Sum{}, scratch[1]));
#pragma unroll
        for (int i = 0; i < PER; ++i) tile.v[i] -= rest;
    } else {
#pragma unroll
        for (int i = 0; i < PER; ++i) sum += tile.v[i] = exp_(tile.v[i] - top);
        const T scale = T(1) / group_reduce<LANES>(sum, Sum{}, scratch[1]);
#pragma unroll
        for (int i = 0; i < PER; ++i) tile.v[i] *= scale;
    }
    tile.store(y + row * cols, held);
}

template <class T, int VEC>
__global__ void __launch_bounds__(kLongThreads, 2)
softmax_fwd_long(const T* __restrict__ x, T* __restrict__ y, int64_t cols, int32_t logarithm) {
    __shared__ Online<T> scratch[kLongThreads / 32];
    const T* from = x + int64_t(blockIdx.x) * cols;
    T* to = y + int64_t(blockIdx.x) * cols;
    const Online<T> all = online_row<T, VEC>(from, cols, scratch);
    const T rest = logarithm ? log_(all.sum) : T(1) / all.sum;
    each_vector<kLongThreads, T, VEC>(from, cols, [&](int64_t c, Packed<T, VEC> part) {
#pragma unroll
        for (int k = 0; k < VEC; ++k)
            part.v[k] = logarithm ? (part.v[k] - all.top) - rest : exp_(part.v[k] - all.top) * rest;
        store_packed(to + c, part);
    });
}

// gx = (g - sum(g y)) y, and for the logarithm gx = g - exp(y) sum(g).
template <class T>
GD_DEVICE T softmax_term(T g, T y, bool logarithm) {
    return logarithm ? g : g * y;
}

template <class T>
GD_DEVICE T softmax_slope(T g, T y, T sum, bool logarithm) {
    return logarithm ? g - exp_(y) * sum : (g - sum) * y;
}

template <class T, int LANES, int PER, int VEC>
__global__ void __launch_bounds__(kRowThreads<LANES>)
softmax_bwd(const T* __restrict__ g, const T* __restrict__ y, T* __restrict__ gx, int64_t rows, int32_t cols, int32_t logarithm) {
    using Tile = RowTile<T, LANES, PER, VEC>;
    __shared__ T scratch[kRowWarps<LANES>];
    const int64_t row = Tile::row();
    const int held = row < rows ? cols : 0;
    Tile up, result;
    up.load(g + row * cols, held, T(0));
    result.load(y + row * cols, held, T(0));
    T sum = T(0);
#pragma unroll
    for (int i = 0; i < PER; ++i) sum += softmax_term(up.v[i], result.v[i], logarithm);
    sum = group_reduce<LANES>(sum, Sum{}, scratch);
#pragma unroll
    for (int i = 0; i < PER; ++i) result.v[i] = softmax_slope(up.v[i], result.v[i], sum, logarithm);
    result.store(gx + row * cols, held);
}

template <class T, int VEC>
__global__ void __launch_bounds__(kLongThreads)
softmax_bwd_long(const T* __restrict__ g, const T* __restrict__ y, T* __restrict__ gx, int64_t cols, int32_t logarithm) {
    __shared__ T scratch[kLongThreads / 32];
    const int64_t start = int64_t(blockIdx.x) * cols;
    T sum = T(0);
    each_vector<kLongThreads, T, VEC>(g + start, cols, [&](int64_t c, const Packed<T, VEC>& up) {
        const auto result = load_packed<T, VEC>(y + start + c);
#pragma unroll
        for (int k = 0; k < VEC; ++k) sum += softmax_term(up.v[k], result.v[k], logarithm);
    });
    sum = group_reduce<kLongThreads>(sum, Sum{}, scratch);
    each_vector<kLongThreads, T, VEC>(g + start, cols, [&](int64_t c, Packed<T, VEC> up) {
        const auto result = load_packed<T, VEC>(y + start + c);
#pragma unroll
        for (int k = 0; k < VEC; ++k) up.v[k] = softmax_slope(up.v[k], result.v[k], sum, logarithm);
        store_packed(gx + start + c, up);
    });
}
