// Warp collectives and ldmatrix, a kernel each. Where a mask is taken, a part of a warp is tried too.
#include "kernel.cuh"

constexpr unsigned kFew = 0x000fffffu;  // lanes 0 to 19

#define SHUFFLE(name, function, by)                                      \
    template <class T>                                                   \
    KERNEL(name, T, T, T) {                                              \
        HERE;                                                            \
        out[t] = function(kWarp, x[t], by);                              \
        out[n + t] = function(kWarp, x[t], by, 8);                       \
        out[2 * n + t] = x[t];                                           \
        if (lane < 20) out[2 * n + t] = function(kFew, x[t], by % 4, 4); \
    }
SHUFFLE(shfl, __shfl_sync, (t * 7 + 3))
SHUFFLE(shfl_up, __shfl_up_sync, 3)
SHUFFLE(shfl_down, __shfl_down_sync, 5)
SHUFFLE(shfl_xor, __shfl_xor_sync, 6)

#define VOTE(name, function)                                      \
    KERNEL(name, int, int, unsigned) {                            \
        HERE;                                                     \
        out[t] = function(kWarp, x[t]);                           \
        out[n + t] = 7;                                           \
        if (lane < 20) out[n + t] = function(kFew, x[t] & 2);     \
    }
VOTE(ballot_, __ballot_sync)
VOTE(any_, __any_sync)
VOTE(all_, __all_sync)

template <class T>
KERNEL(match_any, T, T, unsigned) {
    HERE;
    out[t] = __match_any_sync(kWarp, x[t]);
    out[n + t] = 7;
    if (lane < 20) out[n + t] = __match_any_sync(kFew, x[t]);
}
template <class T>
KERNEL(match_all, T, T, unsigned) {
    HERE;
    int same;
    out[t] = __match_all_sync(kWarp, x[t], &same);
    out[n + t] = same;
    out[2 * n + t] = __match_all_sync(kWarp, x[t / 32], &same);
    out[3 * n + t] = same;
}

KERNEL(syncwarp, int, int, int) {
    HERE;
    __shared__ int s[256];
    s[t] = x[t];
    __syncwarp();
    out[t] = s[t ^ 31];
    __syncwarp();
    s[t] = ~x[t];
    if (lane < 20) {
        __syncwarp(kFew);
        out[n + t] = s[t ^ 1];
    } else {
        out[n + t] = 0;
    }
}
// Which lanes run together is left to the machine; the one that asks is among them.
KERNEL(activemask, int, int, unsigned) {
    HERE;
    out[t] = __activemask() >> lane & 1u;
}

#define LOAD_MATRIX(name, count)                                            \
    KERNEL(name##_, uint16_t, int, uint32_t) {                              \
        HERE;                                                               \
        __shared__ __align__(16) uint16_t s[256];                           \
        for (int i = t; i < 64 * count; i += n) s[i] = x[i];                \
        __syncthreads();                                                    \
        uint32_t r[count];                                                  \
        name(r, s + lane % (8 * count) * 8);                                \
        for (int i = 0; i < count; ++i) out[t * count + i] = r[i];          \
    }
LOAD_MATRIX(ldmatrix_x4, 4)
LOAD_MATRIX(ldmatrix_x4_trans, 4)
LOAD_MATRIX(ldmatrix_x2, 2)
LOAD_MATRIX(ldmatrix_x2_trans, 2)
