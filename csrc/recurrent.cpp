// Recurrent layers over packed batches: LSTM with projection, GRU, plain. Arithmetic in recurrent_kernels.inc.
//
// The wrapper has put what the input contributes to all steps into x, and makes the gradients of the weights of what comes
// out, each one product. What happens here is the chain: the product with the state, and the gates.
#include "recurrent.h"

#include <pybind11/stl.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "arrays.h"
#include "parallel.h"
#include "scratch.h"

#define GPUDL_TARGET_FILE "recurrent_kernels.inc"
#include "targets.h"

namespace gpudl {
namespace {

std::vector<RecurrentStep> read_steps(const Shape& batch_sizes, bool reverse, int64_t rows, int64_t batch) {
    std::vector<RecurrentStep> steps;
    int64_t first = 0, before = batch;
    for (int64_t n : batch_sizes) {
        if (n < 0 || n > before) throw py::value_error("batch_sizes must not rise, nor be above the batch of the states");
        if (n > rows - first) throw py::value_error("batch_sizes must sum up to the rows of x");
        steps.push_back({first, n});
        first += n;
        before = n;
    }
    if (first != rows || steps.empty() || steps[0].rows != batch) throw py::value_error("batch_sizes must sum up to the rows of x");
    if (reverse) std::reverse(steps.begin(), steps.end());
    return steps;
}

template <class T>
int64_t width_of_panels() {
    int64_t width = 0;
    GPUDL_DISPATCH(panel_width<T>(&width));
    return width;
}

// Elements of the packed (rows, columns), or of its transpose.
template <class T>
int64_t packed_size(int64_t rows, int64_t columns, bool transposed) {
    const int64_t width = width_of_panels<T>();
    return transposed ? columns * ceil_div(rows, width) * width : rows * ceil_div(columns, width) * width;
}

// The weight (rows, columns) or its transpose, packed into `to`.
template <class T>
RecurrentWeight<T> pack(const T* w, int64_t rows, int64_t columns, bool transposed, T* to) {
    RecurrentWeight<T> weight;
    weight.panels = to;
    weight.depth = transposed ? columns : rows;
    weight.columns = transposed ? rows : columns;
    const int64_t width = width_of_panels<T>(), size = weight.depth * width;
    const int64_t row = transposed ? 1 : columns, column = transposed ? columns : 1;
    parallel_for(0, ceil_div(weight.columns, width), std::max<int64_t>(1, 16384 / std::max<int64_t>(1, size)), [&](int64_t b, int64_t e) {
        for (int64_t p = b; p < e; ++p) {
            const int64_t c = p * width, here = std::min(width, weight.columns - c);
            GPUDL_DISPATCH(pack_panel<T>(w + c * column, row, column, weight.depth, here, to + p * size));
        }
    });
    return weight;
}

// Sequences of one task. They do not meet, so this may depend on the number of threads and leaves the bits alone.
int64_t sequences_a_task(int64_t batch, const std::vector<RecurrentStep>& steps) {
    const bool ragged = steps.front().rows != steps.back().rows;
    const int64_t tasks = int64_t(num_threads()) * (ragged ? 4 : 1);
    return std::max<int64_t>(ragged ? 4 : 1, ceil_div(batch, tasks));
}

template <class T>
void copy_all(const T* from, T* to, int64_t n) {
    std::copy(from, from + n, to);
}

void lstm_fwd(const py::array& x, const py::array& h0, const py::array& c0, const py::array& w, const std::optional<py::array>& proj,
              const Shape& batch_sizes, bool reverse, py::array& y, py::array& h, py::array& c, py::array& gates, py::array& cells) {
    check_ndim(x, 2, "x");
    check_ndim(h0, 2, "h0");
    check_ndim(c0, 2, "c0");
    const int64_t rows = x.shape(0), batch = h0.shape(0), P = h0.shape(1), H = c0.shape(1);
    check_shape(x, {rows, 4 * H}, "x");
    check_shape(gates, {rows, 4 * H}, "gates");
    check_shape(w, {4 * H, P}, "w");
    check_shape(c0, {batch, H}, "c0");
    check_shape(c, {batch, H}, "c");
    check_shape(h, {batch, P}, "h");
    check_shape(y, {rows, P}, "y");
    check_shape(cells, {rows, H}, "cells");
    if (proj) check_shape(*proj, {P, H}, "proj");
    else if (P != H) throw py::value_error("h0: without a projection it is as wide as c0");
    const auto steps = read_steps(batch_sizes, reverse, rows, batch);
    with_float(x, "x", [&](auto zero) {
        using T = decltype(zero);
        LstmForward<T> job{};
        job.steps = {steps.data(), int64_t(steps.size())};
        job.hidden = H;
        job.out = P;
        job.x = contiguous<T>(x, "x");
        job.gates = contiguous_out<T>(gates, "gates");
        job.cells = contiguous_out<T>(cells, "cells");
        job.y = contiguous_out<T>(y, "y");
        job.h = contiguous_out<T>(h, "h");
        job.c = contiguous_out<T>(c, "c");
        const T *hp = contiguous<T>(h0, "h0"), *cp = contiguous<T>(c0, "c0"), *wp = contiguous<T>(w, "w");
        const T* pp = proj ? contiguous<T>(*proj, "proj") : nullptr;
        const py::gil_scoped_release nogil;
        const int64_t own = packed_size<T>(4 * H, P, true), more = pp != nullptr ? packed_size<T>(P, H, true) : 0;
        const Scratch packed(size_t(own + more) * sizeof(T), kCallSlot);
        job.weight = pack(wp, 4 * H, P, true, packed.as<T>());
        if (pp != nullptr) job.proj = pack(pp, P, H, true, packed.as<T>() + own);
        copy_all(hp, job.h, batch * P);
        copy_all(cp, job.c, batch * H);
        parallel_for(0, batch, sequences_a_task(batch, steps), [&](int64_t b, int64_t e) {
            const Scratch scratch(size_t(pp != nullptr ? (e - b) * H : 0) * sizeof(T), kTaskSlot);
            GPUDL_DISPATCH(lstm_fwd_rows<T>(job, b, e, scratch.as<T>()));
        });
    });
}

void lstm_bwd(const py::array& gy, const py::array& gates, const py::array& cells, const py::array& c0, const py::array& w,
              const std::optional<py::array>& proj, const Shape& batch_sizes, bool reverse, py::array& gx, std::optional<py::array> gout,
              py::array& gh, py::array& gc) {
    check_ndim(gates, 2, "gates");
    check_ndim(c0, 2, "c0");
    check_ndim(gh, 2, "gh");
    const int64_t rows = gates.shape(0), batch = c0.shape(0), H = c0.shape(1), P = gh.shape(1);
    check_shape(gates, {rows, 4 * H}, "gates");
    check_shape(gx, {rows, 4 * H}, "gx");
    check_shape(cells, {rows, H}, "cells");
    check_shape(gy, {rows, P}, "gy");
    check_shape(gh, {batch, P}, "gh");
    check_shape(gc, {batch, H}, "gc");
    check_shape(w, {4 * H, P}, "w");
    if (proj.has_value() != gout.has_value()) throw py::value_error("gout: given with a projection, and only then");
    if (proj) {
        check_shape(*proj, {P, H}, "proj");
        check_shape(*gout, {rows, P}, "gout");
    } else if (P != H) {
        throw py::value_error("gh: without a projection it is as wide as c0");
    }
    const auto steps = read_steps(batch_sizes, reverse, rows, batch);
    with_float(gates, "gates", [&](auto zero) {
        using T = decltype(zero);
        LstmBackward<T> job{};
        job.steps = {steps.data(), int64_t(steps.size())};
        job.hidden = H;
        job.out = P;
        job.gy = contiguous<T>(gy, "gy");
        job.gates = contiguous<T>(gates, "gates");
        job.cells = contiguous<T>(cells, "cells");
        job.c0 = contiguous<T>(c0, "c0");
        job.gx = contiguous_out<T>(gx, "gx");
        job.gout = gout ? contiguous_out<T>(*gout, "gout") : nullptr;
        job.gh = contiguous_out<T>(gh, "gh");
        job.gc = contiguous_out<T>(gc, "gc");
        const T* wp = contiguous<T>(w, "w");
        const T* pp = proj ? contiguous<T>(*proj, "proj") : nullptr;
        const py::gil_scoped_release nogil;
        const int64_t own = packed_size<T>(4 * H, P, false), more = pp != nullptr ? packed_size<T>(P, H, false) : 0;
        const Scratch packed(size_t(own + more) * sizeof(T), kCallSlot);
        job.weight = pack(wp, 4 * H, P, false, packed.as<T>());
        if (pp != nullptr) job.proj = pack(pp, P, H, false, packed.as<T>() + own);
        parallel_for(0, batch, sequences_a_task(batch, steps), [&](int64_t b, int64_t e) {
            const Scratch scratch(size_t((e - b) * H) * sizeof(T), kTaskSlot);
            GPUDL_DISPATCH(lstm_bwd_rows<T>(job, b, e, scratch.as<T>()));
        });
    });
}

void gru_fwd(const py::array& x, const py::array& h0, const py::array& w, const std::optional<py::array>& bias, const Shape& batch_sizes,
             bool reverse, py::array& y, py::array& h, py::array& gates, py::array& inner) {
    check_ndim(x, 2, "x");
    check_ndim(h0, 2, "h0");
    const int64_t rows = x.shape(0), batch = h0.shape(0), H = h0.shape(1);
    check_shape(x, {rows, 3 * H}, "x");
    check_shape(gates, {rows, 3 * H}, "gates");
    check_shape(w, {3 * H, H}, "w");
    check_shape(y, {rows, H}, "y");
    check_shape(inner, {rows, H}, "inner");
    check_shape(h, {batch, H}, "h");
    if (bias) check_shape(*bias, {3 * H}, "bias");
    const auto steps = read_steps(batch_sizes, reverse, rows, batch);
    with_float(x, "x", [&](auto zero) {
        using T = decltype(zero);
        GruForward<T> job{};
        job.steps = {steps.data(), int64_t(steps.size())};
        job.hidden = H;
        job.x = contiguous<T>(x, "x");
        job.bias = bias ? contiguous<T>(*bias, "bias") : nullptr;
        job.gates = contiguous_out<T>(gates, "gates");
        job.inner = contiguous_out<T>(inner, "inner");
        job.y = contiguous_out<T>(y, "y");
        job.h = contiguous_out<T>(h, "h");
        const T *hp = contiguous<T>(h0, "h0"), *wp = contiguous<T>(w, "w");
        const py::gil_scoped_release nogil;
        const Scratch packed(size_t(packed_size<T>(3 * H, H, true)) * sizeof(T), kCallSlot);
        job.weight = pack(wp, 3 * H, H, true, packed.as<T>());
        copy_all(hp, job.h, batch * H);
        parallel_for(0, batch, sequences_a_task(batch, steps), [&](int64_t b, int64_t e) {
            const Scratch scratch(size_t((e - b) * 3 * H) * sizeof(T), kTaskSlot);
            GPUDL_DISPATCH(gru_fwd_rows<T>(job, b, e, scratch.as<T>()));
        });
    });
}

void gru_bwd(const py::array& gy, const py::array& gates, const py::array& inner, const py::array& y, const py::array& h0,
             const py::array& w, const Shape& batch_sizes, bool reverse, py::array& gx, py::array& grec, py::array& gh) {
    check_ndim(y, 2, "y");
    check_ndim(h0, 2, "h0");
    const int64_t rows = y.shape(0), batch = h0.shape(0), H = h0.shape(1);
    for (const py::array* a : {&gy, &inner, &y}) check_shape(*a, {rows, H}, "gy, inner, y");
    for (const py::array* a : {&gates, static_cast<const py::array*>(&gx), static_cast<const py::array*>(&grec)})
        check_shape(*a, {rows, 3 * H}, "gates, gx, grec");
    check_shape(w, {3 * H, H}, "w");
    check_shape(gh, {batch, H}, "gh");
    const auto steps = read_steps(batch_sizes, reverse, rows, batch);
    with_float(y, "y", [&](auto zero) {
        using T = decltype(zero);
        GruBackward<T> job{};
        job.steps = {steps.data(), int64_t(steps.size())};
        job.hidden = H;
        job.gy = contiguous<T>(gy, "gy");
        job.gates = contiguous<T>(gates, "gates");
        job.inner = contiguous<T>(inner, "inner");
        job.y = contiguous<T>(y, "y");
        job.h0 = contiguous<T>(h0, "h0");
        job.gx = contiguous_out<T>(gx, "gx");
        job.grec = contiguous_out<T>(grec, "grec");
        job.gh = contiguous_out<T>(gh, "gh");
        const T* wp = contiguous<T>(w, "w");
        const py::gil_scoped_release nogil;
        const Scratch packed(size_t(packed_size<T>(3 * H, H, false)) * sizeof(T), kCallSlot);
        job.weight = pack(wp, 3 * H, H, false, packed.as<T>());
        parallel_for(0, batch, sequences_a_task(batch, steps), [&](int64_t b, int64_t e) { GPUDL_DISPATCH(gru_bwd_rows<T>(job, b, e)); });
    });
}

void rnn_fwd(const py::array& x, const py::array& h0, const py::array& w, const Shape& batch_sizes, bool reverse, bool relu, py::array& y,
             py::array& h) {
    check_ndim(x, 2, "x");
    check_ndim(h0, 2, "h0");
    const int64_t rows = x.shape(0), batch = h0.shape(0), H = h0.shape(1);
    check_shape(x, {rows, H}, "x");
    check_shape(y, {rows, H}, "y");
    check_shape(w, {H, H}, "w");
    check_shape(h, {batch, H}, "h");
    const auto steps = read_steps(batch_sizes, reverse, rows, batch);
    with_float(x, "x", [&](auto zero) {
        using T = decltype(zero);
        RnnForward<T> job{};
        job.steps = {steps.data(), int64_t(steps.size())};
        job.hidden = H;
        job.relu = relu;
        job.x = contiguous<T>(x, "x");
        job.y = contiguous_out<T>(y, "y");
        job.h = contiguous_out<T>(h, "h");
        const T *hp = contiguous<T>(h0, "h0"), *wp = contiguous<T>(w, "w");
        const py::gil_scoped_release nogil;
        const Scratch packed(size_t(packed_size<T>(H, H, true)) * sizeof(T), kCallSlot);
        job.weight = pack(wp, H, H, true, packed.as<T>());
        copy_all(hp, job.h, batch * H);
        parallel_for(0, batch, sequences_a_task(batch, steps), [&](int64_t b, int64_t e) { GPUDL_DISPATCH(rnn_fwd_rows<T>(job, b, e)); });
    });
}

void rnn_bwd(const py::array& gy, const py::array& y, const py::array& w, const Shape& batch_sizes, bool reverse, bool relu, py::array& gx,
             py::array& gh) {
    check_ndim(y, 2, "y");
    check_ndim(gh, 2, "gh");
    const int64_t rows = y.shape(0), H = y.shape(1), batch = gh.shape(0);
    check_shape(gy, {rows, H}, "gy");
    check_shape(gx, {rows, H}, "gx");
    check_shape(w, {H, H}, "w");
    check_shape(gh, {batch, H}, "gh");
    const auto steps = read_steps(batch_sizes, reverse, rows, batch);
    with_float(y, "y", [&](auto zero) {
        using T = decltype(zero);
        RnnBackward<T> job{};
        job.steps = {steps.data(), int64_t(steps.size())};
        job.hidden = H;
        job.relu = relu;
        job.gy = contiguous<T>(gy, "gy");
        job.y = contiguous<T>(y, "y");
        job.gx = contiguous_out<T>(gx, "gx");
        job.gh = contiguous_out<T>(gh, "gh");
        const T* wp = contiguous<T>(w, "w");
        const py::gil_scoped_release nogil;
        const Scratch packed(size_t(packed_size<T>(H, H, false)) * sizeof(T), kCallSlot);
        job.weight = pack(wp, H, H, false, packed.as<T>());
        parallel_for(0, batch, sequences_a_task(batch, steps), [&](int64_t b, int64_t e) { GPUDL_DISPATCH(rnn_bwd_rows<T>(job, b, e)); });
    });
}

}  // namespace

void bind_recurrent(py::module_& m) {
    using namespace py::literals;
    m.def("lstm_fwd", &lstm_fwd, "x"_a, "h0"_a, "c0"_a, "w"_a, "proj"_a, "batch_sizes"_a, "reverse"_a, "y"_a, "h"_a, "c"_a, "gates"_a,
          "cells"_a);
    m.def("lstm_bwd", &lstm_bwd, "gy"_a, "gates"_a, "cells"_a, "c0"_a, "w"_a, "proj"_a, "batch_sizes"_a, "reverse"_a, "gx"_a, "gout"_a,
          "gh"_a, "gc"_a);
    m.def("gru_fwd", &gru_fwd, "x"_a, "h0"_a, "w"_a, "bias"_a, "batch_sizes"_a, "reverse"_a, "y"_a, "h"_a, "gates"_a, "inner"_a);
    m.def("gru_bwd", &gru_bwd, "gy"_a, "gates"_a, "inner"_a, "y"_a, "h0"_a, "w"_a, "batch_sizes"_a, "reverse"_a, "gx"_a, "grec"_a, "gh"_a);
    m.def("rnn_fwd", &rnn_fwd, "x"_a, "h0"_a, "w"_a, "batch_sizes"_a, "reverse"_a, "relu"_a, "y"_a, "h"_a);
    m.def("rnn_bwd", &rnn_bwd, "gy"_a, "y"_a, "w"_a, "batch_sizes"_a, "reverse"_a, "relu"_a, "gx"_a, "gh"_a);
}

}  // namespace gpudl
