// Functions of real numbers under one name for float and double.
#pragma once
#include <gpudl/device.cuh>

namespace real {

#define GPUDL_UNARY(name)                                    \
    GD_DEVICE float name(float x) { return ::name##f(x); }   \
    GD_DEVICE double name(double x) { return ::name(x); }
#define GPUDL_BINARY(name)                                                \
    GD_DEVICE float name(float x, float y) { return ::name##f(x, y); }    \
    GD_DEVICE double name(double x, double y) { return ::name(x, y); }

GPUDL_UNARY(exp)
GPUDL_UNARY(expm1)
GPUDL_UNARY(log)
GPUDL_UNARY(log1p)
GPUDL_UNARY(log2)
GPUDL_UNARY(log10)
GPUDL_UNARY(sqrt)
GPUDL_UNARY(sin)
GPUDL_UNARY(cos)
GPUDL_UNARY(tan)
GPUDL_UNARY(asin)
GPUDL_UNARY(acos)
GPUDL_UNARY(atan)
GPUDL_UNARY(sinh)
GPUDL_UNARY(cosh)
GPUDL_UNARY(tanh)
GPUDL_UNARY(asinh)
GPUDL_UNARY(acosh)
GPUDL_UNARY(atanh)
GPUDL_UNARY(floor)
GPUDL_UNARY(ceil)
GPUDL_UNARY(trunc)
GPUDL_UNARY(rint)
GPUDL_UNARY(fabs)
GPUDL_UNARY(erf)
GPUDL_UNARY(erfc)
GPUDL_BINARY(pow)
GPUDL_BINARY(fmod)
GPUDL_BINARY(atan2)
GPUDL_BINARY(hypot)
GPUDL_BINARY(copysign)
GPUDL_BINARY(nextafter)
#undef GPUDL_UNARY
#undef GPUDL_BINARY

// Tests on bits: they hold whatever the compiler assumes about NaN.
GD_DEVICE uint32_t bits(float x) { return __float_as_uint(x); }
GD_DEVICE uint64_t bits(double x) { return uint64_t(__double_as_longlong(x)); }
GD_DEVICE bool isnan(float x) { return (bits(x) & 0x7fffffffu) > 0x7f800000u; }
GD_DEVICE bool isnan(double x) { return (bits(x) & 0x7fffffffffffffffull) > 0x7ff0000000000000ull; }
GD_DEVICE bool isinf(float x) { return (bits(x) & 0x7fffffffu) == 0x7f800000u; }
GD_DEVICE bool isinf(double x) { return (bits(x) & 0x7fffffffffffffffull) == 0x7ff0000000000000ull; }
GD_DEVICE bool isfinite(float x) { return (bits(x) & 0x7f800000u) != 0x7f800000u; }
GD_DEVICE bool isfinite(double x) { return (bits(x) & 0x7ff0000000000000ull) != 0x7ff0000000000000ull; }
GD_DEVICE bool signbit(float x) { return bits(x) >> 31; }
GD_DEVICE bool signbit(double x) { return bits(x) >> 63; }

GD_DEVICE float infinity(float) { return __int_as_float(0x7f800000); }
GD_DEVICE double infinity(double) { return __longlong_as_double(0x7ff0000000000000ll); }

// 1 / (1 + exp(-x)) from the exponential of a negative number only: no overflow on either side.
template <class T>
GD_DEVICE T sigmoid(T x) {
    const T e = real::exp(-real::fabs(x));
    return (x >= T(0) ? T(1) : e) / (T(1) + e);
}

// The normal distribution function; relative accuracy in the lower tail too.
template <class T>
GD_DEVICE T normal_cdf(T x) {
    return T(0.5) * real::erfc(x * T(-0.70710678118654752440));
}

// The inverse of erf in single precision (Giles 2010, "Approximating the erfinv function").
GD_DEVICE float erfinv(float x) {
    if (real::fabs(x) == 1.0f) return x * infinity(x);
    float w = -real::log((1.0f - x) * (1.0f + x)), p;
    if (w < 5.0f) {
        w -= 2.5f;
        p = 2.81022636e-08f;
        p = p * w + 3.43273939e-07f;
        p = p * w - 3.5233877e-06f;
        p = p * w - 4.39150654e-06f;
        p = p * w + 0.00021858087f;
        p = p * w - 0.00125372503f;
        p = p * w - 0.00417768164f;
        p = p * w + 0.246640727f;
        p = p * w + 1.50140941f;
    } else {
        w = real::sqrt(w) - 3.0f;
        p = -0.000200214257f;
        p = p * w + 0.000100950558f;
        p = p * w + 0.00134934322f;
        p = p * w - 0.00367342844f;
        p = p * w + 0.00573950773f;
        p = p * w - 0.0076224613f;
        p = p * w + 0.00943887047f;
        p = p * w + 1.00167406f;
        p = p * w + 2.83297682f;
    }
    return p * x;
}

// In double precision: Winitzki's guess, good to three digits, then Halley's iteration, which triples them.
GD_DEVICE double erfinv(double x) {
    const double a = real::fabs(x);
    if (a == 0.0) return x;
    if (a == 1.0) return x * infinity(x);
    const double l = real::log1p(-a * a), t = 4.3307467508 + 0.5 * l;
    double y = real::sqrt(real::sqrt(t * t - l / 0.147) - t);
    for (int i = 0; i < 3; ++i) {
        const double error = a < 0.5 ? real::erf(y) - a : (1.0 - a) - real::erfc(y);
        const double step = error / (1.12837916709551257390 * real::exp(-y * y));
        y -= step / (1.0 + y * step);
    }
    return real::copysign(y, x);
}

}  // namespace real

// Integers: arithmetic wraps around, as NumPy's does, so it is done without a sign.
namespace whole {

template <class T>
struct Unsigned {
    using type = T; // bool and the unsigned types themselves
};
template <>
struct Unsigned<int8_t> {
    using type = uint8_t;
};
template <>
struct Unsigned<int16_t> {
    using type = uint16_t;
};
template <>
struct Unsigned<int32_t> {
    using type = uint32_t;
};
template <>
struct Unsigned<int64_t> {
    using type = uint64_t;
};
template <class T>
using unsigned_t = typename Unsigned<T>::type;

template <class T>
constexpr bool is_signed = T(-1) < T(0);

template <class T>
GD_DEVICE bool negative(T x) {
    if constexpr (is_signed<T>) return x < T(0);
    else return false;
}

template <class T>
GD_DEVICE T add(T a, T b) {
    return T(unsigned_t<T>(a) + unsigned_t<T>(b));
}
template <class T>
GD_DEVICE T subtract(T a, T b) {
    return T(unsigned_t<T>(a) - unsigned_t<T>(b));
}
template <class T>
GD_DEVICE T multiply(T a, T b) {
    // At least 32 bits wide: 16-bit factors would be promoted to int, and their product overflow.
    return T((unsigned_t<T>(a) + 0u) * (unsigned_t<T>(b) + 0u));
}

// The quotient rounded down, 0 for a divisor of 0; the least number by -1 stays.
template <class T>
GD_DEVICE T floor_divide(T a, T b) {
    if (b == T(0)) return T(0);
    if (is_signed<T> && b == T(-1)) return subtract(T(0), a);
    const T quotient = T(a / b);
    return a % b != T(0) && negative(a) != negative(b) ? T(quotient - T(1)) : quotient;
}

// What the quotient leaves, with the sign of the divisor.
template <class T>
GD_DEVICE T remainder(T a, T b) {
    if (b == T(0) || (is_signed<T> && b == T(-1))) return T(0);
    const T rest = T(a % b);
    return rest != T(0) && negative(rest) != negative(b) ? T(rest + b) : rest;
}

// By squaring. A negative exponent, refused above, leaves 0.
template <class T>
GD_DEVICE T pow(T a, T b) {
    T result = T(negative(b) ? 0 : 1);
    for (; b > T(0); b = T(b >> 1)) {
        if (b & T(1)) result = multiply(result, a);
        a = multiply(a, a);
    }
    return result;
}

// Shifts by the width or more, or by a negative number, push everything out.
template <class T>
GD_DEVICE T shift_left(T a, T b) {
    const unsigned_t<T> by = unsigned_t<T>(b);
    return by < sizeof(T) * 8 ? T(unsigned_t<T>(a) << by) : T(0);
}
template <class T>
GD_DEVICE T shift_right(T a, T b) {
    const unsigned_t<T> by = unsigned_t<T>(b);
    return by < sizeof(T) * 8 ? T(a >> by) : T(negative(a) ? -1 : 0);
}

}  // namespace whole
