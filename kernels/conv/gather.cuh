// A convolution as a gather: what a result reads of an image for each tap, the same for forward, data and weight gradient.
//
// Everything is channels-last with three spatial axes; missing ones have extent 1. Result j of an axis reads, for its
// tap t, position j * step + offset + t * dilation, and zero outside of [0, extent). A step of k is a tap and a channel,
// the channel fastest. The forward pass is one phase. The data gradient has a phase for each residue of the position
// modulo the stride, with the taps that hit it, so that no hole is multiplied.
#pragma once
#include <gpudl/gemm.cuh>

namespace gd {

constexpr int kPhases = 8;  // of one launch

// Division by a number that the host knows: i below 2^31.
struct Divisor {
    uint32_t value, multiplier, shift;

    GD_DEVICE uint32_t divided(uint32_t i) const { return __umulhi(2 * i, multiplier) >> shift; }
    // The quotient; `i` becomes the remainder.
    GD_DEVICE uint32_t divide(uint32_t& i) const {
        const uint32_t quotient = divided(i);
        i -= quotient * value;
        return quotient;
    }
};

// kernels/conv/gather.py packs the same bytes as both structs.
struct Phase {
    Divisor count[3], taps[3];
    int32_t start[3];                         // result 0 of each axis
    int32_t offset[3], dilation[3];           // what its taps read
    int32_t tap[3], tap_step[3];              // where they lie in the kernel
    int32_t rows;                             // results: batch and positions
};

struct Gather {
    int64_t batch, stride[3];                 // of the image, in elements
    int32_t extent[3], step[3];
    int32_t result[3], spread[3];             // extents of the results' image, distance of results
    int32_t kernel[3];
    Divisor used;                             // channels that a group reads
    int32_t made, groups;                     // channels that a group makes
    int32_t read_quads, made_quads;           // whether 4 channels lie aligned to 16 bytes in what is read, in what is made
    int32_t unused;
    Phase phase[kPhases];
};

static_assert(sizeof(Gather) == 1216, "as kernels/conv/gather.py packs it");

GD_DEVICE int depth(const Gather& p, const Phase& phase) {
    return int(phase.taps[0].value * phase.taps[1].value * phase.taps[2].value * p.used.value);
}

// A place of a pixel, or what a tap adds to it: position in the image, and elements from its first.
struct Spot {
    int64_t offset;
    int32_t i[3];
};

GD_DEVICE Spot nowhere() { return {0, {-(1 << 30), 0, 0}}; }

// A step of k: a channel of the group, and a tap of each axis.
struct Step {
    uint32_t channel, t[3];
};

GD_DEVICE Step step_of(const Gather& p, const Phase& phase, int k) {
    Step at;
    at.channel = k;
    uint32_t rest = p.used.divide(at.channel);
    at.t[2] = rest;
    rest = phase.taps[2].divide(at.t[2]);
    at.t[1] = rest;
    at.t[0] = phase.taps[1].divide(at.t[1]);
    return at;
}

// Which element of the kernel, of all its taps, step `at` multiplies.
GD_DEVICE int kernel_tap(const Gather& p, const Phase& phase, const Step& at) {
    int tap = 0;
#pragma unroll
    for (int axis = 0; axis < 3; ++axis)
        tap = tap * p.kernel[axis] + phase.tap[axis] + int(at.t[axis]) * phase.tap_step[axis];
    return tap;
}

// Row `row` of a phase: n, and j of each axis.
GD_DEVICE uint32_t row_of(const Phase& phase, int row, uint32_t (&j)[3]) {
    j[2] = row;
    j[1] = phase.count[2].divide(j[2]);
    j[0] = phase.count[1].divide(j[1]);
    return phase.count[0].divide(j[0]);
}

// The pixel of the results' image that a row makes.
GD_DEVICE int64_t result_pixel(const Gather& p, const Phase& phase, int row) {
    uint32_t j[3];
    int64_t pixel = row_of(phase, row, j);
#pragma unroll
    for (int axis = 0; axis < 3; ++axis)
        pixel = pixel * p.result[axis] + phase.start[axis] + int(j[axis]) * p.spread[axis];
    return pixel;
}

// What is read: `data` is at the first channel of the group.
template <class T>
struct Image {
    const T* data;
    const Gather& p;
    const Phase& phase;
    int32_t row_end, k_end;

    GD_DEVICE Spot pixel(int row) const {
        if (row >= row_end) return nowhere();
        uint32_t j[3];
        Spot spot;
        spot.offset = row_of(phase, row, j) * p.batch;
#pragma unroll
        for (int axis = 0; axis < 3; ++axis) {
            spot.i[axis] = int(j[axis]) * p.step[axis];
            spot.offset += spot.i[axis] * p.stride[axis];
        }
        return spot;
    }

    GD_DEVICE Spot tap(int k) const { return k < k_end ? tap(step_of(p, phase, k)) : nowhere(); }
    GD_DEVICE Spot tap(const Step& at) const {
        Spot spot;
        spot.offset = at.channel;
#pragma unroll
        for (int axis = 0; axis < 3; ++axis) {
            spot.i[axis] = phase.offset[axis] + int(at.t[axis]) * phase.dilation[axis];
            spot.offset += spot.i[axis] * p.stride[axis];
        }
        return spot;
    }

    // The element, null outside of the image.
    GD_DEVICE const T* at(const Spot& pixel, const Spot& tap) const {
        bool inside = true;
#pragma unroll
        for (int axis = 0; axis < 3; ++axis)
            inside &= uint32_t(pixel.i[axis] + tap.i[axis]) < uint32_t(p.extent[axis]);
        return inside ? data + (pixel.offset + tap.offset) : nullptr;
    }
};

// ----- operands of gemm.cuh -----
// A row a pixel, k over taps and channels.
template <class T>
struct Pixels {
    static constexpr bool ALONG = false;
    using Place = Spot;

    Image<T> image;

    GD_DEVICE Spot place(int i) const { return image.pixel(i); }
    GD_DEVICE Spot step(int k) const { return image.tap(k); }
    GD_DEVICE const T* at(const Spot& place, const Spot& step) const { return image.at(place, step); }
    GD_DEVICE const T* base() const { return image.data; }
};

// A column a tap and channel, k over pixels.
template <class T>
struct Windows {
    static constexpr bool ALONG = true;
    using Place = Spot;

    Image<T> image;

    GD_DEVICE Spot place(int i) const { return image.tap(i); }
    GD_DEVICE Spot step(int k) const { return image.pixel(k); }
    GD_DEVICE const T* at(const Spot& place, const Spot& step) const { return image.at(step, place); }
    GD_DEVICE bool whole(int i) const { return image.p.read_quads && i + 3 < image.k_end; }
    GD_DEVICE const T* base() const { return image.data; }
};

// A column an output channel, k over taps and input channels, which lie side by side in the weight.
template <class T>
struct Filters {
    static constexpr bool ALONG = false;
    using Place = int64_t;  // below 0: none

    const T* data;
    int32_t made, depth;

    GD_DEVICE int64_t place(int i) const { return i < made ? int64_t(i) * depth : -1; }
    GD_DEVICE int64_t step(int k) const { return k < depth ? k : -1; }
    GD_DEVICE const T* at(int64_t place, int64_t step) const {
        return place >= 0 && step >= 0 ? data + (place + step) : nullptr;
    }
    GD_DEVICE const T* base() const { return data; }
};

// A column an input channel, k over the taps of a phase and output channels.
template <class T>
struct TurnedFilters {
    static constexpr bool ALONG = true;
    using Place = int64_t;

    const T* data;
    const Gather& p;
    const Phase& phase;
    int32_t k_end;

    GD_DEVICE int64_t place(int i) const { return i < p.made ? i : -1; }
    GD_DEVICE int64_t step(int k) const {
        if (k >= k_end) return -1;
        const Step at = step_of(p, phase, k);
        const int64_t taps = p.kernel[0] * p.kernel[1] * p.kernel[2];
        return (at.channel * taps + kernel_tap(p, phase, at)) * p.made;
    }
    GD_DEVICE const T* at(int64_t place, int64_t step) const {
        return place >= 0 && step >= 0 ? data + (place + step) : nullptr;
    }
    GD_DEVICE bool whole(int i) const { return p.made_quads && i + 3 < p.made; }
    GD_DEVICE const T* base() const { return data; }
};

// A row an output channel, k over pixels: the gradient of the result, in C order.
template <class T>
struct Upstream {
    static constexpr bool ALONG = true;
    using Place = int64_t;

    const T* data;
    int64_t channels;
    int32_t made, row_end;
    bool quads;

    GD_DEVICE int64_t place(int i) const { return i < made ? i : -1; }
    GD_DEVICE int64_t step(int k) const { return k < row_end ? k * channels : -1; }
    GD_DEVICE const T* at(int64_t place, int64_t step) const {
        return place >= 0 && step >= 0 ? data + (place + step) : nullptr;
    }
    GD_DEVICE bool whole(int i) const { return quads && i + 3 < made; }
    GD_DEVICE const T* base() const { return data; }
};

}  // namespace gd
