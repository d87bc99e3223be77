// Ranges of a flat buffer, cut into spans of which each block takes one. kernels/optim/segments.py packs the same bytes.
#pragma once
#include <gpudl/rows.cuh>

namespace gd {

constexpr int kMaxSegments = 64;
constexpr int kSpanThreads = 256;
constexpr int64_t kSpan = 2048;  // elements of a block

struct Segments {
    int64_t start[kMaxSegments], stop[kMaxSegments];
    int32_t block[kMaxSegments];  // the first block of each segment
    int32_t count;
    int32_t wide;  // whether all buffers begin at a multiple of 16 bytes
};

// The segment that this block works on: the last one that begins at it or before.
GD_DEVICE int own_segment(const Segments& at) {
    int low = 0, high = at.count - 1;
    while (low < high) {
        const int middle = (low + high + 1) / 2;
        if (at.block[middle] <= int(blockIdx.x))
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

// step.update<N>(i) for the elements i .. i + N - 1 of this block's span: 16 bytes where they are aligned, else one.
template <class T, class Step>
GD_DEVICE void each_group(const Segments& at, int segment, Step&& step) {
    constexpr int V = 16 / int(sizeof(T));
    const int64_t first = at.start[segment] + (int(blockIdx.x) - at.block[segment]) * kSpan;
    const int64_t last = first + kSpan < at.stop[segment] ? first + kSpan : at.stop[segment];
    int64_t single = first;
    if (at.wide && at.start[segment] % V == 0) {
        single = last - last % V;
        for (int64_t i = first + int64_t(threadIdx.x) * V; i < single; i += kSpanThreads * V) step.template update<V>(i);
    }
    for (int64_t i = single + threadIdx.x; i < last; i += kSpanThreads) step.template update<1>(i);
}

}  // namespace gd
