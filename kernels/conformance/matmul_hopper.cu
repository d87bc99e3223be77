// C = A B^T of bfloat16 matrices on the tensor cores of Hopper: one thread asks the tensor memory accelerator for slices,
// mbarriers hand them over, two warpgroups multiply them with wgmma. It shows that the emulator has these instructions
// right, and compiles for sm_90a alone.
#include <gpudl/device.cuh>

namespace {

// A row of a slice is 64 elements, the 128 bytes of the swizzle. A warpgroup has 64 rows of C.
constexpr int BM = 128, BN = 64, BK = 64, STAGES = 4, GROUPS = BM / 64, THREADS = 128 * (1 + GROUPS);
constexpr int A_SLICE = BM * BK, B_SLICE = BN * BK;
constexpr int SLICE_BYTES = (A_SLICE + B_SLICE) * 2;

}  // namespace

// The maps have boxes of BM x BK and BN x BK; what lies outside of the matrices arrives as zeros. kernels/conformance/specs.py
// counts the same bytes of shared memory.
__global__ void __launch_bounds__(THREADS, 1) matmul_hopper(const __grid_constant__ TensorMap a,
                                                            const __grid_constant__ TensorMap b, float* c, int32_t M,
                                                            int32_t N, int32_t K) {
    GPUDL_DYNAMIC_SHARED(bf16, a_slices);
    bf16* const b_slices = a_slices + STAGES * A_SLICE;
    __shared__ uint64_t filled[STAGES], emptied[STAGES];
    const int group = threadIdx.x / 128;
    const int m0 = blockIdx.y * BM, n0 = blockIdx.x * BN;
    const int slices = (K + BK - 1) / BK;
    if (threadIdx.x == 0) {
        for (int s = 0; s < STAGES; ++s) {
            mbarrier_init(&filled[s], 1);
            mbarrier_init(&emptied[s], 4 * GROUPS);  // a warp each
        }
        mbarrier_init_fence();
    }
    __syncthreads();

    if (group == GROUPS) {
        setmaxnreg_dec<40>();
        if (threadIdx.x % 128 != 0) return;
        for (int s = 0; s < slices; ++s) {
            const int stage = s % STAGES, round = s / STAGES;
            mbarrier_wait(&emptied[stage], (round ^ 1) & 1);
            mbarrier_arrive_expect_tx(&filled[stage], SLICE_BYTES);
            tma_load_2d(a_slices + stage * A_SLICE, &a, s * BK, m0, &filled[stage]);
            tma_load_2d(b_slices + stage * B_SLICE, &b, s * BK, n0, &filled[stage]);
        }
        return;
    }

    setmaxnreg_inc<232>();
    float acc[32];
#pragma unroll
    for (int i = 0; i < 32; ++i) acc[i] = 0;
    for (int s = 0; s < slices; ++s) {
        const int stage = s % STAGES, round = s / STAGES;
        mbarrier_wait(&filled[stage], round & 1);
        const uint64_t left = wgmma_descriptor_128b(a_slices + stage * A_SLICE + group * 64 * BK);
        const uint64_t right = wgmma_descriptor_128b(b_slices + stage * B_SLICE);
        wgmma_fence();
#pragma unroll
        for (int step = 0; step < BK / 16; ++step) wgmma_m64n64k16_bf16(acc, left + step * 2, right + step * 2, 1);
        wgmma_commit();
        wgmma_wait<0>();
        if (threadIdx.x % 32 == 0) mbarrier_arrive(&emptied[stage]);
    }
    const int lane = threadIdx.x % 32, m_first = m0 + threadIdx.x / 32 * 16 + lane / 4, n_first = n0 + lane % 4 * 2;
#pragma unroll
    for (int j = 0; j < 8; ++j) {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            const int m = m_first + e / 2 * 8, n = n_first + j * 8 + e % 2;
            if (m < M && n < N) c[int64_t(m) * N + n] = acc[4 * j + e];
        }
    }
}
