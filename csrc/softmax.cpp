// Softmax, log-softmax and cross-entropy over the rows of C-contiguous (M, N) arrays. Arithmetic in softmax_kernels.inc.
#include <algorithm>
#include <cmath>
#include <string>

#include "arrays.h"
#include "parallel.h"
#include "scratch.h"

#define GPUDL_TARGET_FILE "softmax_kernels.inc"
#include "targets.h"

namespace gpudl {
namespace {

int64_t row_grain(int64_t n) { return std::max<int64_t>(1, 16384 / std::max<int64_t>(1, n)); }

void softmax_fwd(const py::array& x, py::array& y, bool logarithm) {
    check_ndim(x, 2, "x");
    check_shape(y, shape_of(x), "y");
    with_float(x, "x", [&](auto zero) {
        using T = decltype(zero);
        const T* from = contiguous<T>(x, "x");
        T* to = contiguous_out<T>(y, "y");
        const int64_t rows = x.shape(0), n = x.shape(1);
        const py::gil_scoped_release nogil;
        if (n == 0) return;
        parallel_for(0, rows, row_grain(n), [&](int64_t b, int64_t e) {
            GPUDL_DISPATCH(softmax_rows<T>(from + b * n, to + b * n, e - b, n, logarithm));
        });
    });
}

void softmax_bwd(const py::array& g, const py::array& y, py::array& gx, bool logarithm) {
    check_ndim(y, 2, "y");
    check_shape(g, shape_of(y), "g");
    check_shape(gx, shape_of(y), "gx");
    with_float(y, "y", [&](auto zero) {
        using T = decltype(zero);
        const T *up = contiguous<T>(g, "g"), *from = contiguous<T>(y, "y");
        T* to = contiguous_out<T>(gx, "gx");
        const int64_t rows = y.shape(0), n = y.shape(1);
        const py::gil_scoped_release nogil;
        if (n == 0) return;
        parallel_for(0, rows, row_grain(n), [&](int64_t b, int64_t e) {
            GPUDL_DISPATCH(softmax_bwd_rows<T>(up + b * n, from + b * n, to + b * n, e - b, n, logarithm));
        });
    });
}

void check_labels(const int64_t* labels, int64_t rows, int64_t classes, int64_t ignore_index) {
    for (int64_t r = 0; r < rows; ++r)
        if (labels[r] != ignore_index && (labels[r] < 0 || labels[r] >= classes))
            throw py::index_error("label " + std::to_string(labels[r]) + " at row " + std::to_string(r) + " is outside the " +
                                  std::to_string(classes) + " classes");
}

// loss and lse (M,) of logits (M, N) and labels (M,).
void cross_entropy_fwd(const py::array& logits, const py::array& labels, int64_t ignore_index, double smoothing, py::array& loss,
                       py::array& lse) {
    check_ndim(logits, 2, "logits");
    const int64_t rows = logits.shape(0), n = logits.shape(1);
    check_shape(labels, {rows}, "labels");
    check_shape(loss, {rows}, "loss");
    check_shape(lse, {rows}, "lse");
    with_float(logits, "logits", [&](auto zero) {
        using T = decltype(zero);
        const T* x = contiguous<T>(logits, "logits");
        const int64_t* label = contiguous<int64_t>(labels, "labels");
        T *out = contiguous_out<T>(loss, "loss"), *sums = contiguous_out<T>(lse, "lse");
        check_labels(label, rows, n, ignore_index);
        const py::gil_scoped_release nogil;
        parallel_for(0, rows, row_grain(n), [&](int64_t b, int64_t e) {
            const Scratch spare(size_t(n + 1) * sizeof(T), kTaskSlot);
            GPUDL_DISPATCH(cross_entropy_rows<T>(x + b * n, label + b, ignore_index, smoothing, out + b, sums + b, e - b, n, spare.as<T>()));
        });
    });
}

void cross_entropy_bwd(const py::array& g, const py::array& logits, const py::array& labels, const py::array& lse,
                       int64_t ignore_index, double smoothing, py::array& gx) {
    check_ndim(logits, 2, "logits");
    const int64_t rows = logits.shape(0), n = logits.shape(1);
    check_shape(g, {rows}, "g");
    check_shape(labels, {rows}, "labels");
    check_shape(lse, {rows}, "lse");
    check_shape(gx, shape_of(logits), "gx");
    with_float(logits, "logits", [&](auto zero) {
        using T = decltype(zero);
        const T *up = contiguous<T>(g, "g"), *x = contiguous<T>(logits, "logits"), *sums = contiguous<T>(lse, "lse");
        const int64_t* label = contiguous<int64_t>(labels, "labels");
        T* to = contiguous_out<T>(gx, "gx");
        check_labels(label, rows, n, ignore_index);
        const py::gil_scoped_release nogil;
        parallel_for(0, rows, row_grain(n), [&](int64_t b, int64_t e) {
            GPUDL_DISPATCH(cross_entropy_bwd_rows<T>(up + b, x + b * n, label + b, sums + b, ignore_index, smoothing, to + b * n, e - b, n));
        });
    });
}

}  // namespace

void bind_softmax(py::module_& m) {
    using namespace py::literals;
    m.def("softmax_fwd", &softmax_fwd, "x"_a, "y"_a, "logarithm"_a);
    m.def("softmax_bwd", &softmax_bwd, "g"_a, "y"_a, "gx"_a, "logarithm"_a);
    m.def("cross_entropy_fwd", &cross_entropy_fwd, "logits"_a, "labels"_a, "ignore_index"_a, "smoothing"_a, "loss"_a, "lse"_a);
    m.def("cross_entropy_bwd", &cross_entropy_bwd, "g"_a, "logits"_a, "labels"_a, "lse"_a, "ignore_index"_a, "smoothing"_a, "gx"_a);
}

}  // namespace gpudl
