// y = x where the uniform number of the element is at least p, times scale, else x times 0. Element i in C order has word i of
// the stream, so the mask is that of the CPU in every bit, and the gradient is the same kernel on g: no mask is stored.
//
// Contiguous memory is bound by bandwidth (8 bytes an element of float32), channels-last memory by integer multiplication.
#include <gpudl/rows.cuh>

#include "philox.cuh"

constexpr int kThreads = 256;

// A thread has one block of four elements.
template <class T>
__global__ void __launch_bounds__(kThreads)
dropout(const T* __restrict__ x, T* __restrict__ y, uint64_t seed, uint64_t stream, uint64_t offset, int64_t n, float p,
        double scale) {
    constexpr int V = 16 / int(sizeof(T));
    const int64_t block = int64_t(blockIdx.x) * kThreads + threadIdx.x;
    const Words w = philox(seed, stream, offset + uint64_t(block));
    T factor[4];
#pragma unroll
    for (int k = 0; k < 4; ++k) factor[k] = unit(w.v[k]) >= p ? T(scale) : T(0);
    const int64_t first = 4 * block;
    if (first + 4 <= n) {
#pragma unroll
        for (int k = 0; k < 4; k += V) {
            auto values = load_packed<T, V>(x + first + k);
#pragma unroll
            for (int v = 0; v < V; ++v) values.v[v] *= factor[k + v];
            store_packed(y + first + k, values);
        }
        return;
    }
#pragma unroll
    for (int k = 0; k < 4; ++k)
        if (first + k < n) y[first + k] = x[first + k] * factor[k];
}

// x and y are (N, pixels, channels) in memory and (N, channels, pixels) in the order of the words.
template <class T>
__global__ void __launch_bounds__(kThreads)
dropout_pixels(const T* __restrict__ x, T* __restrict__ y, uint64_t seed, uint64_t stream, uint64_t offset, int64_t n,
               int64_t pixels, int64_t channels, float p, double scale) {
    const int64_t at = int64_t(blockIdx.x) * kThreads + threadIdx.x;
    if (at >= n) return;
    const int64_t row = at / channels, image = row / pixels;
    const int64_t i = (image * channels + at % channels) * pixels + row % pixels;
    const Words w = philox(seed, stream, offset + uint64_t(i / 4));
    const uint32_t low = i % 2 == 0 ? w.v[0] : w.v[1], high = i % 2 == 0 ? w.v[2] : w.v[3];
    const uint32_t word = i % 4 < 2 ? low : high;
    y[at] = x[at] * (unit(word) >= p ? T(scale) : T(0));
}
