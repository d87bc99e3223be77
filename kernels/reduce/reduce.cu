// Reductions over any axes. The result has one index space, `kept`, the reduced axes another; both have any strides.
//
// Bound by bandwidth: x is read once. A block of 256 threads is made of `kept` positions and `down` threads for each, `step`
// apart: next to each other where the fastest axis is reduced (a row for a group of threads), else a column for each lane,
// so that a warp reads neighbours either way. Long reductions are split over blockIdx.y, and a second launch of the same
// kernel reduces the splits. Everything is combined in an order that the shape alone decides.
#include <gpudl/strided.cuh>
#include "operations.cuh"

struct Team {
    int32_t step, down;  // powers of two
    uint32_t chunk;      // packs of the reduced axes in a split
};

// Which position of the block this thread works on, and which of the `down` threads of it this is.
GD_DEVICE int position_of(const Team& team) {
    const int t = int(threadIdx.x);
    return team.step == 1 ? t / team.down : t % team.step;
}
GD_DEVICE int part_of(const Team& team) { return int(threadIdx.x) / team.step % team.down; }

// The values of the threads of one position combined; the first one gets the result. `scratch` is used once.
template <class V, class Op>
GD_DEVICE V team_reduce(V x, const Team& team, Op op, V* scratch) {
    const int all = team.step * team.down;
    for (int d = team.step; d < 32 && d < all; d *= 2) x = op(x, __shfl_xor_sync(kAllLanes, x, d));
    if (all > 32) {
        const int apart = team.step > 32 ? team.step : 32;
        scratch[threadIdx.x] = x;
        __syncthreads();
        if (int(threadIdx.x) % all < apart) {
            for (int s = apart; s < all; s += apart) x = op(x, scratch[threadIdx.x + s]);
        }
    }
    return x;
}

template <class Op, class T>
__global__ void __launch_bounds__(kThreads)
reduce(const T* __restrict__ x, typename Op::Result* __restrict__ y, Strided<2> kept, Strided<1> reduced, Team team,
       int64_t results, int32_t other) {
    using V = typename Op::Value;
    __shared__ V scratch[kThreads];
    const Op op;
    int64_t at[2];
    const uint32_t positions = kThreads / team.down;
    const bool there = locate<1>(kept, blockIdx.x * positions + position_of(team), at) > 0;
    const uint32_t first = blockIdx.y * team.chunk;
    const uint32_t last = reduced.size - first < team.chunk ? reduced.size : first + team.chunk;
    V value = Op::none(other);
    if (there) {
        const T* from = x + at[0];
        if (reduced.axes == 1) {
            const int64_t stride = reduced.stride[0][0];
#ifdef __CUDACC_RTC__
#pragma unroll 8
#endif
            for (uint32_t i = first + part_of(team); i < last; i += team.down) value = op(value, Op::of(from[i * stride], other));
        } else {
#ifdef __CUDACC_RTC__
#pragma unroll 4
#endif
            for (uint32_t i = first + part_of(team); i < last; i += team.down) {
                int64_t offset[1];
                locate<1>(reduced, i, offset);
                value = op(value, Op::of(from[offset[0]], other));
            }
        }
    }
    value = team_reduce(value, team, op, scratch);
    if (there && part_of(team) == 0) y[blockIdx.y * results + at[1]] = Op::result(value, other);
}

// The index of the largest element along one axis (`stride` apart), of the smallest one where `other`. `from` lists the
// candidates, `results` apart; without it all elements are.
template <class T>
__global__ void __launch_bounds__(kThreads)
search(const T* __restrict__ x, const int64_t* __restrict__ from, int64_t* __restrict__ y, Strided<2> kept, int64_t stride,
       uint32_t count, Team team, int64_t results, int32_t other) {
    __shared__ T values[kThreads];
    __shared__ int64_t indices[kThreads];
    int64_t at[2];
    const uint32_t positions = kThreads / team.down;
    const bool there = locate<1>(kept, blockIdx.x * positions + position_of(team), at) > 0;
    const uint32_t first = blockIdx.y * team.chunk;
    const uint32_t last = count - first < team.chunk ? count : first + team.chunk;
    Found<T> best = {lowest(T()), int64_t(0x7fffffffffffffffll)};
    if (there) {
        for (uint32_t i = first + part_of(team); i < last; i += team.down) {
            const int64_t index = from ? from[i * results + at[1]] : i;
            const T value = x[at[0] + index * stride];
            best = better(best, Found<T>{other ? turned(value) : value, index});
        }
    }
    values[threadIdx.x] = best.value;
    indices[threadIdx.x] = best.index;
    for (int half = team.down / 2; half > 0; half /= 2) {
        __syncthreads();
        if (part_of(team) >= half) continue;
        const int partner = int(threadIdx.x) + half * team.step;
        best = better(best, Found<T>{values[partner], indices[partner]});
        values[threadIdx.x] = best.value;
        indices[threadIdx.x] = best.index;
    }
    if (there && part_of(team) == 0) y[blockIdx.y * results + at[1]] = best.index;
}
