// Matrix products C = activation(A B + bias) over any number of batches, and the sum over the parts of a split k.
#include <gpudl/gemm.cuh>

namespace {

constexpr int BATCH_AXES = 4;

// Blocks that a multiprocessor must hold at least. Left to itself, ptxas spills to hold more.
template <class T>
constexpr int RESIDENT = sizeof(T) == 4 ? 2 : 1;

// kernels/matmul/gpu.py packs the same bytes. Strides count elements. a_ld is the stride between rows of memory, of
// the axis that does not lie side by side. Batches are numbered with the last axis fastest.
struct Product {
    int64_t a_ld, b_ld;
    int64_t a_batch[BATCH_AXES], b_batch[BATCH_AXES];
    int32_t batch[BATCH_AXES];
    int32_t M, N, K;
    int32_t chunk;  // steps of k a part: a multiple of BK
    int32_t parts;
    int32_t tiles;  // of a matrix
    int32_t a_quads, b_quads, c_quads;  // whether its rows are aligned to 16 bytes
    int32_t activation;
};

// A matrix of which one axis lies side by side: A(m, k) or B(k, n), by its place i along the tile and by k.
template <class T, bool ALONG_>
struct Matrix {
    static constexpr bool ALONG = ALONG_;
    struct Place {
        int64_t offset;  // below 0 outside
    };
    using Step = Place;

    const T* data;
    int64_t ld;
    int32_t extent, k_end;
    bool quads;

    GD_DEVICE Place place(int i) const { return {i < extent ? (ALONG ? i : i * ld) : OUTSIDE}; }
    GD_DEVICE Step step(int k) const { return {k < k_end ? (ALONG ? k * ld : k) : OUTSIDE}; }
    GD_DEVICE const T* at(const Place& place, const Step& step) const {
        return place.offset != OUTSIDE && step.offset != OUTSIDE ? data + place.offset + step.offset : nullptr;
    }
    GD_DEVICE bool whole(int i) const { return quads && i + 3 < extent; }
    GD_DEVICE const T* base() const { return data; }

private:
    static constexpr int64_t OUTSIDE = int64_t(1) << 62;
};

}  // namespace

// nn, nt, tn and tt by what lies side by side: A_ALONG for a transposed A, B_ALONG for a B that is not. Bound by FMA: of
// floats the large tile does 2 128 64 / (4 (128 + 64)) = 21 FLOPs for a byte that it fetches, the small one 16.
template <class T, class Tile, bool A_ALONG, bool B_ALONG>
__global__ void __launch_bounds__(Tile::THREADS, RESIDENT<T>)
    matmul(const T* a, const T* b, const T* bias, T* c, Product p) {
    const int tile = blockIdx.x % p.tiles;
    const int64_t matrix = blockIdx.x / p.tiles;  // part * batches + batch: C's number
    const int64_t batches = int64_t(p.batch[0]) * p.batch[1] * p.batch[2] * p.batch[3];
    const int part = matrix / batches;
    int64_t rest = matrix % batches;
#pragma unroll
    for (int axis = BATCH_AXES - 1; axis >= 0; --axis) {
        const int64_t i = rest % p.batch[axis];
        rest /= p.batch[axis];
        a += i * p.a_batch[axis];
        b += i * p.b_batch[axis];
    }
    const int k_begin = part * p.chunk;
    const int k_end = p.K - k_begin < p.chunk ? p.K : k_begin + p.chunk;
    int m0, n0;
    locate_tile<Tile>(tile, p.M, p.N, m0, n0);

    T acc[Tile::TM][Tile::TN];
    const Matrix<T, A_ALONG> rows{a, p.a_ld, p.M, k_end, p.a_quads != 0};
    const Matrix<T, B_ALONG> columns{b, p.b_ld, p.N, k_end, p.b_quads != 0};
    accumulate<Tile>(rows, columns, m0, n0, k_begin, k_end, acc);
    T* const out = c + matrix * p.M * p.N;
    write<Tile>(acc, m0, n0, p.M, p.N, bias, p.activation, p.c_quads != 0, [&](int m) { return out + int64_t(m) * p.N; });
}

// C = activation(sum of the parts + bias), in the order of the parts: the same bits every time. Bound by bandwidth:
// (parts + 1) size elements. Columns are the last axis of C, along which the bias lies.
template <class T>
__global__ void __launch_bounds__(256)
    sum_parts(const T* parts, const T* bias, T* c, int64_t size, int32_t count, int32_t columns, int32_t activation) {
    const int64_t i = int64_t(blockIdx.x) * 256 + threadIdx.x;
    if (i >= size) return;
    T sum = parts[i];
    for (int part = 1; part < count; ++part) sum += parts[part * size + i];
    if (bias) sum += bias[i % columns];
    c[i] = activated(sum, activation);
}

// y[i] = activation(the sum over k of A(i, k) x(k), plus bias), k side by side in both: a warp a row, VEC elements a
// load. Bound by bandwidth: every element of A is read once for one FMA, half a FLOP a byte of float.
template <class T, int VEC>
__global__ void __launch_bounds__(256) matrix_vector(const T* a, const T* x, const T* bias, T* y, int64_t ld,
                                                     int32_t rows, int32_t K, int32_t bias_step, int32_t activation) {
    struct alignas(VEC * sizeof(T)) Pack {
        T value[VEC];
    };
    const int64_t row = int64_t(blockIdx.x) * 8 + threadIdx.x / 32;
    const int lane = threadIdx.x % 32;
    if (row >= rows) return;
    T sum = T(0);
#pragma unroll 4
    for (int k = lane * VEC; k < K; k += 32 * VEC) {
        const Pack left = *reinterpret_cast<const Pack*>(a + row * ld + k);
        const Pack right = *reinterpret_cast<const Pack*>(x + k);
#pragma unroll
        for (int e = 0; e < VEC; ++e) sum += left.value[e] * right.value[e];
    }
#pragma unroll
    for (int d = 16; d > 0; d /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, d);
    if (lane == 0) y[row] = activated(bias ? sum + bias[row * bias_step] : sum, activation);
}
