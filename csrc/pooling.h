// Shapes of a pooling, missing spatial axes filled with 1 from the left.
#pragma once

#include <cstdint>

namespace gpudl {

struct PoolShape {
    int64_t batch = 0, channels = 0;
    int64_t in[3] = {1, 1, 1}, out[3] = {1, 1, 1}, kernel[3] = {1, 1, 1}, stride[3] = {1, 1, 1}, dilation[3] = {1, 1, 1};
    int64_t low[3] = {0, 0, 0}, high[3] = {0, 0, 0};

    int64_t pixels() const { return in[0] * in[1] * in[2]; }
};

// The taps [first, last) of one axis that fall inside the input, and where tap 0 lies.
struct PoolWindow {
    int64_t start, first, last;
};

inline PoolWindow pool_window(const PoolShape& p, int axis, int64_t out) {
    PoolWindow w;
    const int64_t d = p.dilation[axis];
    w.start = out * p.stride[axis] - p.low[axis];
    // A division takes longer than a small window.
    const auto taps = [d](int64_t pixels) { return d == 1 ? pixels : (pixels + d - 1) / d; };
    w.first = w.start >= 0 ? 0 : taps(-w.start);
    w.last = w.start >= p.in[axis] ? 0 : taps(p.in[axis] - w.start);
    if (w.last > p.kernel[axis]) w.last = p.kernel[axis];
    if (w.last < w.first) w.last = w.first;
    return w;
}

// An integer as wide as the float, so that one comparison's mask serves both.
template <class T>
struct LaneIndex;
template <>
struct LaneIndex<float> {
    using type = int32_t;
};
template <>
struct LaneIndex<double> {
    using type = int64_t;
};

}  // namespace gpudl
