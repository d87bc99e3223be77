// loss[r] = lse[r] - x[r, label[r]], lse the logarithm of the sum of exponentials of row r of the logits (rows, cols); with
// smoothing s: (1 - s) of that and s of the mean of lse - x[r]. A row with the ignored label has loss 0.
//
// Bound by bandwidth: the loss reads the logits once, the gradient reads and writes them once (rows of more than 8192
// classes are read twice where lse is so large that it has lost the digits that exp needs).
#include "online.cuh"

// What the loss of one row is made of: the maximum, lse - maximum, and with smoothing the sum of x - maximum.
template <class T>
struct LossRow {
    T top, rest, below;
};

template <class T>
GD_DEVICE void write_loss(const LossRow<T>& s, const T* x, int64_t cols, int64_t row, int64_t label,
                                           int64_t ignore_index, double smoothing, T* loss, T* lse, ErrorSlot error) {
    lse[row] = s.top + s.rest;
    if (label == ignore_index || label < 0 || label >= cols) {
        if (label != ignore_index) report(error, label, cols);
        loss[row] = T(0);
        return;
    }
    const T nll = s.rest - (x[label] - s.top);
    const T share = T(smoothing);
    loss[row] = share == T(0) ? nll : (T(1) - share) * nll + share * (s.rest - s.below / T(cols));
}

template <class T, int LANES, int PER, int VEC>
__global__ void __launch_bounds__(kRowThreads<LANES>)
cross_entropy_fwd(const T* __restrict__ x, const int64_t* __restrict__ labels, int64_t ignore_index, double smoothing,
                  T* __restrict__ loss, T* __restrict__ lse, int64_t rows, int32_t cols, ErrorSlot error) {
    using Tile = RowTile<T, LANES, PER, VEC>;
    __shared__ T scratch[3][kRowWarps<LANES>];
    const int64_t row = Tile::row();
    const int held = row < rows ? cols : 0;
    Tile tile;
    tile.load(x + row * cols, held, -T(INFINITY));
    LossRow<T> s;
    s.top = tile.v[0];
#pragma unroll
    for (int i = 1; i < PER; ++i) s.top = larger(s.top, tile.v[i]);
    s.top = group_reduce<LANES>(s.top, Largest{}, scratch[0]);
    T sum = T(0);
    s.below = T(0);
#pragma unroll
    for (int i = 0; i < PER; ++i) {
        const T d = tile.v[i] - s.top;
        sum += exp_(d);
        if (Tile::column(i) < held) s.below += d;
    }
    s.rest = log_(group_reduce<LANES>(sum, Sum{}, scratch[1]));
    if (smoothing != 0.0) s.below = group_reduce<LANES>(s.below, Sum{}, scratch[2]);
    if (row < rows && Tile::lane() == 0)
        write_loss(s, x + row * cols, cols, row, labels[row], ignore_index, smoothing, loss, lse, error);
}

template <class T, int VEC>
__global__ void __launch_bounds__(kLongThreads)
cross_entropy_fwd_long(const T* __restrict__ x, const int64_t* __restrict__ labels, int64_t ignore_index, double smoothing,
                       T* __restrict__ loss, T* __restrict__ lse, int64_t cols, ErrorSlot error) {
    __shared__ Online<T> states[kLongThreads / 32];
    __shared__ T scratch[kLongThreads / 32];
    const int64_t row = blockIdx.x;
    const T* from = x + row * cols;
    const Online<T> all = online_row<T, VEC>(from, cols, states);
    LossRow<T> s{all.top, log_(all.sum), T(0)};
    if (smoothing != 0.0) {
        each_vector<kLongThreads, T, VEC>(from, cols, [&](int64_t, const Packed<T, VEC>& part) {
#pragma unroll
            for (int k = 0; k < VEC; ++k) s.below += part.v[k] - all.top;
        });
        s.below = group_reduce<kLongThreads>(s.below, Sum{}, scratch);
    }
    if (threadIdx.x == 0) write_loss(s, from, cols, row, labels[row], ignore_index, smoothing, loss, lse, error);
}

// How the gradient of one row follows from its probabilities p: up * (p - share), and up * own less at the label.
template <class T>
struct LossSlope {
    T up, share, own;
    int64_t label;  // -1: the row has no gradient

    GD_DEVICE LossSlope(const T* g, const int64_t* labels, int64_t row, int64_t cols, int64_t ignore_index,
                                         double smoothing, bool reports, ErrorSlot error)
        : up(g[row]), share(T(smoothing / double(cols))), own(T(1.0 - smoothing)), label(labels[row]) {
        if (label != ignore_index && label >= 0 && label < cols) return;
        if (label != ignore_index && reports) report(error, label, cols);
        label = -1;
    }

    GD_DEVICE T operator()(T p, int64_t column) const {
        if (label < 0) return T(0);
        const T slope = up * (p - share);
        return column == label ? slope - up * own : slope;
    }
};

// Rounded to a T, a large logsumexp has lost the digits that exp needs.
template <class T>
GD_DEVICE bool holds_digits(T lse) {
    return lse >= T(-8) && lse <= T(8);
}

template <class T, int LANES, int PER, int VEC>
__global__ void __launch_bounds__(kRowThreads<LANES>)
cross_entropy_bwd(const T* __restrict__ g, const T* __restrict__ x, const int64_t* __restrict__ labels,
                  const T* __restrict__ lse, int64_t ignore_index, double smoothing, T* __restrict__ gx, int64_t rows,
                  int32_t cols, ErrorSlot error) {
    using Tile = RowTile<T, LANES, PER, VEC>;
    __shared__ T scratch[2][kRowWarps<LANES>];
    const int64_t row = Tile::row();
    const int held = row < rows ? cols : 0;
    Tile tile;
    tile.load(x + row * cols, held, -T(INFINITY));
    T top = tile.v[0];
#pragma unroll
    for (int i = 1; i < PER; ++i) top = larger(top, tile.v[i]);
    top = group_reduce<LANES>(top, Largest{}, scratch[0]);
    const bool known = row < rows && holds_digits(lse[row]);
    if (known) top = lse[row];
    T sum = T(0);
#pragma unroll
    for (int i = 0; i < PER; ++i) sum += tile.v[i] = exp_(tile.v[i] - top);
    sum = group_reduce<LANES>(sum, Sum{}, scratch[1]);
    if (row >= rows) return;
    const T scale = known ? T(1) : T(1) / sum;
    const LossSlope<T> slope(g, labels, row, cols, ignore_index, smoothing, Tile::lane() == 0, error);
#pragma unroll
    for (int i = 0; i < PER; ++i) tile.v[i] = slope(tile.v[i] * scale, Tile::column(i));
    tile.store(gx + row * cols, held);
}

template <class T, int VEC>
__global__ void __launch_bounds__(kLongThreads)
cross_entropy_bwd_long(const T* __restrict__ g, const T* __restrict__ x, const int64_t* __restrict__ labels,
                       const T* __restrict__ lse, int64_t ignore_index, double smoothing, T* __restrict__ gx, int64_t cols,
                       ErrorSlot error) {
    __shared__ Online<T> states[kLongThreads / 32];
    const int64_t row = blockIdx.x;
    const T* from = x + row * cols;
    const LossSlope<T> slope(g, labels, row, cols, ignore_index, smoothing, threadIdx.x == 0, error);
    T shift = lse[row], scale = T(1);
    if (!holds_digits(shift)) {
        const Online<T> all = online_row<T, VEC>(from, cols, states);
        shift = all.top;
        scale = T(1) / all.sum;
    }
    each_vector<kLongThreads, T, VEC>(from, cols, [&](int64_t c, Packed<T, VEC> part) {
#pragma unroll
        for (int k = 0; k < VEC; ++k) part.v[k] = slope(exp_(part.v[k] - shift) * scale, c + k);
        store_packed(gx + row * cols + c, part);
    });
}
