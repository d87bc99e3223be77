// Arrays of any strides: which element of each operand belongs to element i of the result.
//
// The host merges axes that lie one after the other in every operand (kernels/strided.py), so what is dense arrives
// as one axis. The fastest axis is walked in packs of V elements; with V > 1 its stride is 1, or 0 for an operand
// that is broadcast along it, and packs are aligned, so that a pack is one access of up to 16 bytes. Indices have 32 bits:
// the host cuts larger arrays into several launches.
#pragma once
#include <gpudl/device.cuh>

namespace gd {

constexpr int kMaxAxes = 8;
constexpr int kThreads = 256;

// Packs of each operand that one thread has in flight; kernels/strided.py counts blocks by the same rule.
template <int V>
constexpr int kPacks = V > 1 ? 2 : 4;

// The layouts of N operands over one index space, fastest axis first. kernels/strided.py packs the same bytes.
template <int N>
struct Strided {
    int64_t base[N];               // where the first element lies, in elements
    int64_t stride[N][kMaxAxes];   // in elements
    uint32_t extent[kMaxAxes];     // that of the fastest axis in packs
    uint32_t multiplier[kMaxAxes]; // i / extent is (umulhi(i, multiplier) + i) >> shift, for i below 2^31
    uint32_t shift[kMaxAxes];
    uint32_t inner;                // elements of the fastest axis
    uint32_t size;                 // packs in all
    int32_t axes;
    int32_t unused;
};

template <int N>
GD_DEVICE uint32_t divided(const Strided<N>& at, uint32_t i, int axis) {
    return (__umulhi(i, at.multiplier[axis]) + i) >> at.shift[axis];
}

// The offset of the first element of pack i in each operand, and how many elements the pack has: 0 beyond the end.
template <int V, int N>
GD_DEVICE int locate(const Strided<N>& at, uint32_t i, int64_t (&offset)[N]) {
#pragma unroll
    for (int n = 0; n < N; ++n) offset[n] = at.base[n];
    if (i >= at.size) return 0;
    uint32_t rest = divided(at, i, 0);
    const uint32_t first = (i - rest * at.extent[0]) * V;
#pragma unroll
    for (int n = 0; n < N; ++n) offset[n] += int64_t(first) * at.stride[n][0];
#pragma unroll
    for (int axis = 1; axis < kMaxAxes; ++axis) {
        if (axis >= at.axes) break;
        const uint32_t quotient = divided(at, rest, axis);
        const uint32_t index = rest - quotient * at.extent[axis];
        rest = quotient;
#pragma unroll
        for (int n = 0; n < N; ++n) offset[n] += int64_t(index) * at.stride[n][axis];
    }
    return at.inner - first < V ? int(at.inner - first) : V;
}

// V elements that are read or written by one instruction.
template <class T, int V>
struct alignas(sizeof(T) * V) Pack {
    T value[V];
};

// The number of the first pack of this thread; the others follow, kThreads apart.
template <int V>
GD_DEVICE uint32_t first_pack() {
    return blockIdx.x * (kThreads * kPacks<V>) + threadIdx.x;
}

// The `count` first elements of a pack at p; the stride of a broadcast operand is 0.
template <int V, class T>
GD_DEVICE Pack<T, V> load_pack(const T* p, int64_t stride, int count) {
    Pack<T, V> pack = {};
    if (V == 1) {
        if (count > 0) pack.value[0] = *p;
    } else if (count == V && stride == 1) {
        pack = *reinterpret_cast<const Pack<T, V>*>(p);
    } else if (count > 0 && stride == 0) {
        const T value = *p;
#pragma unroll
        for (int v = 0; v < V; ++v) pack.value[v] = value;
    } else {
#pragma unroll
        for (int v = 0; v < V; ++v) {
            if (v < count) pack.value[v] = p[v];
        }
    }
    return pack;
}

template <int V, class T>
GD_DEVICE void store_pack(T* p, const Pack<T, V>& pack, int count) {
    if (V > 1 && count == V) {
        *reinterpret_cast<Pack<T, V>*>(p) = pack;
    } else {
#pragma unroll
        for (int v = 0; v < V; ++v) {
            if (v < count) p[v] = pack.value[v];
        }
    }
}

}  // namespace gd
