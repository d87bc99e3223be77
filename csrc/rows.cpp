// RMS normalisation and rotary positions over (A, B, M, N) arrays whose last axis is contiguous, read and written where they
// lie: heads of attention are such views. Arithmetic in rows_kernels.inc.
#include "rows.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include <pybind11/stl.h>

#include "arrays.h"
#include "parallel.h"

#define GPUDL_TARGET_FILE "rows_kernels.inc"
#include "targets.h"

namespace gpudl {
namespace {

void check_rows(const py::array& a, const Shape& shape, const char* name) {
    check_shape(a, shape, name);
    if (a.size() > 0 && a.shape(3) > 1 && a.strides(3) != a.itemsize())
        throw py::value_error(std::string(name) + ": the last axis is not contiguous: " + describe(a));
}

template <class T>
StridedRows<const T> rows(const py::array& a, const Shape& shape, const char* name) {
    check_rows(a, shape, name);
    const Shape s = element_strides(a, name);
    return {readable<T>(a, name), s[0], s[1], s[2], shape[1], shape[2]};
}

template <class T>
StridedRows<T> rows_out(py::array& a, const Shape& shape, const char* name) {
    check_rows(a, shape, name);
    const Shape s = element_strides(a, name);
    return {writable<T>(a, name), s[0], s[1], s[2], shape[1], shape[2]};
}

int64_t grain_of(int64_t n) { return std::max<int64_t>(1, 16384 / std::max<int64_t>(1, n)); }

// x, y (A, B, M, N); rstd (A * B * M,).
void rms_norm_fwd(const py::array& x, const std::optional<py::array>& weight, double eps, py::array& y, py::array& rstd) {
    check_ndim(x, 4, "x");
    const Shape shape = shape_of(x);
    const int64_t count = shape[0] * shape[1] * shape[2], n = shape[3];
    check_shape(rstd, {count}, "rstd");
    with_float(x, "x", [&](auto zero) {
        using T = decltype(zero);
        const auto from = rows<T>(x, shape, "x");
        const auto to = rows_out<T>(y, shape, "y");
        const T* w = optional_vector<T>(weight, n, "weight");
        T* r = contiguous_out<T>(rstd, "rstd");
        const py::gil_scoped_release nogil;
        parallel_for(0, count, grain_of(n),
                     [&](int64_t b, int64_t e) { GPUDL_DISPATCH(rms_norm_rows<T>(from, w, eps, b, e, n, to, r)); });
    });
}

void rms_norm_bwd(const py::array& g, const py::array& x, const std::optional<py::array>& weight, const py::array& rstd, py::array& gx,
                  std::optional<py::array> gweight) {
    check_ndim(x, 4, "x");
    const Shape shape = shape_of(x);
    const int64_t count = shape[0] * shape[1] * shape[2], n = shape[3];
    check_shape(rstd, {count}, "rstd");
    with_float(x, "x", [&](auto zero) {
        using T = decltype(zero);
        const auto up = rows<T>(g, shape, "g"), from = rows<T>(x, shape, "x");
        const auto to = rows_out<T>(gx, shape, "gx");
        const T *w = optional_vector<T>(weight, n, "weight"), *r = contiguous<T>(rstd, "rstd");
        optional_vector<T>(gweight, n, "gweight");
        T* gw = gweight ? contiguous_out<T>(*gweight, "gweight") : nullptr;
        const py::gil_scoped_release nogil;
        // At most 64 partial sums for the weight, cut where the threads play no part.
        const int64_t grain = std::max(grain_of(n), ceil_div(count, 64)), chunks = num_chunks(0, count, grain);
        std::vector<double> sums(size_t(gw != nullptr ? chunks * n : 0), 0.0);
        parallel_chunks(0, count, grain, [&](int64_t chunk, int64_t b, int64_t e) {
            double* own = gw != nullptr ? sums.data() + chunk * n : nullptr;
            GPUDL_DISPATCH(rms_norm_bwd_rows<T>(up, from, w, r, b, e, n, to, own));
        });
        for (int64_t i = 0; gw != nullptr && i < n; ++i) {
            double s = 0;
            for (int64_t chunk = 0; chunk < chunks; ++chunk) s += sums[size_t(chunk * n + i)];
            gw[i] = T(s);
        }
    });
}

// x, y (A, B, M, N), N even; cos and sin (M, N / 2).
void rotary(const py::array& x, const py::array& cos, const py::array& sin, py::array& y) {
    check_ndim(x, 4, "x");
    const Shape shape = shape_of(x);
    if (shape[3] % 2 != 0) throw py::value_error("x: rows of odd length have no halves: " + describe(x));
    const int64_t count = shape[0] * shape[1] * shape[2], half = shape[3] / 2;
    check_shape(cos, {shape[2], half}, "cos");
    check_shape(sin, {shape[2], half}, "sin");
    with_float(x, "x", [&](auto zero) {
        using T = decltype(zero);
        const auto from = rows<T>(x, shape, "x");
        const auto to = rows_out<T>(y, shape, "y");
        const T *c = contiguous<T>(cos, "cos"), *s = contiguous<T>(sin, "sin");
        const py::gil_scoped_release nogil;
        parallel_for(0, count, grain_of(shape[3]),
                     [&](int64_t b, int64_t e) { GPUDL_DISPATCH(rotary_rows<T>(from, c, s, b, e, half, to)); });
    });
}

}  // namespace

void bind_rows(py::module_& m) {
    using namespace py::literals;
    m.def("rms_norm_fwd", &rms_norm_fwd, "x"_a, "weight"_a, "eps"_a, "y"_a, "rstd"_a);
    m.def("rms_norm_bwd", &rms_norm_bwd, "g"_a, "x"_a, "weight"_a, "rstd"_a, "gx"_a, "gweight"_a);
    m.def("rotary", &rotary, "x"_a, "cos"_a, "sin"_a, "y"_a);
}

}  // namespace gpudl
