// Depthwise convolution: each channel for itself. Forward and data gradient are one kernel, the weight gradient another.
//
// A thread owns VEC neighbouring channels, so that a warp reads whole lines of the channels-last image. Bound by
// bandwidth: the image is read once from memory, its taps overlap in the caches; 2 taps FLOPs for the 2 elements of a result.
#include "gather.cuh"

namespace {

template <class T, int VEC>
struct alignas(sizeof(T) * VEC) Vector {
    T v[VEC];
};

template <class T, int VEC>
GD_DEVICE Vector<T, VEC> load_vector(const T* from) {
    return *reinterpret_cast<const Vector<T, VEC>*>(from);
}

}  // namespace

[[maybe_unused]] constexpr int kDepthwiseThreads = 256;
[[maybe_unused]] constexpr int kDepthwiseRows = 8;  // of a thread, which share the weights that its block brings
[[maybe_unused]] constexpr int kTaps = 9;           // that a thread of the weight's gradient adds up at a time

// y (pixels, C) from x and w (C, taps). A block is X threads along the channels by Y pixels; blockIdx.y tiles the channels,
// blockIdx.z is the phase.
template <class T, int VEC>
__global__ void __launch_bounds__(kDepthwiseThreads, 3)
    depthwise(const T* x, const T* w, T* y, const __grid_constant__ Gather p) {
    GPUDL_DYNAMIC_SHARED(T, weights);  // [tap][channel of the block]
    const Phase& phase = p.phase[blockIdx.z];
    const int width = blockDim.x * VEC, channels = p.groups;
    const int first = blockIdx.y * width;
    const int taps = depth(p, phase), all = p.kernel[0] * p.kernel[1] * p.kernel[2];
    for (int t = threadIdx.y; t < taps; t += blockDim.y) {
        const int tap = kernel_tap(p, phase, step_of(p, phase, t));
        for (int c = threadIdx.x; c < width; c += blockDim.x)
            weights[t * width + c] = first + c < channels ? w[int64_t(first + c) * all + tap] : T(0);
    }
    __syncthreads();
    const int own = threadIdx.x * VEC;
    if (first + own >= channels) return;
    const Image<T> image{x + first + own, p, phase, phase.rows, taps};
    int row = blockIdx.x * (blockDim.y * kDepthwiseRows) + threadIdx.y;
    for (int i = 0; i < kDepthwiseRows && row < phase.rows; ++i, row += blockDim.y) {
        const Spot pixel = image.pixel(row);
        Vector<T, VEC> sum = {};
        int t = 0;
        for (uint32_t t0 = 0; t0 < phase.taps[0].value; ++t0) {
            for (uint32_t t1 = 0; t1 < phase.taps[1].value; ++t1) {
#pragma unroll 4
                for (uint32_t t2 = 0; t2 < phase.taps[2].value; ++t2, ++t) {
                    const T* from = image.at(pixel, image.tap({0, {t0, t1, t2}}));
                    if (!from) continue;
                    const auto values = load_vector<T, VEC>(from), factors = load_vector<T, VEC>(weights + t * width + own);
#pragma unroll
                    for (int k = 0; k < VEC; ++k) sum.v[k] += values.v[k] * factors.v[k];
                }
            }
        }
        *reinterpret_cast<Vector<T, VEC>*>(y + result_pixel(p, phase, row) * channels + first + own) = sum;
    }
}

// partial (parts, C, taps): the gradient of w over `chunk` pixels a part, blockIdx.y. A block is X threads along the channels,
// tiled by blockIdx.x, by Y pixels; blockIdx.z has kTaps of the taps.
template <class T, int VEC>
__global__ void __launch_bounds__(kDepthwiseThreads)
    depthwise_wgrad(const T* g, const T* x, T* partial, const __grid_constant__ Gather p, int32_t chunk) {
    __shared__ Spot spots[kTaps];
    __shared__ T scratch[kTaps * VEC][kDepthwiseThreads];
    const Phase& phase = p.phase[0];
    const int here = threadIdx.y * blockDim.x + threadIdx.x;
    const int channels = p.groups, c = (blockIdx.x * blockDim.x + threadIdx.x) * VEC;
    const int begin = blockIdx.y * chunk;
    const int end = phase.rows - begin < chunk ? phase.rows : begin + chunk;
    const int taps = depth(p, phase), first = blockIdx.z * kTaps;
    const Image<T> image{x + c, p, phase, end, taps};
    if (here < kTaps) spots[here] = image.tap(first + here);
    __syncthreads();
    T sums[kTaps][VEC] = {};
    if (c < channels) {
        for (int row = begin + threadIdx.y; row < end; row += blockDim.y) {
            const Spot pixel = image.pixel(row);
            const auto up = load_vector<T, VEC>(g + int64_t(row) * channels + c);
#pragma unroll
            for (int t = 0; t < kTaps; ++t) {
                const T* from = image.at(pixel, spots[t]);
                if (!from) continue;
                const auto values = load_vector<T, VEC>(from);
#pragma unroll
                for (int k = 0; k < VEC; ++k) sums[t][k] += up.v[k] * values.v[k];
            }
        }
    }
#pragma unroll
    for (int t = 0; t < kTaps; ++t) {
#pragma unroll
        for (int k = 0; k < VEC; ++k) scratch[t * VEC + k][here] = sums[t][k];
    }
    __syncthreads();
    // The sums of each channel and tap over the Y threads, in their order.
    const int width = blockDim.x * VEC;
    for (int i = here; i < kTaps * width; i += kDepthwiseThreads) {
        const int t = i / width, own = i % width, channel = blockIdx.x * width + own;
        if (first + t >= taps || channel >= channels) continue;
        T sum = T(0);
        for (int at = own / VEC; at < kDepthwiseThreads; at += blockDim.x) sum += scratch[t * VEC + own % VEC][at];
        partial[(int64_t(blockIdx.y) * channels + channel) * taps + first + t] = sum;
    }
}
