// Elementwise functions over dense arrays of any axis order: operands and result share shape and strides, the loop runs
// over memory. Arithmetic in elementwise_kernels.inc and math.inc.
#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include "arrays.h"
#include "elementwise.h"
#include "parallel.h"

#define GPUDL_TARGET_FILE "elementwise_kernels.inc"
#include "targets.h"

namespace gpudl {
namespace {

constexpr int64_t GRAIN = 32768;  // elements of a task; one task runs on the calling thread

// Whether the elements fill their memory without gaps or overlap, in some order of the axes.
bool is_dense(const py::array& a) {
    if (a.size() == 0 || is_c_contiguous(a)) return true;
    std::vector<std::pair<int64_t, int64_t>> axes;
    for (py::ssize_t i = 0; i < a.ndim(); ++i)
        if (a.shape(i) > 1) axes.emplace_back(a.strides(i), a.shape(i));
    std::sort(axes.begin(), axes.end());
    int64_t expected = a.itemsize();
    for (const auto& [stride, extent] : axes) {
        if (stride != expected) return false;
        expected *= extent;
    }
    return true;
}

void check_layouts(const py::array& x, const py::array& y) {
    check_shape(y, shape_of(x), "out");
    if (!is_dense(x)) throw py::value_error("x: expected an array without gaps, got " + describe(x));
    for (py::ssize_t i = 0; i < x.ndim(); ++i)
        if (x.size() > 0 && x.shape(i) > 1 && x.strides(i) != y.strides(i))
            throw py::value_error("the operands differ in memory layout");
}

template <UnaryOp OP>
void unary_op(const py::array& x, py::array& out) {
    check_layouts(x, out);
    with_float(x, "x", [&](auto zero) {
        using T = decltype(zero);
        const T* from = readable<T>(x, "x");
        T* to = writable<T>(out, "out");
        const int64_t n = x.size();
        const py::gil_scoped_release nogil;
        parallel_for(0, n, GRAIN, [&](int64_t b, int64_t e) { GPUDL_DISPATCH(unary<T>(OP, from + b, to + b, e - b)); });
    });
}

template <UnaryOp OP>
void unary_bwd_op(const py::array& g, const py::array& x, py::array& out) {
    check_layouts(x, g);
    check_layouts(x, out);
    with_float(x, "x", [&](auto zero) {
        using T = decltype(zero);
        const T *up = readable<T>(g, "g"), *from = readable<T>(x, "x");
        T* to = writable<T>(out, "out");
        const int64_t n = x.size();
        const py::gil_scoped_release nogil;
        parallel_for(0, n, GRAIN, [&](int64_t b, int64_t e) {
            GPUDL_DISPATCH(unary_bwd<T>(OP, up + b, from + b, to + b, e - b));
        });
    });
}

// out = x + bias over (outer, channels, inner), all C-contiguous.
void bias_add(const py::array& x, const py::array& bias, py::array& out) {
    check_ndim(x, 3, "x");
    check_shape(out, shape_of(x), "out");
    check_shape(bias, {x.shape(1)}, "bias");
    with_float(x, "x", [&](auto zero) {
        using T = decltype(zero);
        const T *from = contiguous<T>(x, "x"), *b = contiguous<T>(bias, "bias");
        T* to = contiguous_out<T>(out, "out");
        const int64_t outer = x.shape(0), channels = x.shape(1), inner = x.shape(2);
        const py::gil_scoped_release nogil;
        const int64_t grain = std::max<int64_t>(1, GRAIN / std::max<int64_t>(1, channels * inner));
        parallel_for(0, outer, grain, [&](int64_t begin, int64_t end) {
            GPUDL_DISPATCH(bias_rows<T>(from, b, to, begin, end, channels, inner));
        });
    });
}

}  // namespace

void bind_elementwise(py::module_& m) {
    using namespace py::literals;
    m.def("is_dense", &is_dense, "x"_a);
#define GPUDL_UNARY(name) m.def(#name, &unary_op<UnaryOp::name>, "x"_a, "out"_a)
    GPUDL_UNARY(relu);
    GPUDL_UNARY(sigmoid);
    GPUDL_UNARY(tanh);
    GPUDL_UNARY(gelu);
    GPUDL_UNARY(gelu_tanh);
    GPUDL_UNARY(silu);
    GPUDL_UNARY(erf);
    GPUDL_UNARY(erfinv);
    GPUDL_UNARY(exp);  // for the test of exp_, which the others are made of
#undef GPUDL_UNARY
#define GPUDL_UNARY_BWD(name) m.def(#name "_bwd", &unary_bwd_op<UnaryOp::name>, "g"_a, "x"_a, "out"_a)
    GPUDL_UNARY_BWD(relu);
    GPUDL_UNARY_BWD(gelu);
    GPUDL_UNARY_BWD(gelu_tanh);
    GPUDL_UNARY_BWD(silu);
#undef GPUDL_UNARY_BWD
    m.def("bias_add", &bias_add, "x"_a, "bias"_a, "out"_a);
}

}  // namespace gpudl
