// Functions of one, two and three arrays, element by element: operands are broadcast, and have any strides.
//
// Bandwidth: every operand is read once and the result is written once, in accesses of up to 16 bytes where memory runs
// along the fastest axis. A thread has kPacks accesses of each operand in flight.
#include <gpudl/device.cuh>
#include <gpudl/strided.cuh>

#include "functors.cuh"

// y = F(x)
template <class F, class T, class R, int V>
__global__ void __launch_bounds__(kThreads) unary(const T* __restrict__ x, R* __restrict__ y, Strided<2> at) {
    const uint32_t first = first_pack<V>();
    Pack<T, V> in[kPacks<V>];
    int64_t offset[kPacks<V>][2];
    int count[kPacks<V>];
#pragma unroll
    for (int k = 0; k < kPacks<V>; ++k) {
        count[k] = locate<V>(at, first + k * kThreads, offset[k]);
        in[k] = load_pack<V>(x + offset[k][1], at.stride[1][0], count[k]);
    }
#pragma unroll
    for (int k = 0; k < kPacks<V>; ++k) {
        Pack<R, V> out;
#pragma unroll
        for (int v = 0; v < V; ++v) out.value[v] = F()(in[k].value[v]);
        store_pack(y + offset[k][0], out, count[k]);
    }
}

// y = F(a, b)
template <class F, class T, class R, int V>
__global__ void __launch_bounds__(kThreads)
    binary(const T* __restrict__ a, const T* __restrict__ b, R* __restrict__ y, Strided<3> at) {
    const uint32_t first = first_pack<V>();
    Pack<T, V> left[kPacks<V>], right[kPacks<V>];
    int64_t offset[kPacks<V>][3];
    int count[kPacks<V>];
#pragma unroll
    for (int k = 0; k < kPacks<V>; ++k) {
        count[k] = locate<V>(at, first + k * kThreads, offset[k]);
        left[k] = load_pack<V>(a + offset[k][1], at.stride[1][0], count[k]);
        right[k] = load_pack<V>(b + offset[k][2], at.stride[2][0], count[k]);
    }
#pragma unroll
    for (int k = 0; k < kPacks<V>; ++k) {
        Pack<R, V> out;
#pragma unroll
        for (int v = 0; v < V; ++v) out.value[v] = F()(left[k].value[v], right[k].value[v]);
        store_pack(y + offset[k][0], out, count[k]);
    }
}

// y = c ? a : b. Elements are moved as bits: T is an unsigned type of their size.
template <class T, int V>
__global__ void __launch_bounds__(kThreads) where(const bool* __restrict__ c, const T* __restrict__ a,
                                                  const T* __restrict__ b, T* __restrict__ y, Strided<4> at) {
    const uint32_t first = first_pack<V>();
    Pack<bool, V> choice[kPacks<V>];
    Pack<T, V> left[kPacks<V>], right[kPacks<V>];
    int64_t offset[kPacks<V>][4];
    int count[kPacks<V>];
#pragma unroll
    for (int k = 0; k < kPacks<V>; ++k) {
        count[k] = locate<V>(at, first + k * kThreads, offset[k]);
        choice[k] = load_pack<V>(c + offset[k][1], at.stride[1][0], count[k]);
        left[k] = load_pack<V>(a + offset[k][2], at.stride[2][0], count[k]);
        right[k] = load_pack<V>(b + offset[k][3], at.stride[3][0], count[k]);
    }
#pragma unroll
    for (int k = 0; k < kPacks<V>; ++k) {
        Pack<T, V> out;
#pragma unroll
        for (int v = 0; v < V; ++v) out.value[v] = choice[k].value[v] ? left[k].value[v] : right[k].value[v];
        store_pack(y + offset[k][0], out, count[k]);
    }
}
