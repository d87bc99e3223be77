// Windows over up to three spatial axes of channels-last arrays (N, pixels, C).
#pragma once
#include <gpudl/rows.cuh>

namespace gd {

constexpr int kPoolThreads = 256;

// Of max_pool_bwd.
constexpr int kLanes = 32;    // columns of a block: channels of one or more images
constexpr int kBands = 8;     // warps, each of which owns a band of pixels
constexpr int kOutputs = 32;  // outputs in shared memory at a time

// The shape of a pooling, missing axes filled with 1 from the left. kernels/pooling/gpu.py packs the same bytes.
struct Pool {
    int32_t in[3], out[3], kernel[3], stride[3], dilation[3], low[3], high[3];
    int32_t packs;  // vectors of channels
};

// The taps [first, last) of one axis that fall inside the input, and where tap 0 lies.
struct Window {
    int32_t start, first, last;
};

GD_DEVICE Window window(const Pool& p, int axis, int32_t out) {
    const int32_t d = p.dilation[axis];
    Window w;
    w.start = out * p.stride[axis] - p.low[axis];
    w.first = w.start >= 0 ? 0 : (d - 1 - w.start) / d;
    w.last = w.start >= p.in[axis] ? 0 : (p.in[axis] - w.start + d - 1) / d;
    if (w.last > p.kernel[axis]) w.last = p.kernel[axis];
    if (w.last < w.first) w.last = w.first;
    return w;
}

// Elements that a mean divides by: with padding counted, a window ends at the padded border, not beyond it.
GD_DEVICE int32_t divisor(const Pool& p, int axis, const Window& w, bool count_include_pad) {
    if (!count_include_pad) return w.last - w.first;
    const int32_t border = p.in[axis] + p.high[axis], end = w.start + p.kernel[axis];
    return (end < border ? end : border) - w.start;
}

// The outputs of one axis whose windows, without dilation, hold the position `at`.
struct Span {
    int32_t first, last;
};

GD_DEVICE Span outputs_of(const Pool& p, int axis, int32_t at) {
    const int32_t end = at + p.low[axis], begin = end - p.kernel[axis] + 1, s = p.stride[axis];
    const int32_t last = end / s + 1;
    return {begin > 0 ? (begin + s - 1) / s : 0, last < p.out[axis] ? last : p.out[axis]};
}

// Vector i of an array (N, *extent, packs): its image, spatial indices and place among the channels.
struct Place {
    int64_t image;
    int32_t at[3];
    int32_t pack;
};

GD_DEVICE Place place_of(uint32_t i, const int32_t (&extent)[3], int32_t packs) {
    Place place;
    place.pack = int32_t(i % packs);
    i /= packs;
#pragma unroll
    for (int axis = 2; axis >= 0; --axis) {
        place.at[axis] = int32_t(i % extent[axis]);
        i /= extent[axis];
    }
    place.image = i;
    return place;
}

// f(pixel) for the pixels of a window, in order.
template <class F>
GD_DEVICE void each_pixel(const Pool& p, const Window (&w)[3], F f) {
    for (int32_t a = w[0].first; a < w[0].last; ++a) {
        const int32_t plane = (w[0].start + a * p.dilation[0]) * p.in[1];
        for (int32_t b = w[1].first; b < w[1].last; ++b) {
            const int32_t row = (plane + w[1].start + b * p.dilation[1]) * p.in[2] + w[2].start;
            for (int32_t c = w[2].first; c < w[2].last; ++c) f(row + c * p.dilation[2]);
        }
    }
}

}  // namespace gd
