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

// An axis of a broadcast operation: its extent and the steps of a, b and out in elements.
struct Axis {
    int64_t extent, a, b, out;
};

// The axes of a broadcast operation from the outermost in the memory of out to the innermost, neighbours joined where every
// operand allows it.
std::vector<Axis> joined_axes(const py::array& a, const py::array& b, const py::array& out) {
    const Shape as = element_strides(a, "a"), bs = element_strides(b, "b"), os = element_strides(out, "out");
    const auto step = [&](const py::array& x, const Shape& strides, py::ssize_t i) -> int64_t {
        const py::ssize_t at = i - (out.ndim() - x.ndim());
        if (at < 0 || (x.shape(at) == 1 && out.shape(i) != 1)) return 0;
        if (x.shape(at) != out.shape(i)) throw py::value_error("the operands do not broadcast to the shape of out");
        return strides[size_t(at)];
    };
    if (a.ndim() > out.ndim() || b.ndim() > out.ndim()) throw py::value_error("an operand has more axes than out");
    std::vector<Axis> axes;
    for (py::ssize_t i = 0; i < out.ndim(); ++i) {
        const Axis axis{out.shape(i), step(a, as, i), step(b, bs, i), os[size_t(i)]};
        if (axis.extent != 1) axes.push_back(axis);
    }
    std::sort(axes.begin(), axes.end(), [](const Axis& x, const Axis& y) { return x.out > y.out; });
    std::vector<Axis> out_axes;
    for (const Axis& inner : axes) {
        if (!out_axes.empty()) {
            Axis& outer = out_axes.back();
            if (outer.a == inner.a * inner.extent && outer.b == inner.b * inner.extent && outer.out == inner.out * inner.extent) {
                outer = {outer.extent * inner.extent, inner.a, inner.b, inner.out};
                continue;
            }
        }
        out_axes.push_back(inner);
    }
    if (out_axes.empty()) out_axes.push_back({1, 1, 1, 1});
    return out_axes;
}

// out = a op b, broadcast to the dense array out. False, with nothing done, where an operand's elements do not adjoin along
// the runs of out.
template <BinaryOp OP>
bool binary_op(const py::array& a, const py::array& b, py::array& out) {
    return with_float(a, "a", [&](auto zero) {
        using T = decltype(zero);
        const T *left = readable<T>(a, "a"), *right = readable<T>(b, "b");
        T* to = writable<T>(out, "out");
        if (!is_dense(out)) throw py::value_error("out: expected an array without gaps, got " + describe(out));
        const std::vector<Axis> axes = joined_axes(a, b, out);
        const int64_t n = out.size();
        if (n == 0) return true;
        const Axis run = axes.back();
        if (run.a < 0 || run.a > 1 || run.b < 0 || run.b > 1) return false;
        const py::gil_scoped_release nogil;
        parallel_for(0, n, GRAIN, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end;) {
                int64_t row = i / run.extent, from_a = 0, from_b = 0;
                const int64_t at = i % run.extent, count = std::min(run.extent - at, end - i);
                for (size_t axis = axes.size() - 1; axis-- > 0; row /= axes[axis].extent) {
                    const int64_t j = row % axes[axis].extent;
                    from_a += j * axes[axis].a;
                    from_b += j * axes[axis].b;
                }
                GPUDL_DISPATCH(binary<T>(OP, left + from_a + at * run.a, run.a, right + from_b + at * run.b, run.b, to + i, count));
                i += count;
            }
        });
        return true;
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
    GPUDL_UNARY(exp);
    GPUDL_UNARY(log);
    GPUDL_UNARY(sqrt);
    GPUDL_UNARY(square);
    GPUDL_UNARY(reciprocal);
    GPUDL_UNARY(negative);
    GPUDL_UNARY(abs);
#undef GPUDL_UNARY
#define GPUDL_UNARY_BWD(name) m.def(#name "_bwd", &unary_bwd_op<UnaryOp::name>, "g"_a, "x"_a, "out"_a)
    GPUDL_UNARY_BWD(relu);
    GPUDL_UNARY_BWD(gelu);
    GPUDL_UNARY_BWD(gelu_tanh);
    GPUDL_UNARY_BWD(silu);
#undef GPUDL_UNARY_BWD
#define GPUDL_BINARY(name) m.def(#name, &binary_op<BinaryOp::name>, "a"_a, "b"_a, "out"_a)
    GPUDL_BINARY(add);
    GPUDL_BINARY(subtract);
    GPUDL_BINARY(multiply);
    GPUDL_BINARY(divide);
    GPUDL_BINARY(maximum);
    GPUDL_BINARY(minimum);
#undef GPUDL_BINARY
    m.def("bias_add", &bias_add, "x"_a, "bias"_a, "out"_a);
}

}  // namespace gpudl
