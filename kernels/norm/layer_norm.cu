// Layer normalisation of the rows of a C-ordered (rows, cols) matrix; weight and bias (cols,) may be null.
//
// Bound by bandwidth. Rows of up to 8192 elements stay in registers, so x is read and y written once (8 bytes an element of
// float32; backward 12 bytes, and 8 more for the gradients of weight and bias, which go down the columns). Longer rows are
// read twice. Values are taken relative to the row's first one, so a mean far larger than the deviation costs no digits.
#include "columns.cuh"

template <class T>
GD_DEVICE T scaled(T normal, const T* weight, const T* bias, int64_t c) {
    if (weight != nullptr) normal *= weight[c];
    return bias != nullptr ? normal + bias[c] : normal;
}

template <class T, int LANES, int PER, int VEC>
__global__ void __launch_bounds__(kRowThreads<LANES>)
layer_norm_fwd(const T* __restrict__ x, const T* __restrict__ weight, const T* __restrict__ bias, double eps, T* __restrict__ y,
               T* __restrict__ mean, T* __restrict__ rstd, int64_t rows, int32_t cols) {
    using Tile = RowTile<T, LANES, PER, VEC>;
    __shared__ T scratch[2][kRowWarps<LANES>];
    const int64_t row = Tile::row();
    const int held = row < rows ? cols : 0;
    const T pivot = held > 0 ? pivot_of(x[row * cols]) : T(0);
    Tile tile;
    tile.load(x + row * cols, held, pivot);
    T sum = T(0);
#pragma unroll
    for (int i = 0; i < PER; ++i) sum += tile.v[i] -= pivot;
    const T shift = group_reduce<LANES>(sum, Sum{}, scratch[0]) / T(cols);
    T squares = T(0);
#pragma unroll
    for (int i = 0; i < PER; ++i) {
        tile.v[i] -= shift;
        if (Tile::column(i) < held) squares += tile.v[i] * tile.v[i];
    }
    const T scale = T(1) / sqrt_(group_reduce<LANES>(squares, Sum{}, scratch[1]) / T(cols) + T(eps));
    if (row >= rows) return;
#pragma unroll
    for (int i = 0; i < PER; ++i)
        if (Tile::column(i) < held) tile.v[i] = scaled(tile.v[i] * scale, weight, bias, Tile::column(i));
    tile.store(y + row * cols, held);
    if (Tile::lane() != 0) return;
    mean[row] = pivot + shift;
    rstd[row] = scale;
}

template <class T, int VEC>
__global__ void __launch_bounds__(kLongThreads)
layer_norm_fwd_long(const T* __restrict__ x, const T* __restrict__ weight, const T* __restrict__ bias, double eps,
                    T* __restrict__ y, T* __restrict__ mean, T* __restrict__ rstd, int64_t cols) {
    __shared__ Moments<T> scratch[kLongThreads / 32];
    const int64_t row = blockIdx.x;
    const T* from = x + row * cols;
    const T pivot = pivot_of(from[0]);
    Moments<T> all = Moments<T>::none();
    each_vector<kLongThreads, T, VEC>(from, cols, [&](int64_t, const Packed<T, VEC>& part) {
#pragma unroll
        for (int k = 0; k < VEC; ++k) all.push(part.v[k] - pivot, T(1) / (all.n + T(1)));
    });
    all = block_merge<kLongThreads>(all, scratch);
    const T scale = T(1) / sqrt_(all.m2 / T(cols) + T(eps));
    each_vector<kLongThreads, T, VEC>(from, cols, [&](int64_t c, Packed<T, VEC> part) {
#pragma unroll
        for (int k = 0; k < VEC; ++k) part.v[k] = scaled(((part.v[k] - pivot) - all.mean) * scale, weight, bias, c + k);
        store_packed(y + row * cols + c, part);
    });
    if (threadIdx.x != 0) return;
    mean[row] = pivot + all.mean;
    rstd[row] = scale;
}

// gx = rstd (g w - mean(g w) - (x - mean) rstd^2 mean(g w (x - mean)))
template <class T, int LANES, int PER, int VEC>
__global__ void __launch_bounds__(kRowThreads<LANES>)
layer_norm_bwd(const T* __restrict__ g, const T* __restrict__ x, const T* __restrict__ weight, const T* __restrict__ mean,
               const T* __restrict__ rstd, T* __restrict__ gx, int64_t rows, int32_t cols) {
    using Tile = RowTile<T, LANES, PER, VEC>;
    __shared__ T scratch[2][kRowWarps<LANES>];
    const int64_t row = Tile::row();
    const int held = row < rows ? cols : 0;
    const T mu = held > 0 ? mean[row] : T(0), scale = held > 0 ? rstd[row] : T(0);
    Tile up, centred;
    up.load(g + row * cols, held, T(0));
    centred.load(x + row * cols, held, mu);
    T sum = T(0), product = T(0);
#pragma unroll
    for (int i = 0; i < PER; ++i) {
        if (weight != nullptr && Tile::column(i) < held) up.v[i] *= weight[Tile::column(i)];
        sum += up.v[i];
        product += up.v[i] * (centred.v[i] -= mu);
    }
    const T offset = group_reduce<LANES>(sum, Sum{}, scratch[0]) / T(cols);
    const T slope = group_reduce<LANES>(product, Sum{}, scratch[1]) * scale * scale / T(cols);
#pragma unroll
    for (int i = 0; i < PER; ++i) centred.v[i] = scale * (up.v[i] - offset - centred.v[i] * slope);
    centred.store(gx + row * cols, held);
}

template <class T, int VEC>
__global__ void __launch_bounds__(kLongThreads)
layer_norm_bwd_long(const T* __restrict__ g, const T* __restrict__ x, const T* __restrict__ weight, const T* __restrict__ mean,
                    const T* __restrict__ rstd, T* __restrict__ gx, int64_t cols) {
    __shared__ T scratch[2][kLongThreads / 32];
    const int64_t row = blockIdx.x, start = row * cols;
    const T mu = mean[row], scale = rstd[row];
    T sum = T(0), product = T(0);
    each_vector<kLongThreads, T, VEC>(g + start, cols, [&](int64_t c, const Packed<T, VEC>& up) {
        const auto values = load_packed<T, VEC>(x + start + c);
#pragma unroll
        for (int k = 0; k < VEC; ++k) {
            const T term = weight != nullptr ? up.v[k] * weight[c + k] : up.v[k];
            sum += term;
            product += term * (values.v[k] - mu);
        }
    });
    const T offset = group_reduce<kLongThreads>(sum, Sum{}, scratch[0]) / T(cols);
    const T slope = group_reduce<kLongThreads>(product, Sum{}, scratch[1]) * scale * scale / T(cols);
    each_vector<kLongThreads, T, VEC>(g + start, cols, [&](int64_t c, Packed<T, VEC> up) {
        const auto values = load_packed<T, VEC>(x + start + c);
#pragma unroll
        for (int k = 0; k < VEC; ++k) {
            const T term = weight != nullptr ? up.v[k] * weight[c + k] : up.v[k];
            up.v[k] = scale * (term - offset - (values.v[k] - mu) * slope);
        }
        store_packed(gx + start + c, up);
    });
}

// Of each chunk of rows and column: the sums of g and of g (x - mean) rstd; partial is (chunks, 2, cols).
template <class T, int VEC>
__global__ void __launch_bounds__(kColumnThreads, 4)
layer_norm_products(const T* __restrict__ g, const T* __restrict__ x, const T* __restrict__ mean, const T* __restrict__ rstd,
                    T* __restrict__ partial, int64_t rows, int64_t cols, int64_t chunk) {
    __shared__ T scratch[2 * VEC][kColumnThreads];
    const int64_t c = own_column<VEC>();
    T own[2 * VEC] = {};
    if (c < cols) {
        each_row(rows, chunk, [&](int64_t r) {
            const auto up = load_packed<T, VEC>(g + r * cols + c);
            const auto values = load_packed<T, VEC>(x + r * cols + c);
            const T mu = mean[r], scale = rstd[r];
#pragma unroll
            for (int k = 0; k < VEC; ++k) {
                own[k] += up.v[k];
                own[VEC + k] += up.v[k] * ((values.v[k] - mu) * scale);
            }
        });
    }
    fold_columns(own, scratch);
    if (threadIdx.y != 0 || c >= cols) return;
    T* sums = partial + int64_t(blockIdx.y) * 2 * cols + c;
#pragma unroll
    for (int k = 0; k < VEC; ++k) {
        sums[k] = own[k];
        sums[cols + k] = own[VEC + k];
    }
}

// The chunks added; gweight and gbias may be null.
template <class T>
__global__ void __launch_bounds__(kColumnThreads, 4)
layer_norm_finish(const T* __restrict__ partial, int64_t cols, int32_t chunks, T* __restrict__ gweight, T* __restrict__ gbias) {
    __shared__ T scratch[2][kColumnThreads];
    const int64_t c = own_column<1>();
    T own[2] = {};
    if (c < cols) {
        for (int i = int(threadIdx.y); i < chunks; i += int(blockDim.y)) {
            const T* sums = partial + int64_t(i) * 2 * cols + c;
            own[0] += sums[0];
            own[1] += sums[cols];
        }
    }
    fold_columns(own, scratch);
    if (threadIdx.y != 0 || c >= cols) return;
    if (gbias != nullptr) gbias[c] = own[0];
    if (gweight != nullptr) gweight[c] = own[1];
}
