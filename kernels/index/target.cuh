// What the scatters share: operands, operations, checked indices.
#pragma once
#include <gpudl/rows.cuh>

namespace gd {

constexpr int kScatterThreads = 256;

// Of scatter_many.
constexpr int kHeld = 2048;  // elements of y that a block holds
constexpr int kEach = 4;     // indices that a thread looks at in a turn

// The index of (b, i, c) lies at b * index_batch + i * index_step + c * index_inner.
struct Scatter {
    int64_t n, size, inner, index_batch, index_step, index_inner;
};

struct Add {
    template <class T>
    GD_DEVICE T operator()(T a, T b) const {
        return a + b;
    }
};

struct Put {  // the last one stays
    template <class T>
    GD_DEVICE T operator()(T, T b) const {
        return b;
    }
};

// The index counted from 0; out of range it is reported, and -1.
GD_DEVICE int64_t target(int64_t index, int64_t size, const ErrorSlot& error) {
    const int64_t at = index < 0 ? index + size : index;
    if (at >= 0 && at < size) return at;
    report(error, index, size);
    return -1;
}

}  // namespace gd
