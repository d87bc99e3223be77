// Gradients into their flat buffer, and the sum of its squares. Bound by bandwidth: each gradient is read and written once.
#include "segments.cuh"

// The segments of a flat buffer, each with the dense array that it comes from.
template <class T>
struct Sources {
    Segments at;
    const T* from[kMaxSegments];
};

template <class T>
struct CopyTo {
    const T* from;
    T* to;

    template <int N>
    GD_DEVICE void update(int64_t i) const {
        store_packed(to + i, load_packed<T, N>(from + i));
    }
};

// Many small tensors in one launch.
template <class T>
__global__ void __launch_bounds__(kSpanThreads, 4)
gather_flat(T* __restrict__ g, Sources<T> sources) {
    const int segment = own_segment(sources.at);
    const CopyTo<T> copy{sources.from[segment] - sources.at.start[segment], g};
    each_group<T>(sources.at, segment, copy);
}

template <class T>
struct AddSquares {
    const T* g;
    double sum;

    template <int N>
    GD_DEVICE void update(int64_t i) {
        const auto values = load_packed<T, N>(g + i);
#pragma unroll
        for (int k = 0; k < N; ++k) sum += double(values.v[k]) * double(values.v[k]);
    }
};

// partial[base + block]: the sum of squares of a span, in double.
template <class T>
__global__ void __launch_bounds__(kSpanThreads)
sumsq_spans(const T* __restrict__ g, Segments at, double* __restrict__ partial, int64_t base) {
    __shared__ double scratch[kSpanThreads / 32];
    AddSquares<T> squares{g, 0.0};
    each_group<T>(at, own_segment(at), squares);
    const double sum = group_reduce<kSpanThreads>(squares.sum, Sum{}, scratch);
    if (threadIdx.x == 0) partial[base + blockIdx.x] = sum;
}

// The spans added in order by one block.
__global__ void __launch_bounds__(kSpanThreads)
sumsq_total(const double* __restrict__ partial, int64_t count, double* __restrict__ total) {
    __shared__ double scratch[kSpanThreads / 32];
    double sum = 0.0;
    for (int64_t i = threadIdx.x; i < count; i += kSpanThreads) sum += partial[i];
    sum = group_reduce<kSpanThreads>(sum, Sum{}, scratch);
    if (threadIdx.x == 0) *total = sum;
}
