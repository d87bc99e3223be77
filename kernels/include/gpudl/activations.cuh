// Activations and their slopes, for the elementwise kernels and for the ends of matrix products.
#pragma once
#include <gpudl/math.cuh>

namespace activations {

// Where a factor of x has vanished x may be infinite: the limit of the product is 0, not NaN.
template <class T>
constexpr T kVanished = sizeof(T) == 4 ? T(110) : T(800);

template <class T>
GD_DEVICE T bounded_below(T x) {
    return x < -kVanished<T> ? -kVanished<T> : x;
}
template <class T>
GD_DEVICE T bounded(T x) {
    return x > kVanished<T> ? kVanished<T> : bounded_below(x);
}

// The argument u of the tanh approximation of gelu, doubled: (1 + tanh(u / 2)) / 2 = sigmoid(u).
template <class T>
GD_DEVICE T gelu_argument(T x) {
    return T(2 * 0.79788456080286535588) * (x + T(0.044715) * x * x * x);
}

template <class T>
GD_DEVICE T silu_slope(T x) {
    const T s = real::sigmoid(x);
    return s + bounded(x) * s * (T(1) - s);
}
template <class T>
GD_DEVICE T gelu_slope(T x) {
    const T b = bounded(x);
    return real::normal_cdf(x) + b * (T(0.39894228040143267794) * real::exp(T(-0.5) * b * b));
}
template <class T>
GD_DEVICE T gelu_tanh_slope(T x) {
    const T b = bounded(x), s = real::sigmoid(gelu_argument(b));
    return s + b * s * (T(1) - s) * T(2 * 0.79788456080286535588) * (T(1) + T(3 * 0.044715) * b * b);
}

// A NaN stays.
template <class T>
GD_DEVICE T relu(T x) {
    return x <= T(0) ? T(0) : x;
}
template <class T>
GD_DEVICE T silu(T x) {
    return bounded_below(x) * real::sigmoid(x);
}
template <class T>
GD_DEVICE T gelu(T x) {
    return bounded_below(x) * real::normal_cdf(x);
}
template <class T>
GD_DEVICE T gelu_tanh(T x) {
    return bounded_below(x) * real::sigmoid(gelu_argument(x));
}

}  // namespace activations
