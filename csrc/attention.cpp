// Attention over (batch, heads, rows, width) arrays whose last axis is contiguous, forward and backward, without the matrix
// of scores. A head is a task, so the bits do not depend on the number of threads. Arithmetic in attention_kernels.inc.
#include "attention.h"

#include <optional>
#include <string>

#include <pybind11/stl.h>

#include "arrays.h"
#include "parallel.h"
#include "scratch.h"

#define GPUDL_TARGET_FILE "attention_kernels.inc"
#include "targets.h"

namespace gpudl {
namespace {

template <class T>
struct Heads {
    T* data;
    int64_t batch, head, row;  // strides in elements
    Rows<T> at(int64_t b, int64_t h) const { return {data + b * batch + h * head, row}; }
};

void check_heads(const py::array& a, const char* name) {
    check_ndim(a, 4, name);
    if (a.size() > 0 && a.shape(3) > 1 && a.strides(3) != a.itemsize())
        throw py::value_error(std::string(name) + ": the last axis is not contiguous: " + describe(a));
}

template <class T>
Heads<const T> heads(const py::array& a, const char* name) {
    check_heads(a, name);
    const Shape s = element_strides(a, name);
    return {readable<T>(a, name), s[0], s[1], s[2]};
}

template <class T>
Heads<T> heads_out(py::array& a, const char* name) {
    check_heads(a, name);
    const Shape s = element_strides(a, name);
    return {writable<T>(a, name), s[0], s[1], s[2]};
}

// Shapes: q (B, H, M, D), k (B, H, N, D), v (B, H, N, E), y (B, H, M, E), lse (B, H, M); the mask is (B, H, M, N).
void check_operands(const py::array& q, const py::array& k, const py::array& v, const py::array& y, const py::array& lse) {
    check_ndim(q, 4, "q");
    check_ndim(k, 4, "k");
    check_ndim(v, 4, "v");
    check_shape(k, {q.shape(0), q.shape(1), k.shape(2), q.shape(3)}, "k");
    check_shape(v, {q.shape(0), q.shape(1), k.shape(2), v.shape(3)}, "v");
    check_shape(y, {q.shape(0), q.shape(1), q.shape(2), v.shape(3)}, "y");
    check_shape(lse, {q.shape(0), q.shape(1), q.shape(2)}, "lse");
    if (k.shape(2) == 0) throw py::value_error("k: there are no keys");
}

template <class T, class F>
void each_head(const py::array& q, const py::array& k, const py::array& v, const std::optional<py::array>& mask, double scale,
               bool causal, bool backward, F&& body) {
    const Heads<const T> qs = heads<T>(q, "q"), ks = heads<T>(k, "k"), vs = heads<T>(v, "v");
    const int64_t count = q.shape(1);
    AttentionHead<T> head{q.shape(2), k.shape(2), q.shape(3), v.shape(3), {}, {}, {}, {}, 0, T(scale), causal};
    Heads<const T> masks{};
    if (mask) {
        check_shape(*mask, {q.shape(0), q.shape(1), q.shape(2), k.shape(2)}, "mask");
        const Shape s = element_strides(*mask, "mask");
        masks = {readable<T>(*mask, "mask"), s[0], s[1], s[2]};
        head.mask_column = s[3];
    }
    int64_t elements = 0;
    GPUDL_DISPATCH(attention_elements<T>(head, backward, elements));
    const int64_t tasks = q.shape(0) * count;
    const py::gil_scoped_release nogil;
    parallel_for(0, tasks, 1, [&](int64_t first, int64_t last) {
        const Scratch spare(size_t(elements) * sizeof(T), kTaskSlot);
        for (int64_t i = first; i < last; ++i) {
            AttentionHead<T> mine = head;
            const int64_t b = i / count, h = i % count;
            mine.q = qs.at(b, h);
            mine.k = ks.at(b, h);
            mine.v = vs.at(b, h);
            if (mask) mine.mask = masks.at(b, h);
            body(mine, b, h, i, spare.as<T>());
        }
    });
}

void attention_fwd(const py::array& q, const py::array& k, const py::array& v, const std::optional<py::array>& mask,
                   double scale, bool causal, py::array& y, py::array& lse) {
    check_operands(q, k, v, y, lse);
    with_float(q, "q", [&](auto zero) {
        using T = decltype(zero);
        const Heads<T> out = heads_out<T>(y, "y");
        T* sums = contiguous_out<T>(lse, "lse");
        const int64_t rows = q.shape(2);
        each_head<T>(q, k, v, mask, scale, causal, false, [&](const AttentionHead<T>& head, int64_t b, int64_t h, int64_t i, T* spare) {
            GPUDL_DISPATCH(attention_head<T>(head, out.at(b, h), sums + i * rows, spare));
        });
    });
}

void attention_bwd(const py::array& g, const py::array& q, const py::array& k, const py::array& v,
                   const std::optional<py::array>& mask, const py::array& y, const py::array& lse, double scale, bool causal,
                   py::array& gq, py::array& gk, py::array& gv) {
    check_operands(q, k, v, y, lse);
    check_shape(g, shape_of(y), "g");
    check_shape(gq, shape_of(q), "gq");
    check_shape(gk, shape_of(k), "gk");
    check_shape(gv, shape_of(v), "gv");
    with_float(q, "q", [&](auto zero) {
        using T = decltype(zero);
        const Heads<const T> up = heads<T>(g, "g"), out = heads<T>(y, "y");
        const T* sums = contiguous<T>(lse, "lse");
        const Heads<T> dq = heads_out<T>(gq, "gq"), dk = heads_out<T>(gk, "gk"), dv = heads_out<T>(gv, "gv");
        const int64_t rows = q.shape(2);
        each_head<T>(q, k, v, mask, scale, causal, true, [&](const AttentionHead<T>& head, int64_t b, int64_t h, int64_t i, T* spare) {
            GPUDL_DISPATCH(attention_head_bwd<T>(head, up.at(b, h), out.at(b, h), sums + i * rows, dq.at(b, h), dk.at(b, h),
                                                 dv.at(b, h), spare));
        });
    });
}

}  // namespace

void bind_attention(py::module_& m) {
    using namespace py::literals;
    m.def("attention_fwd", &attention_fwd, "q"_a, "k"_a, "v"_a, "mask"_a, "scale"_a, "causal"_a, "y"_a, "lse"_a);
    m.def("attention_bwd", &attention_bwd, "g"_a, "q"_a, "k"_a, "v"_a, "mask"_a, "y"_a, "lse"_a, "scale"_a, "causal"_a, "gq"_a, "gk"_a, "gv"_a);
}

}  // namespace gpudl
