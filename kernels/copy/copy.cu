// Copies between any strides, constants and ranges. Elements are moved as bits: T is an unsigned type of their size.
#include <gpudl/device.cuh>
#include <gpudl/strided.cuh>

// y = x over one index space. Bandwidth: size of x read and size of y written once.
template <class T, int V>
__global__ void __launch_bounds__(kThreads) copy(const T* __restrict__ x, T* __restrict__ y, Strided<2> at) {
    const uint32_t first = first_pack<V>();
    Pack<T, V> packs[kPacks<V>];
    int64_t offset[kPacks<V>][2];
    int count[kPacks<V>];
#pragma unroll
    for (int k = 0; k < kPacks<V>; ++k) {
        count[k] = locate<V>(at, first + k * kThreads, offset[k]);
        packs[k] = load_pack<V>(x + offset[k][1], at.stride[1][0], count[k]);
    }
#pragma unroll
    for (int k = 0; k < kPacks<V>; ++k) store_pack(y + offset[k][0], packs[k], count[k]);
}

// Elements that lie in a row are written in packs of 16 bytes.
template <class T>
constexpr int kRow = 16 / int(sizeof(T));

// The number of the first element of this thread in a row of them.
template <class T>
GD_DEVICE int64_t first_in_row() {
    return (int64_t(blockIdx.x) * kThreads + threadIdx.x) * kRow<T>;
}

// The n elements from y on become value(i). Bandwidth: size of y written once.
template <class T, class Value>
GD_DEVICE void write_row(T* __restrict__ y, int64_t n, Value value) {
    constexpr int V = kRow<T>;
    const int64_t first = first_in_row<T>();
    if (first >= n) return;
    Pack<T, V> pack;
#pragma unroll
    for (int v = 0; v < V; ++v) pack.value[v] = value(first + v);
    store_pack(y + first, pack, n - first < V ? int(n - first) : V);
}

template <class T>
__global__ void __launch_bounds__(kThreads) fill(T* __restrict__ y, int64_t n, uint64_t bits) {
    write_row(y, n, [=](int64_t) { return T(bits); });
}

// start + i * step, of integers wrapping around.
template <class T>
__global__ void __launch_bounds__(kThreads) arange_whole(T* __restrict__ y, int64_t n, uint64_t start, uint64_t step) {
    write_row(y, n, [=](int64_t i) { return T(start + uint64_t(i) * step); });
}

// Each operation is rounded by itself, so that the bits are those of the CPU.
template <class T>
__global__ void __launch_bounds__(kThreads) arange_real(T* __restrict__ y, int64_t n, double start, double step) {
    write_row(y, n, [=](int64_t i) { return T(__dadd_rn(__dmul_rn(double(i), step), start)); });
}

// What lies on and below the diagonal k of planes (rows, columns) of n elements in all, or with `upper` on and above it;
// the rest becomes 0, and is not read. Bandwidth: half of x read and size of y written once.
template <class T>
__global__ void __launch_bounds__(kThreads)
    triangle(const T* __restrict__ x, T* __restrict__ y, uint32_t n, uint32_t rows, uint32_t columns, int64_t k,
             int32_t upper) {
    const uint32_t first = first_pack<1>();
#pragma unroll
    for (int p = 0; p < kPacks<1>; ++p) {
        const uint32_t i = first + p * kThreads;
        if (i >= n) return;
        const uint32_t line = i / columns;
        const int64_t diagonal = int64_t(i - line * columns) - int64_t(line % rows);
        y[i] = (upper ? diagonal >= k : diagonal <= k) ? x[i] : T(0);
    }
}

constexpr int kTile = 32;
constexpr int kTileRows = 8; // threads along the slow side of a tile

// y = x where the fastest axis of y (columns, of unit stride there) is not that of x (rows, of unit stride in x). A tile
// passes through shared memory, so that reads and writes both run along their own fastest axis. The pitch of 33 elements
// keeps the columns of a tile in different banks. `batch` counts the tiles' places along all other axes.
// Bandwidth: x read and y written once.
template <class T>
__global__ void __launch_bounds__(kTile* kTileRows)
    transpose(const T* __restrict__ x, T* __restrict__ y, int64_t x_pitch, int64_t y_pitch, int32_t rows, int32_t columns,
              Strided<2> batch) {
    __shared__ T tile[kTile][kTile + 1];
    const int32_t row_tiles = (rows + kTile - 1) / kTile, column_tiles = (columns + kTile - 1) / kTile;
    const uint32_t block = blockIdx.x / column_tiles;
    const int32_t column = int32_t(blockIdx.x % column_tiles) * kTile;
    const int32_t row = int32_t(block % row_tiles) * kTile;
    int64_t offset[2];
    locate<1>(batch, block / row_tiles, offset);
    const int across = threadIdx.x;
#pragma unroll
    for (int k = threadIdx.y; k < kTile; k += kTileRows) {
        if (row + across < rows && column + k < columns) {
            tile[k][across] = x[offset[1] + (column + k) * x_pitch + row + across];
        }
    }
    __syncthreads();
#pragma unroll
    for (int k = threadIdx.y; k < kTile; k += kTileRows) {
        if (column + across < columns && row + k < rows) {
            y[offset[0] + (row + k) * y_pitch + column + across] = tile[across][k];
        }
    }
}
