// Batch normalisation of pixels (rows, channels): statistics per channel over all rows.
//
// Bound by bandwidth. Forward: batch_norm_moments reads x, batch_norm_finish merges the chunks, batch_norm_apply reads x
// and writes y (12 bytes an element of float32). Backward: batch_norm_products reads g and x, batch_norm_bwd_finish,
// batch_norm_gx reads both again and writes gx (20 bytes an element). Values are taken relative to the channel's first one, so a
// mean far larger than the deviation costs no digits.
#include "columns.cuh"

// Of each chunk of rows and channel: the mean of x - pivot, and the squared deviations; partial is (chunks, 2, channels).
template <class T, int VEC>
__global__ void __launch_bounds__(kColumnThreads, 4)
batch_norm_moments(const T* __restrict__ x, T* __restrict__ partial, int64_t rows, int64_t channels, int64_t chunk) {
    __shared__ Moments<T> scratch[VEC][kColumnThreads];
    const int64_t c = own_column<VEC>();
    Moments<T> own[VEC];
#pragma unroll
    for (int k = 0; k < VEC; ++k) own[k] = Moments<T>::none();
    if (c < channels) {
        const auto first = load_packed<T, VEC>(x + c);
        T pivot[VEC], n = T(0);
#pragma unroll
        for (int k = 0; k < VEC; ++k) pivot[k] = pivot_of(first.v[k]);
        each_row(rows, chunk, [&](int64_t r) {
            const auto values = load_packed<T, VEC>(x + r * channels + c);
            const T share = T(1) / (n += T(1));
#pragma unroll
            for (int k = 0; k < VEC; ++k) own[k].push(values.v[k] - pivot[k], share);
        });
    }
    fold_columns(own, scratch);
    if (threadIdx.y != 0 || c >= channels) return;
    T* mean = partial + int64_t(blockIdx.y) * 2 * channels + c;
#pragma unroll
    for (int k = 0; k < VEC; ++k) {
        mean[k] = own[k].mean;
        mean[channels + k] = own[k].m2;
    }
}

// The chunks of each channel merged. `folded` is (2, channels): what rounding took off the mean, and rstd * weight.
template <class T>
__global__ void __launch_bounds__(kColumnThreads, 4)
batch_norm_finish(const T* __restrict__ x, const T* __restrict__ partial, const T* __restrict__ weight, double eps, int64_t rows,
                  int64_t channels, int64_t chunk, int32_t chunks, T* __restrict__ mean, T* __restrict__ rstd,
                  T* __restrict__ folded) {
    __shared__ Moments<T> scratch[1][kColumnThreads];
    const int64_t c = own_column<1>();
    Moments<T> own[1] = {Moments<T>::none()};
    if (c < channels) {
        for (int i = int(threadIdx.y); i < chunks; i += int(blockDim.y)) {
            const int64_t left = rows - i * chunk;
            const T* part = partial + int64_t(i) * 2 * channels + c;
            own[0].merge({T(left < chunk ? left : chunk), part[0], part[channels]});
        }
    }
    fold_columns(own, scratch);
    if (threadIdx.y != 0 || c >= channels) return;
    const T scale = T(1) / sqrt_(own[0].m2 / own[0].n + T(eps));
    const T pivot = rows > 0 ? pivot_of(x[c]) : T(NAN);  // no rows: NaN
    const T rounded = pivot + own[0].mean;
    mean[c] = rounded;
    rstd[c] = scale;
    folded[c] = (pivot - rounded) + own[0].mean;
    folded[channels + c] = scale * weight[c];
}

// y = ((x - mean) - rest) * scale + bias
template <class T, int VEC>
__global__ void __launch_bounds__(kColumnThreads, 4)
batch_norm_apply(const T* __restrict__ x, const T* __restrict__ mean, const T* __restrict__ folded, const T* __restrict__ bias,
                 T* __restrict__ y, int64_t rows, int64_t channels, int64_t chunk) {
    const int64_t c = own_column<VEC>();
    if (c >= channels) return;
    T m[VEC], rest[VEC], scale[VEC], b[VEC];
#pragma unroll
    for (int k = 0; k < VEC; ++k) {
        m[k] = mean[c + k];
        rest[k] = folded[c + k];
        scale[k] = folded[channels + c + k];
        b[k] = bias[c + k];
    }
    each_row(rows, chunk, [&](int64_t r) {
        auto values = load_packed<T, VEC>(x + r * channels + c);
#pragma unroll
        for (int k = 0; k < VEC; ++k) values.v[k] = ((values.v[k] - m[k]) - rest[k]) * scale[k] + b[k];
        store_packed(y + r * channels + c, values);
    });
}

// Of each chunk of rows and channel: the sums of g and of g (x - mean); partial is (chunks, 2, channels).
template <class T, int VEC>
__global__ void __launch_bounds__(kColumnThreads, 4)
batch_norm_products(const T* __restrict__ g, const T* __restrict__ x, const T* __restrict__ mean, T* __restrict__ partial,
                    int64_t rows, int64_t channels, int64_t chunk) {
    __shared__ T scratch[2 * VEC][kColumnThreads];
    const int64_t c = own_column<VEC>();
    T own[2 * VEC] = {};
    if (c < channels) {
        T m[VEC];
#pragma unroll
        for (int k = 0; k < VEC; ++k) m[k] = mean[c + k];
        each_row(rows, chunk, [&](int64_t r) {
            const auto up = load_packed<T, VEC>(g + r * channels + c);
            const auto values = load_packed<T, VEC>(x + r * channels + c);
#pragma unroll
            for (int k = 0; k < VEC; ++k) {
                own[k] += up.v[k];
                own[VEC + k] += up.v[k] * (values.v[k] - m[k]);
            }
        });
    }
    fold_columns(own, scratch);
    if (threadIdx.y != 0 || c >= channels) return;
    T* sums = partial + int64_t(blockIdx.y) * 2 * channels + c;
#pragma unroll
    for (int k = 0; k < VEC; ++k) {
        sums[k] = own[k];
        sums[channels + k] = own[VEC + k];
    }
}

// `folded` is (3, channels): scale, offset and slope of batch_norm_gx.
template <class T>
__global__ void __launch_bounds__(kColumnThreads, 4)
batch_norm_bwd_finish(const T* __restrict__ partial, const T* __restrict__ weight, const T* __restrict__ rstd, int64_t rows,
                      int64_t channels, int32_t chunks, T* __restrict__ gweight, T* __restrict__ gbias, T* __restrict__ folded) {
    __shared__ T scratch[2][kColumnThreads];
    const int64_t c = own_column<1>();
    T own[2] = {};
    if (c < channels) {
        for (int i = int(threadIdx.y); i < chunks; i += int(blockDim.y)) {
            const T* sums = partial + int64_t(i) * 2 * channels + c;
            own[0] += sums[0];
            own[1] += sums[channels];
        }
    }
    fold_columns(own, scratch);
    if (threadIdx.y != 0 || c >= channels) return;
    const T scale = rstd[c], normal = own[1] * scale;
    gweight[c] = normal;
    gbias[c] = own[0];
    folded[c] = weight[c] * scale;
    folded[channels + c] = own[0] / T(rows);
    folded[2 * channels + c] = normal * scale / T(rows);
}

// gx = scale * (g - offset - (x - mean) * slope)
template <class T, int VEC>
__global__ void __launch_bounds__(kColumnThreads, 4)
batch_norm_gx(const T* __restrict__ g, const T* __restrict__ x, const T* __restrict__ mean, const T* __restrict__ folded,
              T* __restrict__ gx, int64_t rows, int64_t channels, int64_t chunk) {
    const int64_t c = own_column<VEC>();
    if (c >= channels) return;
    T m[VEC], scale[VEC], offset[VEC], slope[VEC];
#pragma unroll
    for (int k = 0; k < VEC; ++k) {
        m[k] = mean[c + k];
        scale[k] = folded[c + k];
        offset[k] = folded[channels + c + k];
        slope[k] = folded[2 * channels + c + k];
    }
    each_row(rows, chunk, [&](int64_t r) {
        auto up = load_packed<T, VEC>(g + r * channels + c);
        const auto values = load_packed<T, VEC>(x + r * channels + c);
#pragma unroll
        for (int k = 0; k < VEC; ++k) up.v[k] = scale[k] * (up.v[k] - offset[k] - (values.v[k] - m[k]) * slope[k]);
        store_packed(gx + r * channels + c, up);
    });
}

// The running statistics moved towards the batch's: var + eps is what rstd holds to full precision.
template <class T>
__global__ void __launch_bounds__(kColumnThreads, 4)
running_stats(const T* __restrict__ running_mean, const T* __restrict__ running_var, const T* __restrict__ mean,
              const T* __restrict__ rstd, double momentum, double unbiased, double eps, T* __restrict__ moved_mean,
              T* __restrict__ moved_var, int64_t channels) {
    const int64_t c = own_column<1>();
    if (c >= channels) return;
    const T keep = T(1.0 - momentum);
    const T var = T(1) / (rstd[c] * rstd[c]) - T(eps);
    moved_mean[c] = running_mean[c] * keep + mean[c] * T(momentum);
    moved_var[c] = running_var[c] * keep + (var < T(0) ? T(0) : var) * T(momentum * unbiased);
}
