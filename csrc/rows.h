// Rows of an array (A, B, M, N) whose last axis is contiguous: where each begins.
#pragma once

#include <cstdint>

namespace gpudl {

template <class T>
struct StridedRows {
    T* data;
    int64_t a, b, m;  // strides in elements
    int64_t extent_b, extent_m;

    // The row of index `r` in C order.
    T* at(int64_t r) const {
        const int64_t outer = r / extent_m;
        return data + (outer / extent_b) * a + (outer % extent_b) * b + (r % extent_m) * m;
    }
};

}  // namespace gpudl
