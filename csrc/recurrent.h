// One recurrent layer in one direction over a packed batch: what the kernels of every instruction set are given.
//
// Sequences do not meet: a task takes some of them through all steps, so threads wait for nobody, and the bits do not
// depend on how the sequences are shared out.
#pragma once

#include <cstdint>

namespace gpudl {

struct RecurrentStep {
    int64_t first, rows;  // where the rows of the step begin, and how many sequences have it
};

// The steps in the order of computation. The backward pass takes them from the last to the first.
struct RecurrentSteps {
    const RecurrentStep* step;
    int64_t count;
};

// A matrix (depth, columns) in panels of some vectors of columns, each filled up with zeros: [panel][depth][width].
template <class T>
struct RecurrentWeight {
    const T* panels = nullptr;
    int64_t depth = 0, columns = 0;
};

// Rows are those of the packed batch, states those of the sequences.
template <class T>
struct LstmForward {
    RecurrentSteps steps;
    int64_t hidden, out;
    RecurrentWeight<T> weight, proj;  // (out, 4 * hidden), and (hidden, out) where there is a projection
    const T* x;                       // rows of 4 * hidden
    T *gates, *cells, *y, *h, *c;     // h and c: the first states, and at the end the last
};

template <class T>
struct LstmBackward {
    RecurrentSteps steps;
    int64_t hidden, out;
    RecurrentWeight<T> weight, proj;  // (4 * hidden, out), and (out, hidden) where there is a projection
    const T *gy, *gates, *cells, *c0;
    T *gx, *gout, *gh, *gc;           // gout: gradients of the outputs with what comes back from the next step
};

template <class T>
struct GruForward {
    RecurrentSteps steps;
    int64_t hidden;
    RecurrentWeight<T> weight;  // (hidden, 3 * hidden)
    const T *x, *bias;          // bias may be null
    T *gates, *inner, *y, *h;
};

template <class T>
struct GruBackward {
    RecurrentSteps steps;
    int64_t hidden;
    RecurrentWeight<T> weight;  // (3 * hidden, hidden)
    const T *gy, *gates, *inner, *y, *h0;
    T *gx, *grec, *gh;          // grec: gradients of weight @ h + bias
};

template <class T>
struct RnnForward {
    RecurrentSteps steps;
    int64_t hidden;
    RecurrentWeight<T> weight;  // (hidden, hidden)
    bool relu;
    const T* x;
    T *y, *h;
};

template <class T>
struct RnnBackward {
    RecurrentSteps steps;
    int64_t hidden;
    RecurrentWeight<T> weight;  // (hidden, hidden)
    bool relu;
    const T *gy, *y;
    T *gx, *gh;
};

}  // namespace gpudl
