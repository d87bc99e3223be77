// Optimizer steps over flat buffers, in place: each is one pass over memory, in PyTorch's formulas and order of
// operations. kernels/optim/reference.py is the same arithmetic in NumPy and gives the same bits.
//
// All buffers of a call are 1-D, contiguous, of one dtype and one length. `segments` lists the (start, stop) ranges to
// update; the rest is left alone. Scalars are computed in double and rounded once to the dtype of the buffers.
#include <pybind11/stl.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "arrays.h"
#include "parallel.h"
#include "simd.h"

namespace gpudl {
namespace {

using Segments = std::vector<std::pair<int64_t, int64_t>>;
using Optional = std::optional<py::array>;

constexpr int64_t kBlock = 1 << 14;  // elements that one chunk updates: a function of the segments alone

Segments cut(const std::optional<Segments>& segments, int64_t n) {
    const Segments whole{{0, n}};
    Segments blocks;
    int64_t last = 0;
    for (const auto& [start, stop] : segments ? *segments : whole) {
        if (start < 0 || stop < start || stop > n)
            throw py::index_error("segment (" + std::to_string(start) + ", " + std::to_string(stop) +
                                  ") is not inside a buffer of " + std::to_string(n) + " elements");
        if (start < last) throw py::value_error("segments must be in order and must not overlap");
        last = stop;
        for (int64_t b = start; b < stop; b += kBlock) blocks.emplace_back(b, std::min(b + kBlock, stop));
    }
    return blocks;
}

template <class F>
void for_each_block(const Segments& blocks, F&& f) {
    py::gil_scoped_release nogil;
    const int64_t total = static_cast<int64_t>(blocks.size());
    // Many small tensors make many small blocks: group them so that a chunk is worth a thread.
    int64_t elements = 0;
    for (const auto& [b, e] : blocks) elements += e - b;
    const int64_t grain = elements > 0 ? std::max<int64_t>(1, kBlock * total / elements) : 1;
    parallel_for(0, total, grain, [&](int64_t first, int64_t last) {
        for (int64_t i = first; i < last; ++i) f(i, blocks[i].first, blocks[i].second);
    });
}

template <class T>
T* buffer(py::array& a, int64_t n, const char* name) {
    check_ndim(a, 1, name);
    check_shape(a, {n}, name);
    return contiguous_out<T>(a, name);
}

template <class T>
T* buffer(Optional& a, int64_t n, const char* name) {
    return a ? buffer<T>(*a, n, name) : nullptr;
}

template <class T>
const T* gradient(const py::array& g, int64_t n) {
    check_ndim(g, 1, "g");
    check_shape(g, {n}, "g");
    return contiguous<T>(g, "g");
}

template <class T>
struct Sgd {
    T lr, momentum, keep, weight_decay;  // keep = 1 - dampening
    bool decays, nesterov, maximize, first;
};

template <class T, bool Momentum>
GPUDL_CLONES void sgd_block(const Sgd<T>& s, int64_t n, T* GPUDL_RESTRICT p, const T* GPUDL_RESTRICT g,
                            T* GPUDL_RESTRICT buf) {
    const T lr = s.lr, momentum = s.momentum, keep = s.keep, weight_decay = s.weight_decay;
    const bool decays = s.decays, nesterov = s.nesterov, maximize = s.maximize, first = s.first;
    for (int64_t i = 0; i < n; ++i) {
        T d = maximize ? -g[i] : g[i];
        d = decays ? d + weight_decay * p[i] : d;
        if (Momentum) {
            const T b = first ? d : momentum * buf[i] + keep * d;
            buf[i] = b;
            d = nesterov ? d + momentum * b : b;
        }
        p[i] = p[i] + -lr * d;
    }
}

void sgd(py::array p, const py::array& g, Optional buf, double lr, double momentum, double dampening,
         double weight_decay, bool nesterov, bool maximize, bool first, const std::optional<Segments>& segments) {
    if (momentum != 0 && !buf) throw py::value_error("sgd: momentum needs buf");
    const Segments blocks = cut(segments, p.size());
    with_float(p, "p", [&](auto t) {
        using T = decltype(t);
        T* pp = buffer<T>(p, p.size(), "p");
        const T* gp = gradient<T>(g, p.size());
        T* bp = buffer<T>(buf, p.size(), "buf");
        const Sgd<T> s{T(lr), T(momentum), T(1 - dampening), T(weight_decay), weight_decay != 0, nesterov, maximize, first};
        const bool uses_momentum = momentum != 0;
        for_each_block(blocks, [&](int64_t, int64_t b, int64_t e) {
            if (uses_momentum)
                sgd_block<T, true>(s, e - b, pp + b, gp + b, bp + b);
            else
                sgd_block<T, false>(s, e - b, pp + b, gp + b, nullptr);
        });
    });
}

template <class T>
struct Adam {
    T beta2, lerp, lerp_rest, rest2, step_size, root_correction, eps, weight_decay, shrink;
    bool decays, decoupled, maximize, near;  // near: the form of lerp for weights below one half
};

template <class T, bool Amsgrad>
GPUDL_CLONES void adam_block(const Adam<T>& s, int64_t n, T* GPUDL_RESTRICT p, const T* GPUDL_RESTRICT g,
                             T* GPUDL_RESTRICT m, T* GPUDL_RESTRICT v, T* GPUDL_RESTRICT vmax) {
    const Adam<T> k = s;
    const bool shrinks = k.decays && k.decoupled, adds = k.decays && !k.decoupled;
    for (int64_t i = 0; i < n; ++i) {
        T d = k.maximize ? -g[i] : g[i];
        T x = p[i];
        d = adds ? d + k.weight_decay * x : d;
        x = shrinks ? x * k.shrink : x;
        const T diff = d - m[i];
        const T mean = k.near ? m[i] + k.lerp * diff : d - diff * k.lerp_rest;
        const T square = v[i] * k.beta2 + (k.rest2 * d) * d;
        m[i] = mean;
        v[i] = square;
        T largest = square;
        if (Amsgrad) {
            largest = (vmax[i] > square || vmax[i] != vmax[i]) ? vmax[i] : square;
            vmax[i] = largest;
        }
        const T denominator = std::sqrt(largest) / k.root_correction + k.eps;
        p[i] = x + (-k.step_size * mean) / denominator;
    }
}

void adam(py::array p, const py::array& g, py::array m, py::array v, Optional vmax, double step, double lr, double beta1,
          double beta2, double eps, double weight_decay, bool decoupled, bool amsgrad, bool maximize,
          const std::optional<Segments>& segments) {
    if (amsgrad && !vmax) throw py::value_error("adam: amsgrad needs vmax");
    if (!(step >= 1)) throw py::value_error("adam: step counts from 1");
    const Segments blocks = cut(segments, p.size());
    with_float(p, "p", [&](auto t) {
        using T = decltype(t);
        T* pp = buffer<T>(p, p.size(), "p");
        const T* gp = gradient<T>(g, p.size());
        T* mp = buffer<T>(m, p.size(), "m");
        T* vp = buffer<T>(v, p.size(), "v");
        T* xp = buffer<T>(vmax, p.size(), "vmax");
        const T lerp = T(1 - beta1);
        const Adam<T> s{T(beta2),
                        lerp,
                        T(1) - lerp,
                        T(1 - beta2),
                        T(lr / (1 - std::pow(beta1, step))),
                        T(std::sqrt(1 - std::pow(beta2, step))),
                        T(eps),
                        T(weight_decay),
                        T(1 - lr * weight_decay),
                        weight_decay != 0,
                        decoupled,
                        maximize,
                        std::abs(lerp) < T(0.5)};
        for_each_block(blocks, [&](int64_t, int64_t b, int64_t e) {
            if (amsgrad)
                adam_block<T, true>(s, e - b, pp + b, gp + b, mp + b, vp + b, xp + b);
            else
                adam_block<T, false>(s, e - b, pp + b, gp + b, mp + b, vp + b, nullptr);
        });
    });
}

template <class T>
struct Rmsprop {
    T lr, alpha, lerp, lerp_rest, rest, eps, weight_decay, momentum;
    bool decays, maximize, near;
};

template <class T, bool Centered, bool Momentum>
GPUDL_CLONES void rmsprop_block(const Rmsprop<T>& s, int64_t n, T* GPUDL_RESTRICT p, const T* GPUDL_RESTRICT g,
                                T* GPUDL_RESTRICT sq, T* GPUDL_RESTRICT ga, T* GPUDL_RESTRICT buf) {
    const Rmsprop<T> k = s;
    for (int64_t i = 0; i < n; ++i) {
        T d = k.maximize ? -g[i] : g[i];
        d = k.decays ? d + k.weight_decay * p[i] : d;
        const T square = sq[i] * k.alpha + (k.rest * d) * d;
        sq[i] = square;
        T spread = square;
        if (Centered) {
            const T diff = d - ga[i];
            const T mean = k.near ? ga[i] + k.lerp * diff : d - diff * k.lerp_rest;
            ga[i] = mean;
            spread = square - mean * mean;
        }
        const T denominator = std::sqrt(spread) + k.eps;
        if (Momentum) {
            const T b = buf[i] * k.momentum + d / denominator;
            buf[i] = b;
            p[i] = p[i] + -k.lr * b;
        } else {
            p[i] = p[i] + (-k.lr * d) / denominator;
        }
    }
}

void rmsprop(py::array p, const py::array& g, py::array sq, Optional ga, Optional buf, double lr, double alpha, double eps,
             double weight_decay, double momentum, bool centered, bool maximize, const std::optional<Segments>& segments) {
    if (centered && !ga) throw py::value_error("rmsprop: centered needs ga");
    if (momentum != 0 && !buf) throw py::value_error("rmsprop: momentum needs buf");
    const Segments blocks = cut(segments, p.size());
    with_float(p, "p", [&](auto t) {
        using T = decltype(t);
        T* pp = buffer<T>(p, p.size(), "p");
        const T* gp = gradient<T>(g, p.size());
        T* sp = buffer<T>(sq, p.size(), "sq");
        T* ap = buffer<T>(ga, p.size(), "ga");
        T* bp = buffer<T>(buf, p.size(), "buf");
        const T lerp = T(1 - alpha);
        const Rmsprop<T> s{T(lr),         T(alpha),          lerp,     T(1) - lerp,           T(1 - alpha), T(eps), T(weight_decay),
                           T(momentum), weight_decay != 0, maximize, std::abs(lerp) < T(0.5)};
        const bool uses_momentum = momentum != 0;
        auto* block = centered ? (uses_momentum ? &rmsprop_block<T, true, true> : &rmsprop_block<T, true, false>)
                               : (uses_momentum ? &rmsprop_block<T, false, true> : &rmsprop_block<T, false, false>);
        for_each_block(blocks, [&](int64_t, int64_t b, int64_t e) {
            block(s, e - b, pp + b, gp + b, sp + b, centered ? ap + b : nullptr, uses_momentum ? bp + b : nullptr);
        });
    });
}

template <class T>
GPUDL_CLONES double sumsq_block(int64_t n, const T* GPUDL_RESTRICT g) {
    double sums[8] = {};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int l = 0; l < 8; ++l) sums[l] += static_cast<double>(g[i + l]) * static_cast<double>(g[i + l]);
    for (; i < n; ++i) sums[i % 8] += static_cast<double>(g[i]) * static_cast<double>(g[i]);
    return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

double sumsq(const py::array& g, const std::optional<Segments>& segments) {
    const Segments blocks = cut(segments, g.size());
    return with_float(g, "g", [&](auto t) {
        using T = decltype(t);
        const T* gp = gradient<T>(g, g.size());
        std::vector<double> partial(blocks.size());
        for_each_block(blocks, [&](int64_t i, int64_t b, int64_t e) { partial[i] = sumsq_block(e - b, gp + b); });
        double sum = 0;
        for (double x : partial) sum += x;
        return sum;
    });
}

}  // namespace

void bind_optim(py::module_& m) {
    const auto segments = py::arg("segments") = py::none();
    m.def("sgd", &sgd, py::arg("p"), py::arg("g"), py::arg("buf").none(true), py::arg("lr"), py::arg("momentum"),
          py::arg("dampening"), py::arg("weight_decay"), py::arg("nesterov"), py::arg("maximize"), py::arg("first"), segments);
    m.def("adam", &adam, py::arg("p"), py::arg("g"), py::arg("m"), py::arg("v"), py::arg("vmax").none(true), py::arg("step"),
          py::arg("lr"), py::arg("beta1"), py::arg("beta2"), py::arg("eps"), py::arg("weight_decay"), py::arg("decoupled"),
          py::arg("amsgrad"), py::arg("maximize"), segments);
    m.def("rmsprop", &rmsprop, py::arg("p"), py::arg("g"), py::arg("sq"), py::arg("ga").none(true), py::arg("buf").none(true),
          py::arg("lr"), py::arg("alpha"), py::arg("eps"), py::arg("weight_decay"), py::arg("momentum"), py::arg("centered"),
          py::arg("maximize"), segments);
    m.def("sumsq", &sumsq, py::arg("g"), segments, "Sum of squares in double, in a fixed order.");
}

}  // namespace gpudl
