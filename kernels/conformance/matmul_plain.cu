// C = A B^T of bfloat16 matrices, summed in float: an element a thread, for cards without bfloat16 tensor cores.
#include <gpudl/device.cuh>

// A[M][K], B[N][K], C[M][N], rows side by side.
__global__ void __launch_bounds__(256)
    matmul_plain(const bf16* a, const bf16* b, float* c, int32_t M, int32_t N, int32_t K) {
    const int n = blockIdx.x * 32 + threadIdx.x % 32;
    const int m = blockIdx.y * 8 + threadIdx.x / 32;
    if (m >= M || n >= N) return;
    float sum = 0;
    for (int k = 0; k < K; ++k) sum += to_float(a[int64_t(m) * K + k]) * to_float(b[int64_t(n) * K + k]);
    c[int64_t(m) * N + n] = sum;
}
