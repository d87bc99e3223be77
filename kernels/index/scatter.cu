// Adding into zeros, or writing into a copy, by indices: y (batch, size, inner) from g (batch, n, inner). Every element of y
// has one thread, which takes what goes there in the order of the indices: nothing is sorted, no atomics are needed, and
// the bits depend on the operands alone.
#include "target.cuh"

// For few indices: a thread for each element of y looks at all of them. Bandwidth: y written once; the indices, and those
// elements of g that are taken, read once.
template <class Op, class T, class I>
__global__ void __launch_bounds__(kScatterThreads)
scatter_few(const T* __restrict__ g, const I* __restrict__ index, const T* __restrict__ base, T* __restrict__ y, Scatter s,
            int64_t total, ErrorSlot error) {
    const int64_t o = int64_t(blockIdx.x) * kScatterThreads + threadIdx.x;
    if (o >= total) return;
    const int64_t c = o % s.inner, d = o / s.inner % s.size, b = o / s.inner / s.size;
    T value = base ? base[o] : T(0);
    for (int64_t i = 0; i < s.n; ++i) {
        if (target(index[b * s.index_batch + i * s.index_step + c * s.index_inner], s.size, error) == d)
            value = Op{}(value, g[(b * s.n + i) * s.inner + c]);
    }
    y[o] = value;
}

// For many: a block holds kHeld / width destinations of `width` columns (a power of two), and passes over all indices. Those
// of its destinations are listed in their order; then kScatterThreads / width groups of threads, one for every so many
// destinations, go through the list. `split` lines share a batch element where each line has its own indices (width 1).
// Traffic: the indices once a block, mostly from the L2 cache; g read and y written once.
template <class Op, class T, class I>
__global__ void __launch_bounds__(kScatterThreads, 4)
scatter_many(const T* __restrict__ g, const I* __restrict__ index, const T* __restrict__ base, T* __restrict__ y, Scatter s,
             int32_t width, int64_t split, int64_t row_tiles, int64_t column_tiles, ErrorSlot error) {
    GPUDL_DYNAMIC_SHARED(unsigned char, memory);
    T* held = reinterpret_cast<T*>(memory);
    int32_t* rows = reinterpret_cast<int32_t*>(memory + kHeld * sizeof(T));
    int32_t* sources = rows + kScatterThreads * kEach;
    int32_t* warps = sources + kScatterThreads * kEach;
    const int t = int(threadIdx.x), lane = t % 32, warp = t / 32;
    const int many = kHeld / width, groups = kScatterThreads / width, group = t / width;
    const int64_t tile = int64_t(blockIdx.x) / column_tiles;
    const int64_t outer = tile / row_tiles, b = outer / split, line = outer % split;
    const int64_t column = int64_t(blockIdx.x) % column_tiles * width + t % width + line;
    const bool inside = column < s.inner;
    const int64_t first = tile % row_tiles * many;
    const int count = int(s.size - first < many ? s.size - first : many);
    T* to = y + (b * s.size + first) * s.inner + column;
    for (int r = group; r < count; r += groups) {
        T value = T(0);
        if (base && inside) value = base[(b * s.size + first + r) * s.inner + column];
        held[r * width + t % width] = value;
    }
    const I* from = index + b * s.index_batch + line * s.index_inner;
    for (int64_t start = 0; start < s.n; start += kScatterThreads * kEach) {
        int row[kEach], hits = 0;
        for (int k = 0; k < kEach; ++k) {
            const int64_t i = start + t * kEach + k;
            const int64_t d = i < s.n ? target(from[i * s.index_step], s.size, error) - first : -1;
            row[k] = d >= 0 && d < count ? int(d) : -1;
            hits += row[k] >= 0;
        }
        if (!__syncthreads_or(hits)) continue;
        int before = hits;
        for (int d = 1; d < 32; d *= 2) {
            const int below = __shfl_up_sync(kAllLanes, before, d);
            if (lane >= d) before += below;
        }
        if (lane == 31) warps[warp] = before;
        __syncthreads();
        int listed = 0, place = before - hits;
        for (int w = 0; w < kScatterThreads / 32; ++w) {
            if (w < warp) place += warps[w];
            listed += warps[w];
        }
        for (int k = 0; k < kEach; ++k) {
            if (row[k] < 0) continue;
            rows[place] = row[k];
            sources[place++] = t * kEach + k;
        }
        __syncthreads();
        for (int h = 0; h < listed; ++h) {
            if (rows[h] % groups != group || !inside) continue;
            T& value = held[rows[h] * width + t % width];
            value = Op{}(value, g[(b * s.n + start + sources[h]) * s.inner + column]);
        }
        __syncthreads();
    }
    if (!inside) return;
    for (int r = group; r < count; r += groups) to[r * s.inner] = held[r * width + t % width];
}
