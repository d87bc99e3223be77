// Mean and squared deviations of values that come one by one (Welford), and of two groups together.
//
// Source: B. P. Welford, Note on a method for calculating corrected sums of squares and products (1962);
// T. Chan, G. Golub, R. LeVeque, Updating formulae and a pairwise algorithm for computing sample variances (1979).
#pragma once
#include <gpudl/rows.cuh>

namespace gd {

template <class T>
struct Moments {
    T n, mean, m2;  // m2: the sum of squared deviations from the mean

    GD_DEVICE static Moments none() { return {T(0), T(0), T(0)}; }

    // One more value; `share` is one over the new count.
    GD_DEVICE void push(T x, T share) {
        n += T(1);
        const T d = x - mean;
        mean += d * share;
        m2 += d * (x - mean);
    }

    GD_DEVICE void merge(const Moments& other) {
        if (other.n == T(0)) return;
        const T total = n + other.n;
        const T share = other.n / total;
        const T d = other.mean - mean;
        mean += d * share;
        m2 += other.m2 + d * d * (n * share);
        n = total;
    }

    GD_DEVICE Moments below(int d) const {
        return {__shfl_down_sync(kAllLanes, n, d), __shfl_down_sync(kAllLanes, mean, d), __shfl_down_sync(kAllLanes, m2, d)};
    }
};

// What is taken off every value first, so that a mean far larger than the deviation costs no digits: one of the values.
template <class T>
GD_DEVICE T pivot_of(T x) {
    return is_finite(x) ? x : T(0);
}

}  // namespace gd
