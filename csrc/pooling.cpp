// Max and average pooling over channels-last arrays with one to three spatial axes.
//
// A task is one output line (all outputs that share all but the last spatial index) in the forward pass, and one image's
// band of channels in the backward pass: every sum has one owner and a fixed order.
#include <pybind11/stl.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <string>

#include "arrays.h"
#include "parallel.h"

#define GPUDL_TARGET_FILE "pooling_kernels.inc"
#include "pooling.h"
#include "targets.h"

namespace gpudl {
namespace {

PoolShape read_shape(const py::array& in, const py::array& out, const Shape& kernel, const Shape& stride, const Shape& low,
                     const Shape& high, const Shape& dilation) {
    PoolShape p;
    const int rank = int(kernel.size());
    if (rank < 1 || rank > 3) throw py::value_error("pooling takes 1 to 3 spatial axes");
    if (stride.size() != kernel.size() || low.size() != kernel.size() || high.size() != kernel.size() ||
        dilation.size() != kernel.size())
        throw py::value_error("stride, padding and dilation need one entry per spatial axis");
    check_ndim(in, rank + 2, "x");
    check_ndim(out, rank + 2, "y");
    p.batch = in.shape(0);
    p.channels = in.shape(rank + 1);
    if (out.shape(0) != p.batch || out.shape(rank + 1) != p.channels)
        throw py::value_error("x and y differ in batch size or channels");
    const int64_t limit = int64_t{1} << 31;
    for (int i = 0; i < rank; ++i) {
        const int d = 3 - rank + i;
        p.in[d] = in.shape(1 + i);
        p.out[d] = out.shape(1 + i);
        p.kernel[d] = kernel[i];
        p.stride[d] = stride[i];
        p.low[d] = low[i];
        p.high[d] = high[i];
        p.dilation[d] = dilation[i];
        for (int64_t v : {kernel[i], stride[i], dilation[i]})
            if (v < 1 || v >= limit) throw py::value_error("kernel, stride and dilation must be positive and below 2**31");
        for (int64_t v : {low[i], high[i]})
            if (v < 0 || v >= limit) throw py::value_error("padding must not be negative and must be below 2**31");
        if (p.in[d] >= limit || p.out[d] >= limit) throw py::value_error("a spatial axis is 2**31 or longer");
    }
    return p;
}

int64_t line_grain(const PoolShape& p) {
    const double work = double(p.out[2]) * double(p.channels) * double(p.kernel[0] * p.kernel[1]) * double(p.kernel[2]);
    return std::max<int64_t>(1, int64_t(16384 / std::max(1.0, work)));
}

void max_pool_fwd(const py::array& x, py::array& y, py::array& index, const Shape& kernel, const Shape& stride, const Shape& low,
                  const Shape& dilation) {
    const PoolShape p = read_shape(x, y, kernel, stride, low, low, dilation);
    if (p.pixels() >= int64_t{1} << 31) throw py::value_error("max pooling takes fewer than 2**31 pixels per image");
    check_shape(index, shape_of(y), "index");
    with_float(x, "x", [&](auto zero) {
        using T = decltype(zero);
        const T* from = contiguous<T>(x, "x");
        T* to = contiguous_out<T>(y, "y");
        int64_t* at = contiguous_out<int64_t>(index, "index");
        const py::gil_scoped_release nogil;
        if (p.channels == 0) return;
        parallel_for(0, p.batch * p.out[0] * p.out[1], line_grain(p), [&](int64_t b, int64_t e) {
            GPUDL_DISPATCH(max_lines<T>(p, from, to, at, b, e));
        });
    });
}

// The kernels skip an index outside [-1, pixels) and report it afterwards: this raises for the first one.
void raise_bad_index(const int64_t* index, int64_t count, int64_t pixels) {
    const int64_t* at = std::find_if(index, index + count, [pixels](int64_t v) { return uint64_t(v) + 1 > uint64_t(pixels); });
    if (at == index + count) return;
    throw py::index_error("index " + std::to_string(*at) + " is outside the plane of " + std::to_string(pixels) + " pixels");
}

// gx (N, P, C) = sum of g (N, Q, C) at index; index -1 (a window without elements) adds nothing.
void max_pool_bwd(const py::array& g, const py::array& index, py::array& gx) {
    check_ndim(g, 3, "g");
    check_ndim(gx, 3, "gx");
    check_shape(index, shape_of(g), "index");
    if (g.shape(0) != gx.shape(0) || g.shape(2) != gx.shape(2)) throw py::value_error("g and gx differ in batch size or channels");
    with_float(g, "g", [&](auto zero) {
        using T = decltype(zero);
        const T* from = contiguous<T>(g, "g");
        const int64_t* at = contiguous<int64_t>(index, "index");
        T* to = contiguous_out<T>(gx, "gx");
        const int64_t batch = g.shape(0), outs = g.shape(1), channels = g.shape(2), pixels = gx.shape(1);
        std::atomic<bool> bad{false};
        {
            const py::gil_scoped_release nogil;
            const int64_t bands = ceil_div(channels, 64);
            parallel_for(0, batch * bands, 1, [&](int64_t b, int64_t e) {
                uint64_t wrong = 0;
                for (int64_t task = b; task < e; ++task) {
                    const int64_t n = task / bands, c0 = task % bands * 64, c1 = std::min(channels, c0 + 64);
                    T* plane = to + n * pixels * channels;
                    if (bands == 1)
                        std::fill(plane, plane + pixels * channels, T(0));
                    else
                        for (int64_t i = 0; i < pixels; ++i) std::fill(plane + i * channels + c0, plane + i * channels + c1, T(0));
                    for (int64_t q = 0; q < outs; ++q) {
                        const int64_t line = (n * outs + q) * channels;
                        for (int64_t c = c0; c < c1; ++c) {
                            const int64_t p = at[line + c];
                            if (uint64_t(p) < uint64_t(pixels)) plane[p * channels + c] += from[line + c];
                            else wrong |= uint64_t(p) + 1;  // 0 for -1
                        }
                    }
                }
                if (wrong != 0) bad = true;
            });
        }
        if (bad) raise_bad_index(at, g.size(), pixels);
    });
}

// out (N, Q, C) = v (N, P, C) at index; 0 where the index is -1.
void max_pool_gather(const py::array& v, const py::array& index, py::array& out) {
    check_ndim(v, 3, "v");
    check_ndim(out, 3, "out");
    check_shape(index, shape_of(out), "index");
    if (v.shape(0) != out.shape(0) || v.shape(2) != out.shape(2)) throw py::value_error("v and index differ in batch size or channels");
    with_float(v, "v", [&](auto zero) {
        using T = decltype(zero);
        const T* from = contiguous<T>(v, "v");
        const int64_t* at = contiguous<int64_t>(index, "index");
        T* to = contiguous_out<T>(out, "out");
        const int64_t batch = out.shape(0), outs = out.shape(1), channels = out.shape(2), pixels = v.shape(1);
        std::atomic<bool> bad{false};
        {
            const py::gil_scoped_release nogil;
            const int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(1, channels));
            parallel_for(0, batch * outs, grain, [&](int64_t b, int64_t e) {
                uint64_t wrong = 0;
                for (int64_t q = b; q < e; ++q) {
                    const T* plane = from + q / outs * pixels * channels;
                    for (int64_t c = 0; c < channels; ++c) {
                        const int64_t p = at[q * channels + c];
                        const bool inside = uint64_t(p) < uint64_t(pixels);
                        to[q * channels + c] = inside ? plane[p * channels + c] : T(0);
                        wrong |= inside ? 0 : uint64_t(p) + 1;  // 0 for -1
                    }
                }
                if (wrong != 0) bad = true;
            });
        }
        if (bad) raise_bad_index(at, out.size(), pixels);
    });
}

void avg_pool_fwd(const py::array& x, py::array& y, const Shape& kernel, const Shape& stride, const Shape& low, const Shape& high,
                  bool count_include_pad) {
    const PoolShape p = read_shape(x, y, kernel, stride, low, high, Shape(kernel.size(), 1));
    with_float(x, "x", [&](auto zero) {
        using T = decltype(zero);
        const T* from = contiguous<T>(x, "x");
        T* to = contiguous_out<T>(y, "y");
        const py::gil_scoped_release nogil;
        if (p.channels == 0) return;
        parallel_for(0, p.batch * p.out[0] * p.out[1], line_grain(p), [&](int64_t b, int64_t e) {
            GPUDL_DISPATCH(avg_lines<T>(p, from, to, count_include_pad, b, e));
        });
    });
}

void avg_pool_bwd(const py::array& g, py::array& gx, const Shape& kernel, const Shape& stride, const Shape& low, const Shape& high,
                  bool count_include_pad) {
    const PoolShape p = read_shape(gx, g, kernel, stride, low, high, Shape(kernel.size(), 1));
    with_float(g, "g", [&](auto zero) {
        using T = decltype(zero);
        const T* from = contiguous<T>(g, "g");
        T* to = contiguous_out<T>(gx, "gx");
        const py::gil_scoped_release nogil;
        const int64_t bands = ceil_div(p.channels, 64);
        parallel_for(0, p.batch * bands, 1, [&](int64_t b, int64_t e) {
            for (int64_t task = b; task < e; ++task) {
                const int64_t c0 = task % bands * 64, c1 = std::min(p.channels, c0 + 64);
                GPUDL_DISPATCH(avg_scatter<T>(p, from, to, count_include_pad, task / bands, c0, c1));
            }
        });
    });
}

}  // namespace

void bind_pooling(py::module_& m) {
    using namespace py::literals;
    m.def("max_pool_fwd", &max_pool_fwd, "x"_a, "y"_a, "index"_a, "kernel"_a, "stride"_a, "low"_a, "dilation"_a);
    m.def("max_pool_bwd", &max_pool_bwd, "g"_a, "index"_a, "gx"_a);
    m.def("max_pool_gather", &max_pool_gather, "v"_a, "index"_a, "out"_a);
    m.def("avg_pool_fwd", &avg_pool_fwd, "x"_a, "y"_a, "kernel"_a, "stride"_a, "low"_a, "high"_a, "count_include_pad"_a);
    m.def("avg_pool_bwd", &avg_pool_bwd, "g"_a, "gx"_a, "kernel"_a, "stride"_a, "low"_a, "high"_a, "count_include_pad"_a);
}

}  // namespace gpudl
