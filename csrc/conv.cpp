// Convolution over channels-last arrays with one to three spatial axes: checks, packing of the weights, the cut into tasks.
// The arithmetic is in conv_kernels.inc. Sums run in an order that depends on the shapes and the instruction set alone.
#include <pybind11/stl.h>

#include "conv.h"

#include <algorithm>
#include <string>
#include <type_traits>

#include "arrays.h"
#include "parallel.h"
#include "scratch.h"

#define GPUDL_TARGET_FILE "conv_kernels.inc"
#include "targets.h"

namespace gpudl {
namespace {

struct Options {
    int64_t stride[3] = {1, 1, 1}, low[3] = {0, 0, 0}, dilation[3] = {1, 1, 1}, kernel[3] = {1, 1, 1};
    int64_t groups = 1;
    int rank = 0;
};

// A channels-last array with its spatial axes padded to three from the left.
template <class T>
struct Image {
    T* data = nullptr;
    int64_t batch = 0, size[3] = {1, 1, 1}, channels = 0;
    int64_t batch_stride = 0, stride[3] = {0, 0, 0};
};

Options read_options(const Shape& stride, const Shape& low, const Shape& dilation, const Shape& kernel, int64_t groups) {
    Options o;
    o.rank = int(kernel.size());
    if (o.rank < 1 || o.rank > 3) throw py::value_error("convolution takes 1 to 3 spatial axes");
    if (stride.size() != kernel.size() || low.size() != kernel.size() || dilation.size() != kernel.size())
        throw py::value_error("stride, padding and dilation need one entry per spatial axis");
    const int64_t limit = int64_t{1} << 31;
    for (int i = 0; i < o.rank; ++i) {
        const int d = 3 - o.rank + i;
        if (stride[i] < 1 || stride[i] >= limit) throw py::value_error("stride must be positive and below 2**31");
        if (dilation[i] < 1 || dilation[i] >= limit) throw py::value_error("dilation must be positive and below 2**31");
        if (low[i] <= -limit || low[i] >= limit) throw py::value_error("padding must be below 2**31");
        if (kernel[i] < 0 || kernel[i] >= limit) throw py::value_error("the kernel must be smaller than 2**31");
        o.stride[d] = stride[i];
        o.low[d] = low[i];
        o.dilation[d] = dilation[i];
        o.kernel[d] = kernel[i];
    }
    if (groups < 1) throw py::value_error("groups must be positive");
    o.groups = groups;
    return o;
}

template <class T, class P>
Image<P> read_image(const py::array& a, P* data, int rank, const char* name) {
    check_ndim(a, rank + 2, name);
    const Shape strides = element_strides(a, name);
    Image<P> image;
    image.data = data;
    image.batch = a.shape(0);
    image.batch_stride = strides[0];
    image.channels = a.shape(rank + 1);
    if (a.size() > 0 && image.channels > 1 && strides[rank + 1] != 1)
        throw py::value_error(std::string(name) + ": the channels must be contiguous in memory");
    for (int i = 0; i < rank; ++i) {
        image.size[3 - rank + i] = a.shape(1 + i);
        image.stride[3 - rank + i] = strides[1 + i];
    }
    for (int64_t s : image.size)
        if (s >= (int64_t{1} << 31)) throw py::value_error(std::string(name) + ": a spatial axis is 2**31 or longer");
    return image;
}

// Bytes of a block's scratch: output and source pointers, or gathered columns.
template <class T>
size_t block_bytes(int64_t block, int64_t taps, int64_t kc, bool gather) {
    return size_t(block) * sizeof(void*) + (gather ? size_t(taps) * kc * sizeof(T) : size_t(taps) * sizeof(void*)) * size_t(block);
}

// Fewer channels than this: copying the operands is cheaper than pointing at them.
constexpr int64_t GATHER_BELOW = 4;

int64_t choose_block(int64_t rows, int64_t taps) {
    // 24 rows are a multiple of every tile height; 96 keep a block's pointers and operands in the L1 and L2 caches.
    int64_t block = std::min<int64_t>(96, ceil_div(std::max<int64_t>(rows, 1), 16 * 24) * 24);
    while (block > 24 && block * taps > 16384) block -= 24;
    return block;
}

// Element (column, tap, k) of a group's weights is w[group * group_stride + column * column_stride + k * depth_stride + taps].
template <class T>
struct Weights {
    const T* data;
    int64_t group_stride, column_stride, depth_stride, tap_stride[3];
};

template <class T>
int64_t plan_panels(ConvJob<T>& job) {
    static const int64_t bytes[] = {16, 32, 64};
    const int level = simd_level();
    const int64_t lanes = bytes[level] / int64_t(sizeof(T)), depth = job.pass.taps() * job.kc;
    int64_t offset = 0;
    job.panels.clear();
    for (int64_t group = 0; group < job.groups; ++group) {
        for (int64_t c = 0; c < job.nc;) {
            const int64_t rest = job.nc - c, vectors = level == 2 && rest > 3 * lanes ? 4 : rest > lanes ? 2 : 1;
            job.panels.push_back({group, c, std::min(rest, vectors * lanes), vectors, offset});
            offset += depth * vectors * lanes;
            c += vectors * lanes;
        }
    }
    return offset;
}

template <class T>
void pack_panels(const ConvJob<T>& job, const Weights<T>& w, int64_t total, T* packed) {
    const ConvPass& p = job.pass;
    parallel_for(0, int64_t(job.panels.size()), 1, [&](int64_t b, int64_t e) {
        for (int64_t i = b; i < e; ++i) {
            const ConvPanel& panel = job.panels[i];
            const int64_t next = i + 1 < int64_t(job.panels.size()) ? job.panels[i + 1].offset : total;
            const int64_t depth = p.taps() * job.kc;
            if (depth == 0) continue;
            const int64_t padded = (next - panel.offset) / depth;
            const T* from = w.data + panel.group * w.group_stride + panel.begin * w.column_stride;
            // Bands of channels: the taps of a channel are neighbours in memory, so a band's lines stay in the cache.
            for (int64_t k0 = 0; k0 < job.kc; k0 += 16) {
                const int64_t k1 = std::min(job.kc, k0 + 16);
                int64_t t = 0;
                for (int64_t t0 : p.axis[0].tap)
                    for (int64_t t1 : p.axis[1].tap)
                        for (int64_t t2 : p.axis[2].tap) {
                            const T* tap = from + t0 * w.tap_stride[0] + t1 * w.tap_stride[1] + t2 * w.tap_stride[2];
                            T* to = packed + panel.offset + (t++ * job.kc + k0) * padded;
                            for (int64_t k = k0; k < k1; ++k, to += padded) {
                                for (int64_t c = 0; c < panel.width; ++c) to[c] = tap[c * w.column_stride + k * w.depth_stride];
                                for (int64_t c = panel.width; c < padded; ++c) to[c] = T(0);
                            }
                        }
            }
        }
    });
}

template <class T>
void pack_depthwise(const ConvJob<T>& job, const Weights<T>& w, T* packed) {
    const ConvPass& p = job.pass;
    for (int64_t t0 : p.axis[0].tap)
        for (int64_t t1 : p.axis[1].tap)
            for (int64_t t2 : p.axis[2].tap)
                for (int64_t c = 0; c < job.groups; ++c)
                    *packed++ = w.data[c * w.group_stride + t0 * w.tap_stride[0] + t1 * w.tap_stride[1] + t2 * w.tap_stride[2]];
}

template <class T>
void run_pass(ConvJob<T>& job, const Weights<T>& w) {
    const int64_t rows = job.pass.rows(), taps = job.pass.taps();
    if (rows == 0 || job.nc == 0) return;
    const bool depthwise = job.kc == 1 && job.nc == 1 && job.groups > 1;
    job.gather = !depthwise && job.kc < GATHER_BELOW;
    job.block = choose_block(rows, std::max<int64_t>(1, job.gather ? taps * job.kc : taps));
    const int64_t total = depthwise ? taps * job.groups : plan_panels(job);
    const Scratch packed(size_t(total) * sizeof(T), kCallSlot);
    job.packed = packed.as<T>();
    if (depthwise)
        pack_depthwise(job, w, packed.as<T>());
    else
        pack_panels(job, w, total, packed.as<T>());

    const int64_t blocks = ceil_div(rows, job.block), panels = depthwise ? 1 : int64_t(job.panels.size());
    // Enough tasks for every thread, also when a small image meets many channels.
    const int64_t per_task = ceil_div(panels, std::min(panels, ceil_div(32, blocks)));
    const int64_t splits = ceil_div(panels, per_task);
    const size_t bytes = block_bytes<T>(job.block, taps, job.kc, job.gather);
    const double work = double(job.block) * double(taps * job.kc + 1) * double(job.nc * job.groups) / double(splits);
    const int64_t grain = std::max<int64_t>(1, std::min<int64_t>(int64_t(2e5 / work), blocks * splits));
    parallel_for(0, blocks * splits, grain, [&](int64_t b, int64_t e) {
        const Scratch buffer(bytes, kTaskSlot);
        void* scratch = buffer.get();
        for (int64_t task = b; task < e; ++task) {
            const int64_t row = task / splits * job.block, count = std::min(job.block, rows - row);
            const size_t first = size_t(task % splits * per_task), last = std::min(size_t(panels), first + size_t(per_task));
            if (depthwise)
                GPUDL_DISPATCH(depthwise_block<T>(job, row, count, scratch));
            else
                GPUDL_DISPATCH(conv_block<T>(job, row, count, first, last, scratch));
        }
    });
}

template <class T, class S>
void place(ConvPass& p, const Image<const T>& src, const Image<S>& out) {
    p.batch = out.batch;
    p.src_batch = src.batch_stride;
    p.out_batch = out.batch_stride;
    for (int d = 0; d < 3; ++d) {
        p.src_stride[d] = src.stride[d];
        p.out_stride[d] = out.stride[d];
        p.axis[d].extent = src.size[d];
    }
}

template <class T, class S>
ConvPass forward_pass(const Options& o, const Image<const T>& x, const Image<S>& y) {
    ConvPass p;
    place(p, x, y);
    for (int d = 0; d < 3; ++d) {
        ConvAxis& axis = p.axis[d];
        axis.count = y.size[d];
        axis.step = o.stride[d];
        for (int64_t k = 0; k < o.kernel[d]; ++k) {
            axis.tap.push_back(k);
            axis.offset.push_back(k * o.dilation[d] - o.low[d]);
        }
    }
    return p;
}

Shape tail(const py::array& a, int from) { return Shape(a.shape() + from, a.shape() + a.ndim()); }

void check_channels(int64_t have, int64_t want, const char* what) {
    if (have != want)
        throw py::value_error(std::string(what) + ": expected " + std::to_string(want) + " channels, got " + std::to_string(have));
}

// y (N, *S', O) = convolution of x (N, *S, C) with w (O, C / groups, *K).
void conv_fwd(const py::array& x, const py::array& w, py::array& y, const Shape& stride, const Shape& low, const Shape& dilation,
              int64_t groups) {
    const Options o = read_options(stride, low, dilation, tail(w, 2), groups);
    with_float(x, "x", [&](auto zero_value) {
        using T = decltype(zero_value);
        const auto xi = read_image<T, const T>(x, readable<T>(x, "x"), o.rank, "x");
        const auto yi = read_image<T, T>(y, contiguous_out<T>(y, "y"), o.rank, "y");
        const T* wp = readable<T>(w, "w");
        const Shape ws = element_strides(w, "w");
        check_channels(xi.channels, w.shape(1) * groups, "x");
        check_channels(yi.channels, w.shape(0), "y");
        if (w.shape(0) % groups != 0) throw py::value_error("groups must divide the output channels");
        if (xi.batch != yi.batch) throw py::value_error("x and y differ in batch size");
        ConvJob<T> job;
        job.pass = forward_pass(o, xi, yi);
        job.groups = groups;
        job.kc = w.shape(1);
        job.nc = w.shape(0) / groups;
        job.src = xi.data;
        job.out = yi.data;
        Weights<T> weights{wp, job.nc * ws[0], ws[0], ws[1], {0, 0, 0}};
        for (int i = 0; i < o.rank; ++i) weights.tap_stride[3 - o.rank + i] = ws[2 + i];
        const py::gil_scoped_release nogil;
        const std::vector<T> zeros(size_t(std::max<int64_t>(1, xi.channels)), T(0));
        job.zero = zeros.data();
        run_pass(job, weights);
    });
}

// gx (N, *S, C) from g (N, *S', O) and w (O, C / groups, *K).
void conv_dgrad(const py::array& g, const py::array& w, py::array& gx, const Shape& stride, const Shape& low, const Shape& dilation,
                int64_t groups) {
    const Options o = read_options(stride, low, dilation, tail(w, 2), groups);
    with_float(g, "g", [&](auto zero_value) {
        using T = decltype(zero_value);
        const auto gi = read_image<T, const T>(g, readable<T>(g, "g"), o.rank, "g");
        const auto xi = read_image<T, T>(gx, contiguous_out<T>(gx, "gx"), o.rank, "gx");
        const T* wp = readable<T>(w, "w");
        const Shape ws = element_strides(w, "w");
        check_channels(xi.channels, w.shape(1) * groups, "gx");
        check_channels(gi.channels, w.shape(0), "g");
        if (w.shape(0) % groups != 0) throw py::value_error("groups must divide the output channels");
        if (xi.batch != gi.batch) throw py::value_error("g and gx differ in batch size");
        ConvJob<T> job;
        job.groups = groups;
        job.kc = w.shape(0) / groups;
        job.nc = w.shape(1);
        job.src = gi.data;
        job.out = xi.data;
        Weights<T> weights{wp, job.kc * ws[0], ws[1], ws[0], {0, 0, 0}};
        for (int i = 0; i < o.rank; ++i) weights.tap_stride[3 - o.rank + i] = ws[2 + i];
        const py::gil_scoped_release nogil;
        const std::vector<T> zeros(size_t(std::max<int64_t>(1, gi.channels)), T(0));
        job.zero = zeros.data();
        // One pass per residue of the input position modulo the stride.
        std::vector<ConvAxis> residues[3];
        for (int d = 0; d < 3; ++d) {
            for (int64_t r = 0; r < std::min(o.stride[d], xi.size[d]); ++r) {
                ConvAxis axis;
                axis.count = ceil_div(xi.size[d] - r, o.stride[d]);
                axis.out_start = r;
                axis.out_step = o.stride[d];
                axis.extent = gi.size[d];
                for (int64_t k = 0; k < o.kernel[d]; ++k) {
                    const int64_t at = r + o.low[d] - k * o.dilation[d];
                    if (at % o.stride[d] != 0) continue;
                    axis.tap.push_back(k);
                    axis.offset.push_back(at / o.stride[d]);
                }
                residues[d].push_back(std::move(axis));
            }
        }
        for (const ConvAxis& a0 : residues[0])
            for (const ConvAxis& a1 : residues[1])
                for (const ConvAxis& a2 : residues[2]) {
                    place(job.pass, gi, xi);
                    job.pass.axis[0] = a0;
                    job.pass.axis[1] = a1;
                    job.pass.axis[2] = a2;
                    run_pass(job, weights);
                }
    });
}

template <class T>
void run_weight(ConvWeightJob<T>& job, T* gw) {
    const int64_t rows = job.pass.rows(), taps = job.pass.taps(), kc = job.kc, nc = job.nc, groups = job.groups;
    const int64_t size = groups * taps * kc * nc;
    if (size == 0) return;
    const bool depthwise = kc == 1 && nc == 1 && groups > 1;
    job.gather = !depthwise && kc < GATHER_BELOW;
    job.block = 192;
    while (job.block > 24 && job.block * (job.gather ? taps * kc : taps) > 32768) job.block -= 24;
    // At most 16 partial sums, none shorter than 1024 rows, together at most 64 MiB: a function of the shapes alone.
    int64_t chunks = std::min<int64_t>({16, ceil_div(rows, 1024), (int64_t{64} << 20) / int64_t(sizeof(T)) / size});
    chunks = std::max<int64_t>(1, chunks);
    job.chunk_rows = std::max<int64_t>(1, ceil_div(ceil_div(rows, chunks), job.block) * job.block);
    chunks = std::max<int64_t>(1, ceil_div(rows, job.chunk_rows));
    const Scratch partial(size_t(chunks * size) * sizeof(T), kCallSlot);
    job.partial = partial.as<T>();
    // Columns of a task: all of them, unless there are too few chunks to occupy the threads.
    const int64_t unit = 64;
    const int64_t columns = depthwise || chunks >= 8 ? std::max<int64_t>(nc, 1) : unit;
    const int64_t splits = ceil_div(nc, columns);
    const int64_t widest = 16 * 4;  // elements of the widest panel on any target
    const size_t bytes = size_t(job.block) * widest * sizeof(T) + block_bytes<T>(job.block, taps, kc, job.gather);
    parallel_for(0, chunks * splits, 1, [&](int64_t b, int64_t e) {
        const Scratch buffer(bytes, kTaskSlot);
        void* scratch = buffer.get();
        for (int64_t task = b; task < e; ++task) {
            const int64_t chunk = task / splits, row = chunk * job.chunk_rows;
            const int64_t begin = task % splits * columns, end = std::min(nc, begin + columns);
            const int64_t count = std::max<int64_t>(0, std::min(job.chunk_rows, rows - row));
            T* sums = job.partial + chunk * size;
            for (int64_t i = 0; i < groups * taps * kc; ++i) std::fill(sums + i * nc + begin, sums + i * nc + end, T(0));
            if (depthwise)
                GPUDL_DISPATCH(depthwise_weight_rows<T>(job, row, count, sums, scratch));
            else
                GPUDL_DISPATCH(weight_rows<T>(job, row, count, begin, end, sums, scratch));
        }
    });
    // gw[group * nc + column][tap][k], partial sums added in order. Depthwise sums lie as one group with many columns.
    const int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(1, taps * kc * chunks));
    parallel_for(0, groups * job.nc, grain, [&, nc = depthwise ? groups : nc](int64_t b, int64_t e) {
        for (int64_t chunk = 0; chunk < chunks; ++chunk) {
            const T* from = job.partial + chunk * size;
            for (int64_t group = b / nc; group <= (e - 1) / nc; ++group) {
                const int64_t c0 = std::max(b, group * nc), c1 = std::min(e, (group + 1) * nc);
                for (int64_t k = 0; k < taps * kc; ++k) {
                    const T* line = from + (group * taps * kc + k) * nc - group * nc;
                    T* to = gw + k;
                    if (chunk == 0) {
                        for (int64_t c = c0; c < c1; ++c) to[c * taps * kc] = line[c];
                    } else {
                        for (int64_t c = c0; c < c1; ++c) to[c * taps * kc] += line[c];
                    }
                }
            }
        }
    });
}

// gw (O, *K, C / groups) from g (N, *S', O) and x (N, *S, C).
void conv_wgrad(const py::array& g, const py::array& x, py::array& gw, const Shape& stride, const Shape& low, const Shape& dilation,
                int64_t groups) {
    if (gw.ndim() < 3) throw py::value_error("gw: expected (O, *K, C / groups)");
    Shape kernel = tail(gw, 1);
    const int64_t depth = kernel.back();
    kernel.pop_back();
    const Options o = read_options(stride, low, dilation, kernel, groups);
    with_float(g, "g", [&](auto zero_value) {
        using T = decltype(zero_value);
        const auto gi = read_image<T, const T>(g, contiguous<T>(g, "g"), o.rank, "g");
        const auto xi = read_image<T, const T>(x, readable<T>(x, "x"), o.rank, "x");
        T* out = contiguous_out<T>(gw, "gw");
        check_channels(xi.channels, depth * groups, "x");
        check_channels(gi.channels, gw.shape(0), "g");
        if (gw.shape(0) % groups != 0) throw py::value_error("groups must divide the output channels");
        if (xi.batch != gi.batch) throw py::value_error("g and x differ in batch size");
        ConvWeightJob<T> job;
        job.pass = forward_pass(o, xi, gi);
        job.groups = groups;
        job.kc = depth;
        job.nc = gw.shape(0) / groups;
        job.src = xi.data;
        job.g = gi.data;
        const py::gil_scoped_release nogil;
        const std::vector<T> zeros(size_t(std::max<int64_t>(1, xi.channels)), T(0));
        job.zero = zeros.data();
        run_weight(job, out);
    });
}

}  // namespace

void bind_conv(py::module_& m) {
    using namespace py::literals;
    m.def("conv_fwd", &conv_fwd, "x"_a, "w"_a, "y"_a, "stride"_a, "low"_a, "dilation"_a, "groups"_a);
    m.def("conv_dgrad", &conv_dgrad, "g"_a, "w"_a, "gx"_a, "stride"_a, "low"_a, "dilation"_a, "groups"_a);
    m.def("conv_wgrad", &conv_wgrad, "g"_a, "x"_a, "gw"_a, "stride"_a, "low"_a, "dilation"_a, "groups"_a);
}

}  // namespace gpudl
