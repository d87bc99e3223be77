// Reading by index arrays. Elements are moved as bits: T is an unsigned type of their size.
#include <gpudl/strided.cuh>

constexpr int64_t kNowhere = int64_t(0x8000000000000000ull);  // the offset of an index that was out of range

// An index counted from 0, or -1 if it is out of range: negative ones count from the end.
GD_DEVICE int64_t wrapped(int64_t index, int64_t extent) {
    const int64_t at = index < 0 ? index + extent : index;
    return at >= 0 && at < extent ? at : -1;
}

// y[i] = x[i without the indexed axis, index[i]]; all three over the index space of the result. `stride` is that of the
// indexed axis, which is `extent` long; where `extent` is negative, the index is an offset of `offsets`. What is out of range
// is reported and gives 0. Bandwidth: the indices and the selected elements read, the result written.
template <class T, int V, class I>
__global__ void __launch_bounds__(kThreads)
gather(const T* __restrict__ x, const I* __restrict__ index, T* __restrict__ y, Strided<3> at, int64_t extent, int64_t stride,
       ErrorSlot error) {
    const uint32_t first = first_pack<V>();
    Pack<T, V> packs[kPacks<V>];
    int64_t offset[kPacks<V>][3];
    int count[kPacks<V>];
#pragma unroll
    for (int k = 0; k < kPacks<V>; ++k) {
        packs[k] = {};
        count[k] = locate<V>(at, first + k * kThreads, offset[k]);
        if (count[k] == 0) continue;
        const int64_t given = index[offset[k][2]];
        int64_t place = given;
        bool there = given != kNowhere;
        if (extent >= 0) {
            place = wrapped(given, extent);
            there = place >= 0;
            if (!there) report(error, given, extent);
            place *= stride;
        }
        if (there) packs[k] = load_pack<V>(x + offset[k][1] + place, 1, count[k]);
    }
#pragma unroll
    for (int k = 0; k < kPacks<V>; ++k) store_pack(y + offset[k][0], packs[k], count[k]);
}

// One of several index arrays: its share of the offsets (`stride` an index), added to those of the arrays before it.
template <class I>
__global__ void __launch_bounds__(kThreads)
offsets(const I* __restrict__ index, int64_t* __restrict__ y, Strided<2> at, int64_t extent, int64_t stride, int32_t before,
        ErrorSlot error) {
    int64_t offset[2];
    if (locate<1>(at, blockIdx.x * kThreads + threadIdx.x, offset) == 0) return;
    const int64_t given = index[offset[1]], place = wrapped(given, extent);
    if (place < 0) report(error, given, extent);
    const int64_t sum = before ? y[offset[0]] : 0;
    y[offset[0]] = place < 0 || sum == kNowhere ? kNowhere : sum + place * stride;
}
