// C = A B^T of bfloat16 matrices on the tensor cores of Ampere: cp.async into three stages of shared memory, ldmatrix,
// mma.sync. It shows that the emulator has these instructions right; gemm.cuh computes the products of the engine.
#include <gpudl/device.cuh>

namespace {

constexpr int BM = 64, BN = 64, BK = 32, STAGES = 3, THREADS = 128;

// Where chunk c of 16 bytes of a row lies, in elements. A row has four chunks, so two rows fill the 32 banks: with the
// chunks turned by row / 2, the eight rows of an 8 x 8 matrix lie in eight different groups of banks.
GD_DEVICE int place(int row, int c) { return row * BK + (c ^ (row / 2 % 4)) * 8; }

// One slice of BM rows of a matrix from (row0, k0) on; zeros outside.
GD_DEVICE void fetch(bf16* to, const bf16* from, int row0, int rows, int k0, int K) {
    for (int i = threadIdx.x; i < BM * 4; i += THREADS) {
        const int row = i / 4, c = i % 4, k = k0 + c * 8;
        const bool inside = row0 + row < rows && k < K;
        cp_async16(to + place(row, c), inside ? from + int64_t(row0 + row) * K + k : from, inside);
    }
}

}  // namespace

// A[M][K], B[N][K], C[M][N], rows side by side, aligned to 16 bytes: K is a multiple of 8. Four warps, 32 x 32 each.
__global__ void __launch_bounds__(THREADS)
    matmul_ampere(const bf16* a, const bf16* b, float* c, int32_t M, int32_t N, int32_t K) {
    static_assert(BM == BN, "fetch takes both");
    __shared__ __align__(16) bf16 a_slices[STAGES][BM * BK];
    __shared__ __align__(16) bf16 b_slices[STAGES][BN * BK];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const int m0 = blockIdx.y * BM, n0 = blockIdx.x * BN;
    const int warp_m = warp / 2 * 32, warp_n = warp % 2 * 32;
    const int slices = (K + BK - 1) / BK;

    // A group of copies is committed for every slice, there or not, so that the waits can count groups.
    for (int s = 0; s < STAGES - 1; ++s) {
        if (s < slices) {
            fetch(a_slices[s], a, m0, M, s * BK, K);
            fetch(b_slices[s], b, n0, N, s * BK, K);
        }
        cp_async_commit();
    }
    float acc[2][4][4] = {};
    for (int s = 0; s < slices; ++s) {
        cp_async_wait<STAGES - 2>();
        __syncthreads();  // slice s is there for all, and nobody reads the one before it any more
        const int next = s + STAGES - 1;
        if (next < slices) {
            fetch(a_slices[next % STAGES], a, m0, M, next * BK, K);
            fetch(b_slices[next % STAGES], b, n0, N, next * BK, K);
        }
        cp_async_commit();
        const bf16* a_slice = a_slices[s % STAGES];
        const bf16* b_slice = b_slices[s % STAGES];
#pragma unroll
        for (int step = 0; step < BK / 16; ++step) {
            uint32_t left[2][4], right[4][2];
#pragma unroll
            for (int i = 0; i < 2; ++i)
                ldmatrix_x4(left[i], a_slice + place(warp_m + i * 16 + lane % 16, step * 2 + lane / 16));
#pragma unroll
            for (int j = 0; j < 4; j += 2) {
                uint32_t pair[4];  // two fragments: 16 columns of C
                const int n = warp_n + j * 8 + lane / 16 * 8 + lane % 8;
                ldmatrix_x4(pair, b_slice + place(n, step * 2 + lane / 8 % 2));
                right[j][0] = pair[0];
                right[j][1] = pair[1];
                right[j + 1][0] = pair[2];
                right[j + 1][1] = pair[3];
            }
#pragma unroll
            for (int i = 0; i < 2; ++i) {
#pragma unroll
                for (int j = 0; j < 4; ++j) mma_m16n8k16_bf16(acc[i][j], left[i], right[j]);
            }
        }
    }
#pragma unroll
    for (int i = 0; i < 2; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const int m = m0 + warp_m + i * 16 + lane / 4 + e / 2 * 8;
                const int n = n0 + warp_n + j * 8 + lane % 4 * 2 + e % 2;
                if (m < M && n < N) c[int64_t(m) * N + n] = acc[i][j][e];
            }
        }
    }
}
