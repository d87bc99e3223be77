// Intrinsics of one element each.
#include "kernel.cuh"

#define UNARY(function, X, Out)                    \
    KERNEL(of_##function, X, X, Out) {             \
        out[threadIdx.x] = function(x[threadIdx.x]); \
    }
#define BINARY(function, X, Out)                                     \
    KERNEL(of_##function, X, X, Out) {                               \
        out[threadIdx.x] = function(x[threadIdx.x], y[threadIdx.x]); \
    }
// The third operand is y from the other end.
#define TERNARY(function, X, Out)                                                                      \
    KERNEL(of_##function, X, X, Out) {                                                                 \
        out[threadIdx.x] = function(x[threadIdx.x], y[threadIdx.x], y[blockDim.x - 1 - threadIdx.x]); \
    }

UNARY(__float_as_int, float, int)
UNARY(__float_as_uint, float, unsigned)
UNARY(__int_as_float, int, float)
UNARY(__uint_as_float, unsigned, float)
UNARY(__double_as_longlong, double, long long)
UNARY(__longlong_as_double, long long, double)
UNARY(isnan, float, int)
UNARY(isinf, float, int)
UNARY(isfinite, float, int)

BINARY(__fadd_rn, float, float)
BINARY(__fsub_rn, float, float)
BINARY(__fmul_rn, float, float)
BINARY(__fdiv_rn, float, float)
TERNARY(__fmaf_rn, float, float)
UNARY(__frcp_rn, float, float)
UNARY(__fsqrt_rn, float, float)
UNARY(__frsqrt_rn, float, float)
BINARY(__dadd_rn, double, double)
BINARY(__dmul_rn, double, double)
TERNARY(__fma_rn, double, double)
UNARY(__float2int_rn, float, int)
UNARY(__float2int_rz, float, int)
UNARY(__float2int_rd, float, int)
UNARY(__int2float_rn, int, float)
UNARY(__uint2float_rn, unsigned, float)
UNARY(__saturatef, float, float)

UNARY(__expf, float, float)
UNARY(__exp10f, float, float)
UNARY(__logf, float, float)
UNARY(__log2f, float, float)
UNARY(__sinf, float, float)
UNARY(__cosf, float, float)
BINARY(__powf, float, float)
BINARY(__fdividef, float, float)
UNARY(rsqrtf, float, float)
UNARY(rsqrt, double, double)

UNARY(__popc, unsigned, int)
UNARY(__popcll, unsigned long long, int)
UNARY(__clz, int, int)
UNARY(__clzll, long long, int)
UNARY(__ffs, int, int)
UNARY(__brev, unsigned, unsigned)
BINARY(__umulhi, unsigned, unsigned)
BINARY(__mulhi, int, int)
BINARY(__umul64hi, unsigned long long, unsigned long long)
TERNARY(__funnelshift_l, unsigned, unsigned)
TERNARY(__funnelshift_r, unsigned, unsigned)

// Selectors of three bits: the fourth would replicate a sign.
KERNEL(of___byte_perm, unsigned, unsigned, unsigned) {
    HERE;
    out[t] = __byte_perm(x[t], y[t], y[n - 1 - t] & 0x7777u);
}

template <class T>
KERNEL(smaller, T, T, T) {
    HERE;
    out[t] = min(x[t], T(y[t]));
}
template <class T>
KERNEL(larger, T, T, T) {
    HERE;
    out[t] = max(x[t], T(y[t]));
}

// Loads and stores with hints for the cache.
template <class T>
KERNEL(hinted, T, T, T) {
    HERE;
    __stcs(out + t, __ldg(x + t));
    __stcg(out + n + t, __ldcs(x + t));
    out[2 * n + t] = __ldcg(x + t);
}
