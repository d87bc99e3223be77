// Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) and the draws made of it.
//
// key = the 64-bit seed, counter = (64-bit block number, 64-bit stream), low words first. Lane l of block b is word
// 4 b + l of the stream, so any element can be computed alone and the thread count cannot show.
// gpudl/ops/_philox.py is the same arithmetic in NumPy and gives the same bits: only + - * / and sqrt of IEEE 754 are used,
// no libm call and no fused multiply-add.
#include <algorithm>
#include <cmath>
#include <cstdint>

#include "arrays.h"
#include "parallel.h"
#include "simd.h"

namespace gpudl {
namespace {

constexpr int kBatch = 64;               // blocks made at once, lane-major so that the loops vectorise
constexpr int64_t kGrain = int64_t{1} << 12;  // blocks per chunk

struct Key {
    uint32_t k0, k1;  // seed
    uint64_t stream, offset;
};

// Lanes of blocks first .. first + kBatch - 1: out[lane * kBatch + i].
GPUDL_INLINE void philox_batch(const Key& key, uint64_t first, uint32_t* GPUDL_RESTRICT out) {
    uint32_t* c0 = out;
    uint32_t* c1 = out + kBatch;
    uint32_t* c2 = out + 2 * kBatch;
    uint32_t* c3 = out + 3 * kBatch;
    for (int i = 0; i < kBatch; ++i) {
        const uint64_t block = key.offset + first + static_cast<uint64_t>(i);
        uint32_t x0 = static_cast<uint32_t>(block), x1 = static_cast<uint32_t>(block >> 32);
        uint32_t x2 = static_cast<uint32_t>(key.stream), x3 = static_cast<uint32_t>(key.stream >> 32);
        uint32_t k0 = key.k0, k1 = key.k1;
        for (int round = 0; round < 10; ++round) {
            const uint64_t p0 = uint64_t{0xD2511F53u} * x0;
            const uint64_t p1 = uint64_t{0xCD9E8D57u} * x2;
            x0 = static_cast<uint32_t>(p1 >> 32) ^ x1 ^ k0;
            x1 = static_cast<uint32_t>(p1);
            x2 = static_cast<uint32_t>(p0 >> 32) ^ x3 ^ k1;
            x3 = static_cast<uint32_t>(p0);
            k0 += 0x9E3779B9u;
            k1 += 0xBB67AE85u;
        }
        c0[i] = x0;
        c1[i] = x1;
        c2[i] = x2;
        c3[i] = x3;
    }
}

// ln x for x in (0, 1] (any normal number would do): x = 2^e m with m in [sqrt(1/2), sqrt(2)), and with f = m - 1,
// s = f / (2 + f): ln m = 2 atanh s = f - s (f - R), R = sum over k of 2/(2k+1) s^(2k). The first part of e ln 2 is exact.
GPUDL_INLINE float log_series(float x) {
    uint32_t bits;
    __builtin_memcpy(&bits, &x, 4);
    const uint32_t shifted = bits - 0x3F3504F3u;  // bit pattern of sqrt(1/2)
    const int32_t e = static_cast<int32_t>(shifted) >> 23;
    const uint32_t mantissa = (shifted & 0x007FFFFFu) + 0x3F3504F3u;
    float m;
    __builtin_memcpy(&m, &mantissa, 4);
    const float f = m - 1.0f;
    const float s = f / (2.0f + f);
    const float z = s * s;
    float r = 2.0f / 9.0f;
    r = r * z + 2.0f / 7.0f;
    r = r * z + 2.0f / 5.0f;
    r = r * z + 2.0f / 3.0f;
    r = r * z;
    const float ef = static_cast<float>(e);
    return ef * 0x1.62e4p-1f + (f - (s * (f - r) - ef * 0x1.7f7d1cp-20f));
}

GPUDL_INLINE double log_series(double x) {
    uint64_t bits;
    __builtin_memcpy(&bits, &x, 8);
    const uint64_t shifted = bits - 0x3FE6A09E667F3BCDull;
    const int64_t e = static_cast<int64_t>(shifted) >> 52;
    const uint64_t mantissa = (shifted & 0x000FFFFFFFFFFFFFull) + 0x3FE6A09E667F3BCDull;
    double m;
    __builtin_memcpy(&m, &mantissa, 8);
    const double f = m - 1.0;
    const double s = f / (2.0 + f);
    const double z = s * s;
    double r = 2.0 / 21.0;
    r = r * z + 2.0 / 19.0;
    r = r * z + 2.0 / 17.0;
    r = r * z + 2.0 / 15.0;
    r = r * z + 2.0 / 13.0;
    r = r * z + 2.0 / 11.0;
    r = r * z + 2.0 / 9.0;
    r = r * z + 2.0 / 7.0;
    r = r * z + 2.0 / 5.0;
    r = r * z + 2.0 / 3.0;
    r = r * z;
    const double ef = static_cast<double>(static_cast<int32_t>(e));
    return ef * 0x1.62e42fefap-1 + (f - (s * (f - r) - ef * 0x1.cf79abc9e3b3ap-40));
}

// Taylor series of sin and cos on [-pi/4, pi/4], to half an ulp of the type.
GPUDL_INLINE void sincos_series(float t, float& sine, float& cosine) {
    const float z = t * t;
    float s = 1.0f / 362880.0f;
    s = s * z - 1.0f / 5040.0f;
    s = s * z + 1.0f / 120.0f;
    s = s * z - 1.0f / 6.0f;
    sine = t + t * (s * z);
    float c = -1.0f / 3628800.0f;
    c = c * z + 1.0f / 40320.0f;
    c = c * z - 1.0f / 720.0f;
    c = c * z + 1.0f / 24.0f;
    c = c * z - 0.5f;
    cosine = 1.0f + c * z;
}

GPUDL_INLINE void sincos_series(double t, double& sine, double& cosine) {
    const double z = t * t;
    double s = 1.0 / 355687428096000.0;
    s = s * z - 1.0 / 1307674368000.0;
    s = s * z + 1.0 / 6227020800.0;
    s = s * z - 1.0 / 39916800.0;
    s = s * z + 1.0 / 362880.0;
    s = s * z - 1.0 / 5040.0;
    s = s * z + 1.0 / 120.0;
    s = s * z - 1.0 / 6.0;
    sine = t + t * (s * z);
    double c = 1.0 / 20922789888000.0;
    c = c * z - 1.0 / 87178291200.0;
    c = c * z + 1.0 / 479001600.0;
    c = c * z - 1.0 / 3628800.0;
    c = c * z + 1.0 / 40320.0;
    c = c * z - 1.0 / 720.0;
    c = c * z + 1.0 / 24.0;
    c = c * z - 0.5;
    cosine = 1.0 + c * z;
}

// Two normals of two words by Box and Muller. The angle is a quarter turn plus a rest in [-1/8, 1/8] turns, split on
// the integers, so it carries one rounding.
GPUDL_INLINE void box_muller(uint32_t a, uint32_t b, float& n0, float& n1) {
    const float u = static_cast<float>(static_cast<int32_t>((a >> 8) + 1u)) * 0x1p-24f;
    const int32_t k = static_cast<int32_t>(b >> 8);
    const int32_t quarter = (k + (1 << 21)) >> 22;
    const float t = static_cast<float>(k - (quarter << 22)) * 0x1.921fb6p-22f;  // 2 pi 2^-24
    float s, c;
    sincos_series(t, s, c);
    const float r = std::sqrt(-2.0f * log_series(u));
    const float x = (quarter & 1) ? -s : c;
    const float y = (quarter & 1) ? c : s;
    n0 = r * ((quarter & 2) ? -x : x);
    n1 = r * ((quarter & 2) ? -y : y);
}

GPUDL_INLINE void box_muller(uint64_t a, uint64_t b, double& n0, double& n1) {
    const double u = static_cast<double>(static_cast<int64_t>((a >> 11) + 1u)) * 0x1p-53;
    const int64_t k = static_cast<int64_t>(b >> 11);
    const int64_t quarter = (k + (int64_t{1} << 50)) >> 51;
    const double t = static_cast<double>(k - (quarter << 51)) * 0x1.921fb54442d18p-51;
    double s, c;
    sincos_series(t, s, c);
    const double r = std::sqrt(-2.0 * log_series(u));
    const double x = (quarter & 1) ? -s : c;
    const double y = (quarter & 1) ? c : s;
    n0 = r * ((quarter & 2) ? -x : x);
    n1 = r * ((quarter & 2) ? -y : y);
}

GPUDL_INLINE uint64_t word64(uint32_t hi, uint32_t lo) { return (uint64_t{hi} << 32) | lo; }

GPUDL_INLINE uint64_t mul_high(uint64_t a, uint64_t b) {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(a) * b) >> 64);
}

// What a draw makes of one block: kPerBlock elements of type T from the four lanes.
struct Bits {
    using T = uint32_t;
    static constexpr int kPerBlock = 4;
    GPUDL_INLINE static void make(uint32_t a, uint32_t b, uint32_t c, uint32_t d, T* out) {
        out[0] = a;
        out[1] = b;
        out[2] = c;
        out[3] = d;
    }
};

struct Keys {  // 64-bit words
    using T = uint64_t;
    static constexpr int kPerBlock = 2;
    GPUDL_INLINE static void make(uint32_t a, uint32_t b, uint32_t c, uint32_t d, T* out) {
        out[0] = word64(a, b);
        out[1] = word64(c, d);
    }
};

struct UniformF {
    using T = float;
    static constexpr int kPerBlock = 4;
    GPUDL_INLINE static float unit(uint32_t x) { return static_cast<float>(static_cast<int32_t>(x >> 8)) * 0x1p-24f; }
    GPUDL_INLINE static void make(uint32_t a, uint32_t b, uint32_t c, uint32_t d, T* out) {
        out[0] = unit(a);
        out[1] = unit(b);
        out[2] = unit(c);
        out[3] = unit(d);
    }
};

struct UniformD {
    using T = double;
    static constexpr int kPerBlock = 2;
    GPUDL_INLINE static double unit(uint64_t x) { return static_cast<double>(static_cast<int64_t>(x >> 11)) * 0x1p-53; }
    GPUDL_INLINE static void make(uint32_t a, uint32_t b, uint32_t c, uint32_t d, T* out) {
        out[0] = unit(word64(a, b));
        out[1] = unit(word64(c, d));
    }
};

struct NormalF {
    using T = float;
    static constexpr int kPerBlock = 4;
    GPUDL_INLINE static void make(uint32_t a, uint32_t b, uint32_t c, uint32_t d, T* out) {
        box_muller(a, b, out[0], out[1]);
        box_muller(c, d, out[2], out[3]);
    }
};

struct NormalD {
    using T = double;
    static constexpr int kPerBlock = 2;
    GPUDL_INLINE static void make(uint32_t a, uint32_t b, uint32_t c, uint32_t d, T* out) {
        box_muller(word64(a, b), word64(c, d), out[0], out[1]);
    }
};

template <class Draw>
GPUDL_CLONES void fill_range(Draw, const Key& key, int64_t first, int64_t last, int64_t n, typename Draw::T* out) {
    constexpr int per = Draw::kPerBlock;
    uint32_t lanes[4 * kBatch];
    typename Draw::T values[per * kBatch];
    for (int64_t block = first; block < last; block += kBatch) {
        philox_batch(key, static_cast<uint64_t>(block), lanes);
        for (int i = 0; i < kBatch; ++i)
            Draw::make(lanes[i], lanes[kBatch + i], lanes[2 * kBatch + i], lanes[3 * kBatch + i], values + per * i);
        const int64_t begin = block * per;
        const int64_t count = std::min({n - begin, (last - block) * per, int64_t{per * kBatch}});
        std::copy(values, values + count, out + begin);
    }
}

template <class Draw>
void fill(const Key& key, int64_t n, typename Draw::T* out) {
    parallel_for(0, ceil_div(n, Draw::kPerBlock), kGrain,
                 [&](int64_t b, int64_t e) { fill_range(Draw{}, key, b, e, n, out); });
}

Key make_key(uint64_t seed, uint64_t stream, uint64_t offset) {
    return {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32), stream, offset};
}

template <class Draw>
py::array draw(uint64_t seed, uint64_t stream, uint64_t offset, int64_t n) {
    py::array out = empty<typename Draw::T>({n});
    auto* p = static_cast<typename Draw::T*>(out.mutable_data());
    py::gil_scoped_release nogil;
    fill<Draw>(make_key(seed, stream, offset), n, p);
    return out;
}

template <class F, class D>
py::array draw_float(uint64_t seed, uint64_t stream, uint64_t offset, int64_t n, const py::dtype& dtype) {
    if (dtype.equal(py::dtype::of<float>())) return draw<F>(seed, stream, offset, n);
    if (dtype.equal(py::dtype::of<double>())) return draw<D>(seed, stream, offset, n);
    throw py::type_error("philox: expected float32 or float64, got " + py::str(dtype).cast<std::string>());
}

// low + floor(word * range / 2^bits): a 64-bit word for ranges up to 2^32, a whole block beyond, so that the probability
// of a value is off by at most one part in 2^32.
py::array randint(uint64_t seed, uint64_t stream, uint64_t offset, int64_t n, int64_t low, int64_t high) {
    if (high <= low) throw py::value_error("randint: high must be greater than low");
    const uint64_t range = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
    py::array out = empty<int64_t>({n});
    auto* p = static_cast<int64_t*>(out.mutable_data());
    const uint64_t base = static_cast<uint64_t>(low);
    const bool wide = range > (uint64_t{1} << 32);
    const Key key = make_key(seed, stream, offset);
    py::gil_scoped_release nogil;
    const int64_t blocks = wide ? n : ceil_div(n, 2);
    parallel_for(0, blocks, kGrain, [&](int64_t b, int64_t e) {
        uint32_t lanes[4 * kBatch];
        for (int64_t block = b; block < e; block += kBatch) {
            philox_batch(key, static_cast<uint64_t>(block), lanes);
            for (int64_t i = 0; i < std::min<int64_t>(kBatch, e - block); ++i) {
                const uint64_t w0 = word64(lanes[i], lanes[kBatch + i]);
                const uint64_t w1 = word64(lanes[2 * kBatch + i], lanes[3 * kBatch + i]);
                const int64_t j = block + i;
                if (wide) {
                    const uint64_t low_part = w0 * range + mul_high(w1, range);
                    const uint64_t carry = low_part < mul_high(w1, range) ? 1 : 0;
                    p[j] = static_cast<int64_t>(base + mul_high(w0, range) + carry);
                } else {
                    p[2 * j] = static_cast<int64_t>(base + mul_high(w0, range));
                    if (2 * j + 1 < n) p[2 * j + 1] = static_cast<int64_t>(base + mul_high(w1, range));
                }
            }
        }
    });
    return out;
}

}  // namespace

void bind_philox(py::module_& m) {
    const auto seed = py::arg("seed"), stream = py::arg("stream"), offset = py::arg("offset"), n = py::arg("n");
    m.def("philox_bits", &draw<Bits>, seed, stream, offset, n, "uint32[n]: words of a stream from block `offset` on.");
    m.def("philox_bits64", &draw<Keys>, seed, stream, offset, n, "uint64[n]: pairs of words, the first one high.");
    m.def("philox_uniform", &draw_float<UniformF, UniformD>, seed, stream, offset, n, py::arg("dtype"),
          "Uniform numbers of [0, 1): 24 bits in float32, 53 bits in float64.");
    m.def("philox_normal", &draw_float<NormalF, NormalD>, seed, stream, offset, n, py::arg("dtype"),
          "Standard normal numbers by the Box-Muller transform of neighbouring words.");
    m.def("philox_randint", &randint, seed, stream, offset, n, py::arg("low"), py::arg("high"),
          "int64[n] of [low, high).");
}

}  // namespace gpudl
