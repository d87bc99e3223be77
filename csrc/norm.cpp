// Batch normalisation over (M, C) rows of pixels and layer normalisation over rows. Arithmetic in norm_kernels.inc.
#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include <pybind11/stl.h>

#include "arrays.h"
#include "parallel.h"

#define GPUDL_TARGET_FILE "norm_kernels.inc"
#include "targets.h"

namespace gpudl {
namespace {

// Rows a chunk of partial sums covers: about 128 KiB, read twice from the L2 cache; at most 512 chunks.
int64_t chunk_rows(int64_t rows, int64_t columns, int64_t itemsize) {
    const int64_t in_cache = (int64_t{128} << 10) / std::max<int64_t>(1, columns * itemsize);
    return std::max<int64_t>({1, in_cache, ceil_div(rows, 512)});
}

// x, y (M, C); mean and rstd (C,). The variance is the biased one.
void batch_norm_fwd(const py::array& x, const py::array& weight, const py::array& bias, double eps, py::array& y, py::array& mean,
                    py::array& rstd) {
    check_ndim(x, 2, "x");
    const int64_t rows = x.shape(0), channels = x.shape(1);
    check_shape(y, shape_of(x), "y");
    for (const py::array* a : {&weight, &bias, static_cast<const py::array*>(&mean), static_cast<const py::array*>(&rstd)})
        check_shape(*a, {channels}, "weight, bias, mean, rstd");
    with_float(x, "x", [&](auto zero) {
        using T = decltype(zero);
        const T *xp = contiguous<T>(x, "x"), *wp = contiguous<T>(weight, "weight"), *bp = contiguous<T>(bias, "bias");
        T *yp = contiguous_out<T>(y, "y"), *mp = contiguous_out<T>(mean, "mean"), *rp = contiguous_out<T>(rstd, "rstd");
        const py::gil_scoped_release nogil;
        const int64_t grain = chunk_rows(rows, channels, sizeof(T)), chunks = num_chunks(0, rows, grain);
        std::vector<double> moments(size_t(2 * chunks * channels));
        parallel_chunks(0, rows, grain, [&](int64_t chunk, int64_t b, int64_t e) {
            double* m = moments.data() + 2 * chunk * channels;
            GPUDL_DISPATCH(column_moments<T>(xp + b * channels, e - b, channels, m, m + channels));
        });
        std::vector<T> rest(static_cast<size_t>(channels)), scale(static_cast<size_t>(channels));
        for (int64_t c = 0; c < channels; ++c) {
            double mu = 0, m2 = 0, n = 0;
            for (int64_t chunk = 0; chunk < chunks; ++chunk) {
                const double count = double(std::min(grain, rows - chunk * grain));
                const double d = moments[size_t(2 * chunk * channels + c)] - mu;
                m2 += moments[size_t((2 * chunk + 1) * channels + c)] + d * d * (n * count / (n + count));
                n += count;
                mu += d * (count / n);
            }
            const double inv = 1.0 / std::sqrt((rows > 0 ? m2 / double(rows) : std::nan("")) + eps);
            if (rows == 0) mu = std::nan("");
            mp[c] = T(mu);
            rp[c] = T(inv);
            rest[size_t(c)] = T(mu - double(mp[c]));
            scale[size_t(c)] = T(inv * double(wp[c]));
        }
        parallel_for(0, rows, grain, [&](int64_t b, int64_t e) {
            GPUDL_DISPATCH(scale_rows<T>(xp + b * channels, yp + b * channels, e - b, channels, mp, rest.data(), scale.data(), bp));
        });
    });
}

void batch_norm_bwd(const py::array& g, const py::array& x, const py::array& weight, const py::array& mean, const py::array& rstd,
                    py::array& gx, py::array& gweight, py::array& gbias) {
    check_ndim(x, 2, "x");
    const int64_t rows = x.shape(0), channels = x.shape(1);
    check_shape(g, shape_of(x), "g");
    check_shape(gx, shape_of(x), "gx");
    for (const py::array* a : {&weight, &mean, &rstd, static_cast<const py::array*>(&gweight), static_cast<const py::array*>(&gbias)})
        check_shape(*a, {channels}, "weight, mean, rstd, gweight, gbias");
    with_float(x, "x", [&](auto zero) {
        using T = decltype(zero);
        const T *gp = contiguous<T>(g, "g"), *xp = contiguous<T>(x, "x"), *wp = contiguous<T>(weight, "weight");
        const T *mp = contiguous<T>(mean, "mean"), *rp = contiguous<T>(rstd, "rstd");
        T *gxp = contiguous_out<T>(gx, "gx"), *gwp = contiguous_out<T>(gweight, "gweight"), *gbp = contiguous_out<T>(gbias, "gbias");
        const py::gil_scoped_release nogil;
        const int64_t grain = chunk_rows(rows, channels, sizeof(T)), chunks = num_chunks(0, rows, grain);
        std::vector<double> sums(size_t(2 * chunks * channels));
        parallel_chunks(0, rows, grain, [&](int64_t chunk, int64_t b, int64_t e) {
            double* s = sums.data() + 2 * chunk * channels;
            GPUDL_DISPATCH(column_products<T>(gp + b * channels, xp + b * channels, e - b, channels, mp, s, s + channels));
        });
        std::vector<T> scale(static_cast<size_t>(channels)), offset(scale), slope(scale);
        for (int64_t c = 0; c < channels; ++c) {
            double s = 0, sd = 0;
            for (int64_t chunk = 0; chunk < chunks; ++chunk) {
                s += sums[size_t(2 * chunk * channels + c)];
                sd += sums[size_t((2 * chunk + 1) * channels + c)];
            }
            const double inv = double(rp[c]);
            gwp[c] = T(sd * inv);
            gbp[c] = T(s);
            scale[size_t(c)] = T(double(wp[c]) * inv);
            offset[size_t(c)] = T(s / double(rows));
            slope[size_t(c)] = T(sd * inv * inv / double(rows));
        }
        parallel_for(0, rows, grain, [&](int64_t b, int64_t e) {
            GPUDL_DISPATCH(batch_norm_gx<T>(gp + b * channels, xp + b * channels, gxp + b * channels, e - b, channels, mp, scale.data(),
                                            offset.data(), slope.data()));
        });
    });
}

// x, y (M, N); mean and rstd (M,).
void layer_norm_fwd(const py::array& x, const std::optional<py::array>& weight, const std::optional<py::array>& bias, double eps,
                    py::array& y, py::array& mean, py::array& rstd) {
    check_ndim(x, 2, "x");
    const int64_t rows = x.shape(0), n = x.shape(1);
    check_shape(y, shape_of(x), "y");
    check_shape(mean, {rows}, "mean");
    check_shape(rstd, {rows}, "rstd");
    with_float(x, "x", [&](auto zero) {
        using T = decltype(zero);
        const T *xp = contiguous<T>(x, "x"), *wp = optional_vector<T>(weight, n, "weight"), *bp = optional_vector<T>(bias, n, "bias");
        T *yp = contiguous_out<T>(y, "y"), *mp = contiguous_out<T>(mean, "mean"), *rp = contiguous_out<T>(rstd, "rstd");
        const py::gil_scoped_release nogil;
        const int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(1, n));
        parallel_for(0, rows, grain, [&](int64_t b, int64_t e) {
            GPUDL_DISPATCH(layer_norm_rows<T>(xp + b * n, wp, bp, eps, e - b, n, yp + b * n, mp + b, rp + b));
        });
    });
}

void layer_norm_bwd(const py::array& g, const py::array& x, const std::optional<py::array>& weight, const py::array& mean,
                    const py::array& rstd, py::array& gx, std::optional<py::array> gweight, std::optional<py::array> gbias) {
    check_ndim(x, 2, "x");
    const int64_t rows = x.shape(0), n = x.shape(1);
    check_shape(g, shape_of(x), "g");
    check_shape(gx, shape_of(x), "gx");
    check_shape(mean, {rows}, "mean");
    check_shape(rstd, {rows}, "rstd");
    with_float(x, "x", [&](auto zero) {
        using T = decltype(zero);
        const T *gp = contiguous<T>(g, "g"), *xp = contiguous<T>(x, "x"), *wp = optional_vector<T>(weight, n, "weight");
        const T *mp = contiguous<T>(mean, "mean"), *rp = contiguous<T>(rstd, "rstd");
        T* gxp = contiguous_out<T>(gx, "gx");
        optional_vector<T>(gweight, n, "gweight");
        optional_vector<T>(gbias, n, "gbias");
        T* gwp = gweight ? contiguous_out<T>(*gweight, "gweight") : nullptr;
        T* gbp = gbias ? contiguous_out<T>(*gbias, "gbias") : nullptr;
        const py::gil_scoped_release nogil;
        const int64_t grain = std::max(chunk_rows(rows, n, sizeof(T)), ceil_div(rows, 64)), chunks = num_chunks(0, rows, grain);
        std::vector<double> sums(size_t(2 * chunks * n), 0.0);
        parallel_chunks(0, rows, grain, [&](int64_t chunk, int64_t b, int64_t e) {
            double* s = sums.data() + 2 * chunk * n;
            GPUDL_DISPATCH(layer_norm_bwd_rows<T>(gp + b * n, xp + b * n, wp, mp + b, rp + b, e - b, n, gxp + b * n,
                                                  gwp != nullptr ? s : nullptr, gbp != nullptr ? s + n : nullptr));
        });
        for (int part = 0; part < 2; ++part) {
            T* out = part == 0 ? gwp : gbp;
            if (out == nullptr) continue;
            for (int64_t i = 0; i < n; ++i) {
                double s = 0;
                for (int64_t chunk = 0; chunk < chunks; ++chunk) s += sums[size_t((2 * chunk + part) * n + i)];
                out[i] = T(s);
            }
        }
    });
}

}  // namespace

void bind_norm(py::module_& m) {
    using namespace py::literals;
    m.def("batch_norm_fwd", &batch_norm_fwd, "x"_a, "weight"_a, "bias"_a, "eps"_a, "y"_a, "mean"_a, "rstd"_a);
    m.def("batch_norm_bwd", &batch_norm_bwd, "g"_a, "x"_a, "weight"_a, "mean"_a, "rstd"_a, "gx"_a, "gweight"_a, "gbias"_a);
    m.def("layer_norm_fwd", &layer_norm_fwd, "x"_a, "weight"_a, "bias"_a, "eps"_a, "y"_a, "mean"_a, "rstd"_a);
    m.def("layer_norm_bwd", &layer_norm_bwd, "g"_a, "x"_a, "weight"_a, "mean"_a, "rstd"_a, "gx"_a, "gweight"_a, "gbias"_a);
}

}  // namespace gpudl
