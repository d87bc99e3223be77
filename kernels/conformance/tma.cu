// Tiles by the tensor memory accelerator of sm_90, plain and under a swizzle.
#include "kernel.cuh"

// Boxes of 8 x 32 elements (128 bytes a row) from inside the tensor, and from beyond each of its edges.
#define LOAD(name)                                                                                                     \
    __global__ void __launch_bounds__(256) name(const __grid_constant__ TensorMap map, int*, float* out) {              \
        HERE;                                                                                                          \
        GPUDL_DYNAMIC_SHARED(float, box);                                                                              \
        __shared__ uint64_t barrier[1];                                                                                \
        if (t == 0) {                                                                                                  \
            mbarrier_init(barrier, 1);                                                                                 \
            mbarrier_init_fence();                                                                                     \
            mbarrier_arrive_expect_tx(barrier, 3 * 1024);                                                              \
            tma_load_2d(box, &map, 8, 4, barrier);                                                                     \
            tma_load_2d(box + 256, &map, -4, 9, barrier);                                                              \
            tma_load_2d(box + 512, &map, 24, -3, barrier);                                                             \
        }                                                                                                              \
        __syncthreads();                                                                                               \
        mbarrier_wait(barrier, 0);                                                                                     \
        for (int i = t; i < 3 * 256; i += n) out[i] = box[i];                                                          \
    }
LOAD(tma_plain)
LOAD(tma_swizzled)
