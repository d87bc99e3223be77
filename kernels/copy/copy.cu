// Copies between any strides. Elements are moved as bits: T is an unsigned type of their size.
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

// n elements from y on become `bits`. Bandwidth: size of y written once, 16 bytes an access.
template <class T>
__global__ void __launch_bounds__(kThreads) fill(T* __restrict__ y, int64_t n, uint64_t bits) {
    constexpr int V = 16 / int(sizeof(T));
    const int64_t first = (int64_t(blockIdx.x) * kThreads + threadIdx.x) * V;
    Pack<T, V> pack;
#pragma unroll
    for (int v = 0; v < V; ++v) pack.value[v] = T(bits);
    if (first < n) store_pack(y + first, pack, n - first < V ? int(n - first) : V);
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
