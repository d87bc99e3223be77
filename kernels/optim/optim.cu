// Optimizer steps over flat buffers, in place, in PyTorch's formulas and order of operations: csrc/optim.cpp is the same
// arithmetic and gives the same bits, for no operation is fused with another.
//
// Bound by bandwidth: every buffer is read once, and written once where it changes (Adam: 28 bytes a float32 parameter).
#include <gpudl/exact.cuh>

#include "segments.cuh"

// mean + weight (x - mean), in the form that is exact at the nearer end.
template <class T>
GD_DEVICE T lerp(T mean, T x, T weight) {
    const T d = sub(x, mean);
    return weight < T(0.5) && weight > T(-0.5) ? add(mean, mul(weight, d)) : sub(x, mul(d, sub(T(1), weight)));
}

// The gradient in the direction to go, with `decay` of the parameter.
template <class T>
GD_DEVICE T direction(T g, T p, T decay, bool maximize) {
    const T d = maximize ? -g : g;
    return decay != T(0) ? add(d, mul(decay, p)) : d;
}

template <class T>
struct Sgd {
    T* p;
    const T* g;
    T* buf;
    T rate, kept, taken, decay;
    bool nesterov, maximize, first;

    template <int N>
    GD_DEVICE void update(int64_t i) const {
        auto params = load_packed<T, N>(p + i);
        const auto grads = load_packed<T, N>(g + i);
        Packed<T, N> held = {};
        if (buf != nullptr && !first) held = load_packed<T, N>(buf + i);
#pragma unroll
        for (int k = 0; k < N; ++k) {
            T d = direction(grads.v[k], params.v[k], decay, maximize);
            if (buf != nullptr) {
                const T b = first ? d : add(mul(kept, held.v[k]), mul(taken, d));
                held.v[k] = b;
                d = nesterov ? add(d, mul(kept, b)) : b;
            }
            params.v[k] = add(params.v[k], mul(-rate, d));
        }
        if (buf != nullptr) store_packed(buf + i, held);
        store_packed(p + i, params);
    }
};

// buf is null without momentum; `first` makes it a copy of the gradient.
template <class T>
__global__ void __launch_bounds__(kSpanThreads)
sgd(T* __restrict__ p, const T* __restrict__ g, T* __restrict__ buf, Segments at, double lr, double momentum, double dampening,
    double weight_decay, int32_t nesterov, int32_t maximize, int32_t first) {
    const Sgd<T> step{p, g, buf, T(lr), T(momentum), T(1.0 - dampening), T(weight_decay), nesterov != 0, maximize != 0, first != 0};
    each_group<T>(at, own_segment(at), step);
}

template <class T>
struct Adam {
    T* p;
    const T* g;
    T *m, *v, *vmax;
    T rate, divisor, taken1, kept2, taken2, floor, decay, shrink;
    bool maximize;

    template <int N>
    GD_DEVICE void update(int64_t i) const {
        auto params = load_packed<T, N>(p + i), mean = load_packed<T, N>(m + i), square = load_packed<T, N>(v + i);
        const auto grads = load_packed<T, N>(g + i);
        Packed<T, N> most = {};
        if (vmax != nullptr) most = load_packed<T, N>(vmax + i);
#pragma unroll
        for (int k = 0; k < N; ++k) {
            const T d = direction(grads.v[k], params.v[k], decay, maximize);
            const T x = mul(params.v[k], shrink);
            mean.v[k] = lerp(mean.v[k], d, taken1);
            square.v[k] = add(mul(square.v[k], kept2), mul(mul(taken2, d), d));
            T largest = square.v[k];
            if (vmax != nullptr) {
                if (most.v[k] > largest || most.v[k] != most.v[k]) largest = most.v[k];
                most.v[k] = largest;
            }
            params.v[k] = add(x, mul(-rate, mean.v[k]) / add(root(largest) / divisor, floor));
        }
        store_packed(m + i, mean);
        store_packed(v + i, square);
        if (vmax != nullptr) store_packed(vmax + i, most);
        store_packed(p + i, params);
    }
};

// vmax is null without amsgrad. step_size = lr / (1 - beta1^step), correction = sqrt(1 - beta2^step); weight_decay is 0 and
// shrink = 1 - lr * decay in the decoupled form, else shrink is 1.
template <class T>
__global__ void __launch_bounds__(kSpanThreads)
adam(T* __restrict__ p, const T* __restrict__ g, T* __restrict__ m, T* __restrict__ v, T* __restrict__ vmax, Segments at,
     double step_size, double correction, double beta1, double beta2, double eps, double weight_decay, double shrink,
     int32_t maximize) {
    const Adam<T> step{p, g, m, v, vmax, T(step_size), T(correction), T(1.0 - beta1), T(beta2), T(1.0 - beta2), T(eps),
                       T(weight_decay), T(shrink), maximize != 0};
    each_group<T>(at, own_segment(at), step);
}

template <class T>
struct Rmsprop {
    T* p;
    const T* g;
    T *sq, *ga, *buf;
    T rate, kept, taken, floor, decay, momentum;
    bool maximize;

    template <int N>
    GD_DEVICE void update(int64_t i) const {
        auto params = load_packed<T, N>(p + i), square = load_packed<T, N>(sq + i);
        const auto grads = load_packed<T, N>(g + i);
        Packed<T, N> mean = {}, held = {};
        if (ga != nullptr) mean = load_packed<T, N>(ga + i);
        if (buf != nullptr) held = load_packed<T, N>(buf + i);
#pragma unroll
        for (int k = 0; k < N; ++k) {
            const T d = direction(grads.v[k], params.v[k], decay, maximize);
            square.v[k] = add(mul(square.v[k], kept), mul(mul(taken, d), d));
            T spread = square.v[k];
            if (ga != nullptr) {
                mean.v[k] = lerp(mean.v[k], d, taken);
                spread = sub(spread, mul(mean.v[k], mean.v[k]));
            }
            const T divisor = add(root(spread), floor);
            if (buf != nullptr) {
                held.v[k] = add(mul(held.v[k], momentum), d / divisor);
                params.v[k] = add(params.v[k], mul(-rate, held.v[k]));
            } else {
                params.v[k] = add(params.v[k], mul(-rate, d) / divisor);
            }
        }
        store_packed(sq + i, square);
        if (ga != nullptr) store_packed(ga + i, mean);
        if (buf != nullptr) store_packed(buf + i, held);
        store_packed(p + i, params);
    }
};

// ga is null unless centred, buf is null without momentum.
template <class T>
__global__ void __launch_bounds__(kSpanThreads)
rmsprop(T* __restrict__ p, const T* __restrict__ g, T* __restrict__ sq, T* __restrict__ ga, T* __restrict__ buf, Segments at,
        double lr, double alpha, double eps, double weight_decay, double momentum, int32_t maximize) {
    const Rmsprop<T> step{p, g, sq, ga, buf, T(lr), T(alpha), T(1.0 - alpha), T(eps), T(weight_decay), T(momentum), maximize != 0};
    each_group<T>(at, own_segment(at), step);
}
