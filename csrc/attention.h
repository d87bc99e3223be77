// Attention of one head, as the kernels see it: rows of queries, keys and values whose elements lie side by side.
#pragma once

#include <cstdint>

namespace gpudl {

template <class T>
struct Rows {
    T* data = nullptr;
    int64_t stride = 0;  // elements between rows
    T* row(int64_t i) const { return data + i * stride; }
};

template <class T>
struct AttentionHead {
    int64_t queries, keys, width, value_width;
    Rows<const T> q, k, v;
    Rows<const T> mask;   // added to the scores; none where data is null
    int64_t mask_column;  // elements between its columns
    T scale;
    bool causal;  // query i sees keys 0 to i
};

}  // namespace gpudl
