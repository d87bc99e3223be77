// Draws of Philox words: bits, uniform and normal numbers, integers. A thread makes one block of four words, so no launch
// shape can show. csrc/philox.cpp is the same arithmetic and gives the same bits: IEEE 754 operations, each rounded on its own.
//
// Bound by integer multiplication (20 wide ones a block), and the normals by their series.
#include "philox.cuh"

constexpr int kThreads = 256;

// ln x for x in (0, 1]: x = 2^e m with m in [sqrt(1/2), sqrt(2)), and with f = m - 1, s = f / (2 + f):
// ln m = 2 atanh s = f - s (f - R), R = sum over k of 2/(2k+1) s^(2k). The first part of e ln 2 is exact.
GD_DEVICE float log_series(float x) {
    const uint32_t shifted = uint32_t(__float_as_int(x)) - 0x3F3504F3u;  // bit pattern of sqrt(1/2)
    const float e = float(int32_t(shifted) >> 23);
    const float f = sub(__int_as_float(int32_t((shifted & 0x007FFFFFu) + 0x3F3504F3u)), 1.0f);
    const float s = f / add(2.0f, f);
    const float z = mul(s, s);
    float r = 2.0f / 9.0f;
    r = add(mul(r, z), 2.0f / 7.0f);
    r = add(mul(r, z), 2.0f / 5.0f);
    r = add(mul(r, z), 2.0f / 3.0f);
    r = mul(r, z);
    return add(mul(e, 0x1.62e4p-1f), sub(f, sub(mul(s, sub(f, r)), mul(e, 0x1.7f7d1cp-20f))));
}

GD_DEVICE double log_series(double x) {
    const uint64_t shifted = uint64_t(__double_as_longlong(x)) - 0x3FE6A09E667F3BCDull;
    const double e = double(int32_t(int64_t(shifted) >> 52));
    const double m = __longlong_as_double(int64_t((shifted & 0x000FFFFFFFFFFFFFull) + 0x3FE6A09E667F3BCDull));
    const double f = sub(m, 1.0);
    const double s = f / add(2.0, f);
    const double z = mul(s, s);
    double r = 2.0 / 21.0;
    r = add(mul(r, z), 2.0 / 19.0);
    r = add(mul(r, z), 2.0 / 17.0);
    r = add(mul(r, z), 2.0 / 15.0);
    r = add(mul(r, z), 2.0 / 13.0);
    r = add(mul(r, z), 2.0 / 11.0);
    r = add(mul(r, z), 2.0 / 9.0);
    r = add(mul(r, z), 2.0 / 7.0);
    r = add(mul(r, z), 2.0 / 5.0);
    r = add(mul(r, z), 2.0 / 3.0);
    r = mul(r, z);
    return add(mul(e, 0x1.62e42fefap-1), sub(f, sub(mul(s, sub(f, r)), mul(e, 0x1.cf79abc9e3b3ap-40))));
}

// Taylor series of sin and cos on [-pi/4, pi/4], to half an ulp of the type.
GD_DEVICE void sincos_series(float t, float& sine, float& cosine) {
    const float z = mul(t, t);
    float s = 1.0f / 362880.0f;
    s = sub(mul(s, z), 1.0f / 5040.0f);
    s = add(mul(s, z), 1.0f / 120.0f);
    s = sub(mul(s, z), 1.0f / 6.0f);
    sine = add(t, mul(t, mul(s, z)));
    float c = -1.0f / 3628800.0f;
    c = add(mul(c, z), 1.0f / 40320.0f);
    c = sub(mul(c, z), 1.0f / 720.0f);
    c = add(mul(c, z), 1.0f / 24.0f);
    c = sub(mul(c, z), 0.5f);
    cosine = add(1.0f, mul(c, z));
}

GD_DEVICE void sincos_series(double t, double& sine, double& cosine) {
    const double z = mul(t, t);
    double s = 1.0 / 355687428096000.0;
    s = sub(mul(s, z), 1.0 / 1307674368000.0);
    s = add(mul(s, z), 1.0 / 6227020800.0);
    s = sub(mul(s, z), 1.0 / 39916800.0);
    s = add(mul(s, z), 1.0 / 362880.0);
    s = sub(mul(s, z), 1.0 / 5040.0);
    s = add(mul(s, z), 1.0 / 120.0);
    s = sub(mul(s, z), 1.0 / 6.0);
    sine = add(t, mul(t, mul(s, z)));
    double c = 1.0 / 20922789888000.0;
    c = sub(mul(c, z), 1.0 / 87178291200.0);
    c = add(mul(c, z), 1.0 / 479001600.0);
    c = sub(mul(c, z), 1.0 / 3628800.0);
    c = add(mul(c, z), 1.0 / 40320.0);
    c = sub(mul(c, z), 1.0 / 720.0);
    c = add(mul(c, z), 1.0 / 24.0);
    c = sub(mul(c, z), 0.5);
    cosine = add(1.0, mul(c, z));
}

// Two normals of two words by Box and Muller. The angle is a quarter turn plus a rest in [-1/8, 1/8] turns, split on
// the integers, so it carries one rounding.
template <class T>
GD_DEVICE void turned(T radius, T t, int quarter, T& n0, T& n1) {
    T s, c;
    sincos_series(t, s, c);
    const T x = (quarter & 1) != 0 ? -s : c;
    const T y = (quarter & 1) != 0 ? c : s;
    n0 = mul(radius, (quarter & 2) != 0 ? -x : x);
    n1 = mul(radius, (quarter & 2) != 0 ? -y : y);
}

GD_DEVICE void box_muller(uint32_t a, uint32_t b, float& n0, float& n1) {
    const float u = mul(float(int32_t((a >> 8) + 1u)), 0x1p-24f);
    const int32_t k = int32_t(b >> 8);
    const int32_t quarter = (k + (1 << 21)) >> 22;
    const float t = mul(float(k - quarter * (1 << 22)), 0x1.921fb6p-22f);  // 2 pi 2^-24
    turned(root(mul(-2.0f, log_series(u))), t, quarter, n0, n1);
}

GD_DEVICE void box_muller(uint64_t a, uint64_t b, double& n0, double& n1) {
    const double u = mul(double(int64_t((a >> 11) + 1u)), 0x1p-53);
    const int64_t k = int64_t(b >> 11);
    const int64_t quarter = (k + (int64_t(1) << 50)) >> 51;
    const double t = mul(double(k - quarter * (int64_t(1) << 51)), 0x1.921fb54442d18p-51);
    turned(root(mul(-2.0, log_series(u))), t, int(quarter), n0, n1);
}

// N elements made of one block: written as 16 bytes, or one by one at the end of the result.
template <class T, int N>
struct alignas(16) Draw {
    T v[N];

    GD_DEVICE void store(T* out, int64_t block, int64_t n) const {
        const int64_t first = block * N;
        if (first + N <= n) {
            *reinterpret_cast<Draw*>(out + first) = *this;
            return;
        }
#pragma unroll
        for (int i = 0; i < N; ++i)
            if (first + i < n) out[first + i] = v[i];
    }
};

GD_DEVICE int64_t own_block() { return int64_t(blockIdx.x) * kThreads + threadIdx.x; }

__global__ void __launch_bounds__(kThreads)
philox_bits(uint32_t* __restrict__ out, uint64_t seed, uint64_t stream, uint64_t offset, int64_t n) {
    const int64_t block = own_block();
    const Words w = philox(seed, stream, offset + uint64_t(block));
    Draw<uint32_t, 4>{{w.v[0], w.v[1], w.v[2], w.v[3]}}.store(out, block, n);
}

__global__ void __launch_bounds__(kThreads)
philox_bits64(uint64_t* __restrict__ out, uint64_t seed, uint64_t stream, uint64_t offset, int64_t n) {
    const int64_t block = own_block();
    const Words w = philox(seed, stream, offset + uint64_t(block));
    Draw<uint64_t, 2>{{word64(w.v[0], w.v[1]), word64(w.v[2], w.v[3])}}.store(out, block, n);
}

GD_DEVICE Draw<float, 4> uniform_of(const Words& w, float) {
    return {{unit(w.v[0]), unit(w.v[1]), unit(w.v[2]), unit(w.v[3])}};
}

GD_DEVICE Draw<double, 2> uniform_of(const Words& w, double) {
    return {{unit(word64(w.v[0], w.v[1])), unit(word64(w.v[2], w.v[3]))}};
}

template <class T>
__global__ void __launch_bounds__(kThreads)
philox_uniform(T* __restrict__ out, uint64_t seed, uint64_t stream, uint64_t offset, int64_t n) {
    const int64_t block = own_block();
    uniform_of(philox(seed, stream, offset + uint64_t(block)), T(0)).store(out, block, n);
}

GD_DEVICE Draw<float, 4> normal_of(const Words& w, float) {
    Draw<float, 4> made;
    box_muller(w.v[0], w.v[1], made.v[0], made.v[1]);
    box_muller(w.v[2], w.v[3], made.v[2], made.v[3]);
    return made;
}

GD_DEVICE Draw<double, 2> normal_of(const Words& w, double) {
    Draw<double, 2> made;
    box_muller(word64(w.v[0], w.v[1]), word64(w.v[2], w.v[3]), made.v[0], made.v[1]);
    return made;
}

template <class T>
__global__ void __launch_bounds__(kThreads)
philox_normal(T* __restrict__ out, uint64_t seed, uint64_t stream, uint64_t offset, int64_t n) {
    const int64_t block = own_block();
    normal_of(philox(seed, stream, offset + uint64_t(block)), T(0)).store(out, block, n);
}

// low + floor(word * range / 2^bits): a 64-bit word for ranges up to 2^32, a whole block beyond.
__global__ void __launch_bounds__(kThreads)
philox_randint(int64_t* __restrict__ out, uint64_t seed, uint64_t stream, uint64_t offset, int64_t n, uint64_t low,
               uint64_t range) {
    const int64_t block = own_block();
    const Words w = philox(seed, stream, offset + uint64_t(block));
    const uint64_t w0 = word64(w.v[0], w.v[1]), w1 = word64(w.v[2], w.v[3]);
    if (range <= uint64_t(1) << 32) {
        Draw<int64_t, 2>{{int64_t(low + __umul64hi(w0, range)), int64_t(low + __umul64hi(w1, range))}}.store(out, block, n);
        return;
    }
    const uint64_t carried = __umul64hi(w1, range);
    const uint64_t carry = w0 * range + carried < carried ? 1 : 0;
    if (block < n) out[block] = int64_t(low + __umul64hi(w0, range) + carry);
}
