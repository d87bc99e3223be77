// The instruction set in use, and the one copy that changes a layout: planes of channels to channels-last.
#include <algorithm>
#include <atomic>
#include <string>

#include "arrays.h"
#include "parallel.h"

namespace gpudl {

int simd_level();

namespace {

int detect() {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 0;
    const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    return wide ? 2 : 1;
#else
    return 0;
#endif
}

std::atomic<int>& level() {
    static std::atomic<int> value{detect()};
    return value;
}

// Lowers the instruction set for tests; never above what the CPU has. Returns the level in use.
int limit_simd(int wanted) {
    level().store(std::clamp(wanted, 0, detect()));
    return simd_level();
}

// out[n][p][c] = x[n][c][p], in squares that stay in the L1 cache.
template <class T>
void transpose_planes(const T* x, T* out, int64_t batch, int64_t channels, int64_t pixels) {
    constexpr int64_t S = 32;
    const int64_t bands = ceil_div(pixels, S);
    const int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(1, S * channels));
    parallel_for(0, batch * bands, grain, [&](int64_t b, int64_t e) {
        for (int64_t i = b; i < e; ++i) {
            const int64_t n = i / bands, p0 = i % bands * S, p1 = std::min(pixels, p0 + S);
            const T* from = x + n * channels * pixels;
            T* to = out + n * channels * pixels;
            for (int64_t c0 = 0; c0 < channels; c0 += S) {
                const int64_t c1 = std::min(channels, c0 + S);
                for (int64_t p = p0; p < p1; ++p)
                    for (int64_t c = c0; c < c1; ++c) to[p * channels + c] = from[c * pixels + p];
            }
        }
    });
}

// out (N, P, C) from x (N, C, P), both C-contiguous.
void to_channels_last(const py::array& x, py::array& out) {
    check_ndim(x, 3, "x");
    check_shape(out, {x.shape(0), x.shape(2), x.shape(1)}, "out");
    with_float(x, "x", [&](auto zero) {
        using T = decltype(zero);
        const T* from = contiguous<T>(x, "x");
        T* to = contiguous_out<T>(out, "out");
        const int64_t batch = x.shape(0), channels = x.shape(1), pixels = x.shape(2);
        const py::gil_scoped_release nogil;
        transpose_planes(from, to, batch, channels, pixels);
    });
}

}  // namespace

int simd_level() { return level().load(std::memory_order_relaxed); }

void bind_layout(py::module_& m) {
    using namespace py::literals;
    m.def("to_channels_last", &to_channels_last, "x"_a, "out"_a);
    m.def("simd_level", &simd_level, "0: base architecture, 1: AVX2, 2: AVX-512.");
    m.def("limit_simd", &limit_simd, "level"_a, "Use at most this instruction set; for tests.");
}

}  // namespace gpudl
