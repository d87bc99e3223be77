// Matrix products, as other kernels call them:
//
//   Matmul<float> job;
//   job.m = rows; job.n = columns; job.k = depth;
//   job.a = a; job.a_row = depth; job.a_col = 1;  ...
//   matmul(job);
//
// Strides are in elements and may be anything, so a transposed operand is a view. Each element of the result is one sum
// in the order of k, cut at places that follow from the shape: the bits do not depend on the number of threads.
#pragma once

#include <cstdint>
#include <vector>

namespace gpudl {

enum class Activation { none, relu, gelu_tanh };

// out (m, n) = activation(a (m, k) times b (k, n) + bias). The columns of out adjoin; it overlaps no operand.
template <class T>
struct Matmul {
    int64_t m = 0, n = 0, k = 0;
    const T* a = nullptr;
    int64_t a_row = 0, a_col = 0;
    const T* b = nullptr;
    int64_t b_row = 0, b_col = 0;
    T* out = nullptr;
    int64_t out_row = 0;
    const T* bias = nullptr;  // n numbers, or none
    Activation activation = Activation::none;
    bool accumulate = false;  // add the product to what is in out
};

// One axis of a batch, the steps of its operands in elements: 0 where one is broadcast.
struct BatchAxis {
    int64_t extent, a, b, out;
};

template <class T>
void matmul(const Matmul<T>& job);
template <class T>
void matmul(const Matmul<T>& first, const std::vector<BatchAxis>& batch);

// ----- what follows is between matmul.cpp and matmul_kernels.inc -----

// Rows and columns of a tile, one for each instruction set.
struct MatmulTile {
    int64_t rows, columns;
};

// A block of a product: operands packed in panels of a tile's height or width, [depth block][panel][k][tile].
// Where `a` or `b` is null a task packs what it needs, because no other task needs it.
template <class T>
struct MatmulBlock {
    Matmul<T> job;
    int64_t depth;  // rows of b in a packed panel
    const T* a = nullptr;
    const T* b = nullptr;
    bool finish;    // whether bias and activation follow
};

// A product of at most FEW rows, which reads b where it lies. `out_col` is not 1 where operands were exchanged; then the
// bias belongs to rows.
constexpr int FEW = 4;
template <class T>
struct FewRows {
    Matmul<T> job;
    int64_t out_col;
    bool exchanged;
};

}  // namespace gpudl
