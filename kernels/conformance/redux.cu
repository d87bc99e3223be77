// Integer reductions of a warp in one instruction, of sm_80.
#include "kernel.cuh"

#define REDUCE(name, function)                                            \
    template <class T>                                                    \
    KERNEL(name, T, T, T) {                                               \
        HERE;                                                             \
        out[t] = function(kWarp, x[t]);                                   \
        out[n + t] = 7;                                                   \
        if (lane < 20) out[n + t] = function(0x000fffffu, x[t]);          \
    }
REDUCE(reduce_add, __reduce_add_sync)
REDUCE(reduce_min, __reduce_min_sync)
REDUCE(reduce_max, __reduce_max_sync)
REDUCE(reduce_and, __reduce_and_sync)
REDUCE(reduce_or, __reduce_or_sync)
REDUCE(reduce_xor, __reduce_xor_sync)
