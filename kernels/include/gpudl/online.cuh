// The maximum and the sum of exponentials of a row in one pass, rescaling the sum whenever the maximum grows.
//
// Source: M. Milakov, N. Gimelshein, Online normalizer calculation for softmax (2018), https://arxiv.org/abs/1805.02867.
#pragma once
#include <gpudl/rows.cuh>

namespace gd {

template <class T>
struct Online {
    T top, sum;  // sum of exp(x - top)

    __device__ __forceinline__ static Online none() { return {-infinity<T>(), T(0)}; }

    // exp(x - top); 1 where both are the same infinity, whose difference is NaN.
    __device__ __forceinline__ static T weight(T x, T top) { return x == top ? T(1) : exp_(x - top); }

    template <int N>
    __device__ __forceinline__ void push(const Packed<T, N>& part) {
        T best = top;
#pragma unroll
        for (int k = 0; k < N; ++k) best = larger(best, part.v[k]);
        sum *= weight(top, best);
#pragma unroll
        for (int k = 0; k < N; ++k) sum += weight(part.v[k], best);
        top = best;
    }

    __device__ __forceinline__ void merge(const Online& other) {
        const T best = larger(top, other.top);
        sum = sum * weight(top, best) + other.sum * weight(other.top, best);
        top = best;
    }

    __device__ __forceinline__ Online below(int d) const {
        return {__shfl_down_sync(ALL_LANES, top, d), __shfl_down_sync(ALL_LANES, sum, d)};
    }
};

// Of a row that a block of LONG_THREADS shares. An infinite maximum makes the sum NaN, as plain arithmetic does.
template <class T, int VEC>
__device__ __forceinline__ Online<T> online_row(const T* row, int64_t cols, Online<T>* scratch) {
    Online<T> state = Online<T>::none();
    each_vector<LONG_THREADS, T, VEC>(row, cols, [&](int64_t, const Packed<T, VEC>& part) { state.push(part); });
    state = block_merge<LONG_THREADS>(state, scratch);
    state.sum += state.top - state.top;
    return state;
}

}  // namespace gd
