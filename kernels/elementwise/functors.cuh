// What elementwise kernels compute for one element: a struct for each row of the table, in NumPy's semantics.
#pragma once
#include <gpudl/activations.cuh>

// A function of one number, written in terms of x of type T.
#define GPUDL_FUNCTION(Name, ...)              \
    struct Name {                              \
        template <class T>                     \
        GD_DEVICE T operator()(T x) const {    \
            return __VA_ARGS__;                \
        }                                      \
    };
// Of two numbers a and b.
#define GPUDL_FUNCTION2(Name, ...)               \
    struct Name {                                \
        template <class T>                       \
        GD_DEVICE T operator()(T a, T b) const { \
            return __VA_ARGS__;                  \
        }                                        \
    };
// The gradient g passed back through a function at x, its operand or, where `Name` says so below, its result.
#define GPUDL_BACKWARD(Name, ...)                \
    struct Name {                                \
        template <class T>                       \
        GD_DEVICE T operator()(T g, T x) const { \
            return __VA_ARGS__;                  \
        }                                        \
    };
#define GPUDL_TEST(Name, ...)                     \
    struct Name {                                 \
        template <class T>                        \
        GD_DEVICE bool operator()(T x) const {    \
            return __VA_ARGS__;                   \
        }                                         \
    };
#define GPUDL_COMPARISON(Name, ...)                 \
    struct Name {                                   \
        template <class T>                          \
        GD_DEVICE bool operator()(T a, T b) const { \
            return __VA_ARGS__;                     \
        }                                           \
    };

// ----- functions of reals -----
GPUDL_FUNCTION(Exp, real::exp(x))
GPUDL_FUNCTION(Expm1, real::expm1(x))
GPUDL_FUNCTION(Log, real::log(x))
GPUDL_FUNCTION(Log1p, real::log1p(x))
GPUDL_FUNCTION(Log2, real::log2(x))
GPUDL_FUNCTION(Log10, real::log10(x))
GPUDL_FUNCTION(Sqrt, real::sqrt(x))
GPUDL_FUNCTION(Sin, real::sin(x))
GPUDL_FUNCTION(Cos, real::cos(x))
GPUDL_FUNCTION(Tan, real::tan(x))
GPUDL_FUNCTION(Asin, real::asin(x))
GPUDL_FUNCTION(Acos, real::acos(x))
GPUDL_FUNCTION(Atan, real::atan(x))
GPUDL_FUNCTION(Sinh, real::sinh(x))
GPUDL_FUNCTION(Cosh, real::cosh(x))
GPUDL_FUNCTION(Tanh, real::tanh(x))
GPUDL_FUNCTION(Asinh, real::asinh(x))
GPUDL_FUNCTION(Acosh, real::acosh(x))
GPUDL_FUNCTION(Atanh, real::atanh(x))
GPUDL_FUNCTION(Floor, real::floor(x))
GPUDL_FUNCTION(Ceil, real::ceil(x))
GPUDL_FUNCTION(Trunc, real::trunc(x))
GPUDL_FUNCTION(Round, real::rint(x))
GPUDL_FUNCTION(Reciprocal, T(1) / x)
GPUDL_FUNCTION(Erf, real::erf(x))
GPUDL_FUNCTION(Erfinv, real::erfinv(x))

// ----- activations -----
GPUDL_FUNCTION(Relu, activations::relu(x))
GPUDL_FUNCTION(Sigmoid, real::sigmoid(x))
GPUDL_FUNCTION(Silu, activations::silu(x))
GPUDL_FUNCTION(Gelu, activations::gelu(x))
GPUDL_FUNCTION(GeluTanh, activations::gelu_tanh(x))

GPUDL_BACKWARD(ReluBwd, x <= T(0) ? T(0) : g) // x: the result
GPUDL_BACKWARD(TanhBwd, g * (T(1) - x * x))   // x: the result
GPUDL_BACKWARD(SiluBwd, g * activations::silu_slope(x))
GPUDL_BACKWARD(GeluBwd, g * activations::gelu_slope(x))
GPUDL_BACKWARD(GeluTanhBwd, g * activations::gelu_tanh_slope(x))

// ----- arithmetic: of reals by the language, of integers wrapping around, of truth values as "or" and "and" -----
template <class T>
struct is_real {
    static constexpr bool value = false;
};
template <>
struct is_real<float> {
    static constexpr bool value = true;
};
template <>
struct is_real<double> {
    static constexpr bool value = true;
};

struct Add {
    template <class T>
    GD_DEVICE T operator()(T a, T b) const {
        if constexpr (is_real<T>::value) return a + b;
        else return whole::add(a, b);
    }
    GD_DEVICE bool operator()(bool a, bool b) const { return a | b; }
};
struct Subtract {
    template <class T>
    GD_DEVICE T operator()(T a, T b) const {
        if constexpr (is_real<T>::value) return a - b;
        else return whole::subtract(a, b);
    }
};
struct Multiply {
    template <class T>
    GD_DEVICE T operator()(T a, T b) const {
        if constexpr (is_real<T>::value) return a * b;
        else return whole::multiply(a, b);
    }
    GD_DEVICE bool operator()(bool a, bool b) const { return a & b; }
};
GPUDL_FUNCTION2(Divide, a / b)
GPUDL_FUNCTION(Square, Multiply()(x, x))

struct Negative {
    template <class T>
    GD_DEVICE T operator()(T x) const {
        if constexpr (is_real<T>::value) return -x;
        else return whole::subtract(T(0), x);
    }
};
struct Abs {
    template <class T>
    GD_DEVICE T operator()(T x) const {
        if constexpr (is_real<T>::value) return real::fabs(x);
        else return whole::negative(x) ? whole::subtract(T(0), x) : x;
    }
};
struct Sign {
    template <class T>
    GD_DEVICE T operator()(T x) const {
        if constexpr (is_real<T>::value) return x > T(0) ? T(1) : x < T(0) ? T(-1) : x == T(0) ? T(0) : x; // NaN stays
        else return whole::negative(x) ? T(-1) : T(x != T(0));
    }
};

struct Pow {
    template <class T>
    GD_DEVICE T operator()(T a, T b) const {
        if constexpr (is_real<T>::value) return real::pow(a, b);
        else return whole::pow(a, b);
    }
};

// A NaN wins.
struct Maximum {
    template <class T>
    GD_DEVICE T operator()(T a, T b) const {
        if constexpr (is_real<T>::value) return a >= b || real::isnan(a) ? a : b;
        else return a >= b ? a : b;
    }
};
struct Minimum {
    template <class T>
    GD_DEVICE T operator()(T a, T b) const {
        if constexpr (is_real<T>::value) return a <= b || real::isnan(a) ? a : b;
        else return a <= b ? a : b;
    }
};

struct FloorDivide {
    template <class T>
    GD_DEVICE T operator()(T a, T b) const {
        if constexpr (!is_real<T>::value) return whole::floor_divide(a, b);
        // The standard counts infinities as a quotient does: inf // 2 is inf and -1 // inf is -0.
        else if (b == T(0) || real::isinf(a) || real::isinf(b)) return a / b;
        else {
            const T rest = real::fmod(a, b);
            T quotient = (a - rest) / b;
            if (rest != T(0) && (b < T(0)) != (rest < T(0))) quotient -= T(1);
            if (quotient == T(0)) return real::copysign(T(0), a / b);
            const T down = real::floor(quotient);
            return quotient - down > T(0.5) ? down + T(1) : down;
        }
    }
};
struct Remainder {
    template <class T>
    GD_DEVICE T operator()(T a, T b) const {
        if constexpr (!is_real<T>::value) return whole::remainder(a, b);
        else {
            const T rest = real::fmod(a, b);
            if (b == T(0)) return rest; // NaN
            if (rest == T(0)) return real::copysign(T(0), b);
            return (b < T(0)) != (rest < T(0)) ? rest + b : rest;
        }
    }
};

GPUDL_FUNCTION2(Atan2, real::atan2(a, b))
GPUDL_FUNCTION2(Hypot, real::hypot(a, b))
GPUDL_FUNCTION2(Copysign, real::copysign(a, b))
GPUDL_FUNCTION2(Nextafter, real::nextafter(a, b))

struct Logaddexp {
    template <class T>
    GD_DEVICE T operator()(T a, T b) const {
        if (a == b) return a + T(0.69314718055994530942); // infinities of one sign too
        const T gap = a - b;
        if (gap > T(0)) return a + real::log1p(real::exp(-gap));
        return gap < T(0) ? b + real::log1p(real::exp(gap)) : gap;
    }
};

// ----- bits -----
GPUDL_FUNCTION2(BitwiseAnd, T(a & b))
GPUDL_FUNCTION2(BitwiseOr, T(a | b))
GPUDL_FUNCTION2(BitwiseXor, T(a ^ b))
GPUDL_FUNCTION2(LeftShift, whole::shift_left(a, b))
GPUDL_FUNCTION2(RightShift, whole::shift_right(a, b))

struct Invert {
    template <class T>
    GD_DEVICE T operator()(T x) const {
        return T(~x);
    }
    GD_DEVICE bool operator()(bool x) const { return !x; }
};

// ----- tests -----
GPUDL_TEST(IsNan, real::isnan(x))
GPUDL_TEST(IsInf, real::isinf(x))
GPUDL_TEST(IsFinite, real::isfinite(x))
GPUDL_TEST(SignBit, real::signbit(x))
GPUDL_TEST(LogicalNot, x == T(0))
GPUDL_COMPARISON(Equal, a == b)
GPUDL_COMPARISON(NotEqual, a != b)
GPUDL_COMPARISON(Less, a < b)
GPUDL_COMPARISON(LessEqual, a <= b)
GPUDL_COMPARISON(Greater, a > b)
GPUDL_COMPARISON(GreaterEqual, a >= b)
GPUDL_COMPARISON(LogicalAnd, (a != T(0)) & (b != T(0)))
GPUDL_COMPARISON(LogicalOr, (a != T(0)) | (b != T(0)))
GPUDL_COMPARISON(LogicalXor, (a != T(0)) != (b != T(0)))

#undef GPUDL_FUNCTION
#undef GPUDL_FUNCTION2
#undef GPUDL_BACKWARD
#undef GPUDL_TEST
#undef GPUDL_COMPARISON

// ----- casts -----
template <class T, class R>
GD_DEVICE R cast_to(T x) {
    // A negative real becomes a small unsigned number by way of a signed one, as on the CPU.
    if constexpr (is_real<T>::value && !is_real<R>::value && sizeof(R) < 4) return R(int32_t(x));
    else return R(x);
}
template <>
GD_DEVICE bool cast_to<float, bool>(float x) {
    return x != 0.0f;
}
template <>
GD_DEVICE bool cast_to<double, bool>(double x) {
    return x != 0.0;
}

template <class R>
struct Cast {
    template <class T>
    GD_DEVICE R operator()(T x) const {
        return cast_to<T, R>(x);
    }
};
