// The maximum and the sum of exponentials of a row in one pass, rescaling the sum whenever the maximum grows.
//
// Source: M. Milakov, N. Gimelshein, Online normalizer calculation for softmax (2018), https://arxiv.org/abs/1805.02867.
#pragma once
#include <gpudl/rows.cuh>

namespace gd {

template <class T>
struct Online {
    T top, sum;  // sum of exp(x - top)

    GD_DEVICE static Online none() { return {-T(INFINITY), T(0)}; }

    // exp(x - top); 1 where both are the same infinity, whose difference is NaN.
    GD_DEVICE static T weight(T x, T top) { return x == top ? T(1) : exp_(x - top); }

    template <int N>
    GD_DEVICE void push(const Packed<T, N>& part) {
        T best = top;
#pragma unroll
        for (int k = 0; k < N; ++k) best = larger(best, part.v[k]);
        sum *= weight(top, best);
#pragma unroll
        for (int k = 0; k < N; ++k) sum += weight(part.v[k], best);
        top = best;
    }

    GD_DEVICE void merge(const Online& other) {
        const T best = larger(top, other.top);
        sum = sum * weight(top, best) + other.sum * weight(other.top, best);
        top = best;
    }

    GD_DEVICE Online below(int d) const {
        return {__shfl_down_sync(kAllLanes, top, d), __shfl_down_sync(kAllLanes, sum, d)};
    }
};

// Of a row that a block of kLongThreads shares. An infinite maximum makes the sum NaN, as plain arithmetic does.
template <class T, int VEC>
GD_DEVICE Online<T> online_row(const T* row, int64_t cols, Online<T>* scratch) {
    Online<T> state = Online<T>::none();
    each_vector<kLongThreads, T, VEC>(row, cols, [&](int64_t, const Packed<T, VEC>& part) { state.push(part); });
    state = block_merge<kLongThreads>(state, scratch);
    state.sum += state.top - state.top;
    return state;
}

}  // namespace gd
