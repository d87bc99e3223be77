// A convolution as a gather: the shared description of forward, data gradient and weight gradient.
//
// Everything is channels-last with three spatial axes (missing ones have extent 1). Output index j of an axis reads,
// for each tap, source position j * step + offset[tap]; positions outside [0, extent) read zeros. The forward pass has
// step = stride and offset = k * dilation - padding. The data gradient is one such pass per residue of the input
// position modulo the stride, with step 1 and the taps that hit the residue, so no multiplication by a hole is done.
#pragma once

#include <cstdint>
#include <vector>

namespace gpudl {

struct ConvAxis {
    int64_t count = 1;                   // outputs of this pass
    int64_t out_start = 0, out_step = 1; // where they lie in the output
    int64_t step = 1, extent = 1;        // source position of output j: j * step + offset[tap]
    std::vector<int64_t> tap, offset;    // index into the weight, and offset
};

struct ConvPass {
    int64_t batch = 0;
    ConvAxis axis[3];
    int64_t src_batch = 0, src_stride[3] = {0, 0, 0};  // elements
    int64_t out_batch = 0, out_stride[3] = {0, 0, 0};

    int64_t rows() const { return batch * axis[0].count * axis[1].count * axis[2].count; }
    int64_t taps() const { return int64_t(axis[0].tap.size() * axis[1].tap.size() * axis[2].tap.size()); }
};

// One panel of packed weights: columns [begin, begin + width) of a group, padded to `vectors` vectors.
struct ConvPanel {
    int64_t group, begin, width, vectors, offset;
};

template <class T>
struct ConvJob {
    ConvPass pass;
    const T* src;
    const T* zero;     // at least groups * kc zeros
    T* out;
    const T* packed;   // panels, each [tap][kc][vectors * lanes]; depthwise: [tap][groups]
    std::vector<ConvPanel> panels;
    int64_t groups, kc, nc;  // channels read and written per group
    bool gather;             // copy the block's operands instead of pointing at them (few channels)
    int64_t block;           // rows per block
};

// gw[group][tap][kc][nc] += sum over rows of src(row, tap) * g(row).
template <class T>
struct ConvWeightJob {
    ConvPass pass;
    const T* src;
    const T* zero;
    const T* g;         // rows x (groups * nc), contiguous
    T* partial;         // chunks x groups x taps x kc x nc
    int64_t groups, kc, nc;
    bool gather;
    int64_t chunk_rows, block;
};

}  // namespace gpudl
