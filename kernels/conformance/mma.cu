// mma.sync in each type. x holds the registers of A and y those of B, a warp a product; the accumulators start as 1, 2, ...
#include "kernel.cuh"

#define PRODUCT(name)                                                   \
    KERNEL(name##_, uint32_t, uint32_t, float) {                        \
        HERE;                                                           \
        uint32_t a[4], b[2];                                            \
        float c[4];                                                     \
        for (int i = 0; i < 4; ++i) a[i] = x[4 * t + i];                \
        for (int i = 0; i < 2; ++i) b[i] = y[2 * t + i];                \
        for (int i = 0; i < 4; ++i) c[i] = float(4 * lane + i + 1);     \
        name(c, a, b);                                                  \
        for (int i = 0; i < 4; ++i) out[4 * t + i] = c[i];              \
    }
PRODUCT(mma_m16n8k16_bf16)
PRODUCT(mma_m16n8k16_f16)
PRODUCT(mma_m16n8k8_tf32)
