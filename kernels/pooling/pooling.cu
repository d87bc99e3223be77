// Max and average pooling of channels-last arrays, forward and backward.
//
// Bound by bandwidth: x is read once from memory (overlapping windows hit the caches) and y written once, with 8 bytes more
// an output for the place of a maximum. Every sum has one owner and a fixed order.
#include "windows.cuh"

// The maxima of the windows and their places, flat over the pixels. The first maximum wins; a NaN wins over everything, the
// first NaN over later ones. An empty window gives -inf and place -1.
template <class T, int VEC>
__global__ void __launch_bounds__(kPoolThreads, 3)
max_pool(const T* __restrict__ x, T* __restrict__ y, int64_t* __restrict__ index, Pool p, uint32_t size) {
    const uint32_t i = blockIdx.x * kPoolThreads + threadIdx.x;
    if (i >= size) return;
    const Place o = place_of(i, p.out, p.packs);
    const Window w[3] = {window(p, 0, o.at[0]), window(p, 1, o.at[1]), window(p, 2, o.at[2])};
    const int64_t channels = int64_t(p.packs) * VEC;
    const T* image = x + o.image * p.in[0] * p.in[1] * p.in[2] * channels + o.pack * VEC;
    Packed<T, VEC> best;
    int64_t at[VEC];
#pragma unroll
    for (int k = 0; k < VEC; ++k) {
        best.v[k] = -T(INFINITY);
        at[k] = -1;
    }
    each_pixel(p, w, [&](int32_t pixel) {
        const auto values = load_packed<T, VEC>(image + pixel * channels);
#pragma unroll
        for (int k = 0; k < VEC; ++k) {
            // !(value <= best) holds for a larger value and for a NaN on either side; any value wins over none.
            const bool wins = (!(values.v[k] <= best.v[k]) && best.v[k] == best.v[k]) || at[k] < 0;
            best.v[k] = wins ? values.v[k] : best.v[k];
            at[k] = wins ? pixel : at[k];
        }
    });
    store_packed(y + int64_t(i) * VEC, best);
#pragma unroll
    for (int k = 0; k < VEC; ++k) index[int64_t(i) * VEC + k] = at[k];
}

// gx (N, pixels, C) = g (N, outs, C) added up at index; -1 adds nothing. A warp owns `band` pixels of 32 columns, so no two
// threads write one element. All warps of a block pass over all outputs in order, which are read once, through shared
// memory, and only where some of them lie in the bands of the block. Bandwidth: 12 bytes an output read (blocks of other
// bands read the places again), gx written once.
template <class T>
__global__ void __launch_bounds__(kLanes* kBands)
max_pool_bwd(const T* __restrict__ g, const int64_t* __restrict__ index, T* __restrict__ gx, int64_t columns, int64_t channels,
             int32_t pixels, int32_t outs, int32_t band, ErrorSlot error) {
    __shared__ int32_t places[kOutputs][kLanes];
    __shared__ T values[kOutputs][kLanes];
    const int lane = threadIdx.x, warp = threadIdx.y;
    const int64_t column = int64_t(blockIdx.x) * kLanes + lane;
    const int64_t image = column / channels, channel = column - image * channels;
    const int64_t from = image * outs * channels + channel;
    T* to = gx + image * pixels * channels + channel;
    const int64_t block_first = int64_t(blockIdx.y) * kBands * band, block_last = block_first + int64_t(kBands) * band;
    const int64_t first = block_first + int64_t(warp) * band;
    const int64_t last = first + band < pixels ? first + band : pixels;
    if (column < columns) {
        for (int64_t p = first; p < last; ++p) to[p * channels] = T(0);
    }
    for (int32_t q = 0; q < outs; q += kOutputs) {
        bool near = false;
        for (int k = warp; k < kOutputs; k += kBands) {
            int32_t place = -1;
            if (column < columns && q + k < outs) {
                const int64_t wide = index[from + (q + k) * channels];
                if (wide >= 0 && wide < pixels) {
                    place = int32_t(wide);
                    values[k][lane] = g[from + (q + k) * channels];
                } else if (wide != -1) {
                    report(error, wide, pixels);
                }
            }
            places[k][lane] = place;
            near |= place >= block_first && place < block_last;
        }
        if (!__syncthreads_or(near)) continue;
        for (int k = 0; k < kOutputs; ++k) {
            const int32_t place = places[k][lane];
            if (place >= first && place < last) to[place * channels] += values[k][lane];
        }
        __syncthreads();
    }
}

// v (N, pixels, C) at index (N, outs, C); 0 where it is -1. `plane` is outs * C, `size` all of the result.
template <class T>
__global__ void __launch_bounds__(kPoolThreads)
max_pool_gather(const T* __restrict__ v, const int64_t* __restrict__ index, T* __restrict__ y, uint32_t channels, uint32_t plane,
                int64_t pixels, uint32_t size, ErrorSlot error) {
    const uint32_t i = blockIdx.x * kPoolThreads + threadIdx.x;
    if (i >= size) return;
    const int64_t place = index[i];
    T value = T(0);
    if (place >= 0 && place < pixels)
        value = v[(int64_t(i / plane) * pixels + place) * channels + i % channels];
    else if (place != -1)
        report(error, place, pixels);
    y[i] = value;
}

// The means of the windows; a window without elements gives 0.
template <class T, int VEC>
__global__ void __launch_bounds__(kPoolThreads, 4)
avg_pool(const T* __restrict__ x, T* __restrict__ y, Pool p, uint32_t size, int32_t count_include_pad) {
    const uint32_t i = blockIdx.x * kPoolThreads + threadIdx.x;
    if (i >= size) return;
    const Place o = place_of(i, p.out, p.packs);
    const Window w[3] = {window(p, 0, o.at[0]), window(p, 1, o.at[1]), window(p, 2, o.at[2])};
    const int64_t channels = int64_t(p.packs) * VEC;
    const T* image = x + o.image * p.in[0] * p.in[1] * p.in[2] * channels + o.pack * VEC;
    Packed<T, VEC> sum;
#pragma unroll
    for (int k = 0; k < VEC; ++k) sum.v[k] = T(0);
    each_pixel(p, w, [&](int32_t pixel) {
        const auto values = load_packed<T, VEC>(image + pixel * channels);
#pragma unroll
        for (int k = 0; k < VEC; ++k) sum.v[k] += values.v[k];
    });
    T count = T(1);
#pragma unroll
    for (int axis = 0; axis < 3; ++axis) count *= T(divisor(p, axis, w[axis], count_include_pad));
    if (count > T(0)) {
#pragma unroll
        for (int k = 0; k < VEC; ++k) sum.v[k] /= count;
    }
    store_packed(y + int64_t(i) * VEC, sum);
}

// gx = g of each window shared out over its elements: a thread adds up the windows that one pixel lies in.
template <class T, int VEC>
__global__ void __launch_bounds__(kPoolThreads, 4)
avg_pool_bwd(const T* __restrict__ g, T* __restrict__ gx, Pool p, uint32_t size, int32_t count_include_pad) {
    const uint32_t i = blockIdx.x * kPoolThreads + threadIdx.x;
    if (i >= size) return;
    const Place at = place_of(i, p.in, p.packs);
    const int64_t channels = int64_t(p.packs) * VEC;
    const T* image = g + at.image * p.out[0] * p.out[1] * p.out[2] * channels + at.pack * VEC;
    const Span planes = outputs_of(p, 0, at.at[0]), lines = outputs_of(p, 1, at.at[1]), row = outputs_of(p, 2, at.at[2]);
    Packed<T, VEC> sum;
#pragma unroll
    for (int k = 0; k < VEC; ++k) sum.v[k] = T(0);
    for (int32_t a = planes.first; a < planes.last; ++a) {
        const T count_a = T(divisor(p, 0, window(p, 0, a), count_include_pad));
        for (int32_t b = lines.first; b < lines.last; ++b) {
            const T count_b = count_a * T(divisor(p, 1, window(p, 1, b), count_include_pad));
            for (int32_t c = row.first; c < row.last; ++c) {
                const T count = count_b * T(divisor(p, 2, window(p, 2, c), count_include_pad));
                const auto up = load_packed<T, VEC>(image + ((a * p.out[1] + b) * p.out[2] + c) * channels);
#pragma unroll
                for (int k = 0; k < VEC; ++k) sum.v[k] += up.v[k] / count;
            }
        }
    }
    store_packed(gx + int64_t(i) * VEC, sum);
}
