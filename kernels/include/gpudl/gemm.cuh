// The main loop of matrix products and convolutions: C(m, n) = sum over k of A(m, k) B(k, n), a tile of C a block.
//
// Slices of BK steps of k pass through two buffers of shared memory: while one is multiplied, the next is on its way,
// by cp.async where the architecture has it, else by registers. One barrier a slice. Bound by FMA: a thread multiplies
// TM x TN elements for TM + TN that it reads, 2 BM BN BK FLOPs for (BM + BN) BK elements of global memory.
//
// What is multiplied is told by two operands. An operand is a type with
//   ALONG         whether neighbours along the tile (m or n), not along k, lie side by side in memory,
//   place(i)      all that depends on the row or column i of C: computed once a tile,
//   step(k)       all that depends on k: computed once a slice,
//   at(place, step)  where the element is, or null where there is none and a zero stands,
//   whole(i)      (ALONG only) whether elements i to i + 3 lie side by side and aligned, whatever k is,
//   base()        an address that may be formed.
#pragma once
#include <gpudl/activations.cuh>
#include <gpudl/device.cuh>

namespace gd {

constexpr int BK = 16;

// BM x BN of C a block, TM x TN a thread, in quads of 4 x 4. A warp owns 4 TM rows and 8 TN columns, so that its reads
// of a slice are four and eight addresses side by side: no bank conflict.
template <int BM_, int BN_, int TM_, int TN_>
struct Tile {
    static constexpr int BM = BM_, BN = BN_, TM = TM_, TN = TN_;
    static constexpr int WARP_M = 4 * TM, WARP_N = 8 * TN;
    static constexpr int WARPS_N = BN / WARP_N;
    static constexpr int THREADS = 32 * (BM / WARP_M) * WARPS_N;
};

// Four elements that are read or written together.
template <class T>
struct alignas(16) Quad {
    T value[4];
};

#ifdef GPUDL_SM80
// cp.async moves 4 or 16 bytes, so that doubles pass through registers.
template <class T>
constexpr bool ASYNC = sizeof(T) == 4;

GD_DEVICE void copies_landed() {
    cp_async_commit();
    cp_async_wait<0>();
}
template <class T>
GD_DEVICE void copy_async(T* to, const T* from, const T* base) {
    cp_async4(to, from ? from : base, from != nullptr);
}
template <class T>
GD_DEVICE void copy_async_quad(T* to, const T* from, const T* base) {
    cp_async16(to, from ? from : base, from != nullptr);
}
#else
template <class T>
constexpr bool ASYNC = false;

template <class T>
GD_DEVICE void copy_async(T*, const T*, const T*) {}
template <class T>
GD_DEVICE void copy_async_quad(T*, const T*, const T*) {}
GD_DEVICE void copies_landed() {}
#endif

// One thread's share in bringing slices of an operand, BK x EXTENT, to shared memory, where they lie k by k.
//
// ALONG: quads, a warp side by side in one k. Else single elements, a warp 8 of k by 4 places: whole sectors of
// 32 bytes, and rows of EXTENT + 4 elements put the 32 on 32 banks although the slice is turned on its way.
template <class T, int EXTENT, int THREADS, class Operand>
class Slice {
public:
    static constexpr int ROW = EXTENT + 4;
    static constexpr int SIZE = BK * ROW;

    GD_DEVICE Slice(const Operand& operand, int first) : operand(operand), first(first) {
        const int tid = threadIdx.x;
        if constexpr (Operand::ALONG) {
            row = tid / (EXTENT / 4);
            column = tid % (EXTENT / 4) * 4;
            whole = operand.whole(first + column);
            places[0] = operand.place(first + column);
        } else {
            row = tid % 8;
            column = tid / 8;
#pragma unroll
            for (int i = 0; i < PLACES; ++i) places[i] = operand.place(first + column + i * (THREADS / 8));
        }
    }

    // Start to bring the slice from k0 on: into `slice`, or into registers where copies are not asynchronous.
    GD_DEVICE void fetch(int k0, T* slice) {
        if constexpr (Operand::ALONG) {
#pragma unroll
            for (int i = 0; i < COUNT / 4; ++i) {
                const int k = row + i * (THREADS * 4 / EXTENT);
                fetch_quad(operand.step(k0 + k), &waiting(4 * i), slice + k * ROW + column);
            }
        } else {
#pragma unroll
            for (int j = 0; j < BK / 8; ++j) {
                const auto step = operand.step(k0 + row + 8 * j);
#pragma unroll
                for (int i = 0; i < PLACES; ++i) {
                    const T* from = operand.at(places[i], step);
                    T* to = slice + (row + 8 * j) * ROW + column + i * (THREADS / 8);
                    fetch_element(from, waiting(j * PLACES + i), to);
                }
            }
        }
    }

    // What was fetched is in `slice`; other threads see it after the next barrier.
    GD_DEVICE void settle(T* slice) const {
        if constexpr (ASYNC<T>) {
            return;
        } else if constexpr (Operand::ALONG) {
#pragma unroll
            for (int i = 0; i < COUNT / 4; ++i) {
                Quad<T> quad;
#pragma unroll
                for (int j = 0; j < 4; ++j) quad.value[j] = staged[4 * i + j];
                *reinterpret_cast<Quad<T>*>(slice + (row + i * (THREADS * 4 / EXTENT)) * ROW + column) = quad;
            }
        } else {
#pragma unroll
            for (int j = 0; j < BK / 8; ++j) {
#pragma unroll
                for (int i = 0; i < PLACES; ++i)
                    slice[(row + 8 * j) * ROW + column + i * (THREADS / 8)] = staged[j * PLACES + i];
            }
        }
    }

private:
    static constexpr int COUNT = EXTENT * BK / THREADS;
    static constexpr int PLACES = Operand::ALONG ? 1 : EXTENT * 8 / THREADS;

    // The register of element i of a fetch; asynchronous copies have none, and leave this one alone.
    GD_DEVICE T& waiting(int i) { return staged[ASYNC<T> ? 0 : i]; }

    template <class Step>
    GD_DEVICE void fetch_quad(const Step& step, T* registers, T* to) {
        if (whole) {
            const T* from = operand.at(places[0], step);
            if constexpr (ASYNC<T>) {
                copy_async_quad(to, from, operand.base());
            } else {
                const Quad<T> quad = from ? *reinterpret_cast<const Quad<T>*>(from) : Quad<T>{};
#pragma unroll
                for (int j = 0; j < 4; ++j) registers[j] = quad.value[j];
            }
        } else {
#pragma unroll
            for (int j = 0; j < 4; ++j)
                fetch_element(operand.at(operand.place(first + column + j), step), registers[j], to + j);
        }
    }

    GD_DEVICE void fetch_element(const T* from, T& staged_element, T* to) {
        if constexpr (ASYNC<T>) {
            copy_async(to, from, operand.base());
        } else {
            staged_element = from ? *from : T(0);
        }
    }

    const Operand& operand;
    int first, row, column;
    bool whole = false;
    typename Operand::Place places[PLACES];
    T staged[ASYNC<T> ? 1 : COUNT];
};

// Where the elements of a thread lie in a tile: row(i) for i < TM, column(j) for j < TN, quads side by side.
template <class Tile>
struct Share {
    int m, n;
    GD_DEVICE Share() {
        const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
        m = warp / Tile::WARPS_N * Tile::WARP_M + lane / 8 * 4;
        n = warp % Tile::WARPS_N * Tile::WARP_N + lane % 8 * 4;
    }
    GD_DEVICE int row(int i) const { return m + i / 4 * 16 + i % 4; }
    GD_DEVICE int column(int j) const { return n + j / 4 * 32 + j % 4; }
};

template <class Tile, class T>
GD_DEVICE void multiply(const T* a_slice, const T* b_slice, T (&acc)[Tile::TM][Tile::TN]) {
    const Share<Tile> share;
#pragma unroll
    for (int k = 0; k < BK; ++k) {
        Quad<T> a[Tile::TM / 4], b[Tile::TN / 4];
#pragma unroll
        for (int i = 0; i < Tile::TM / 4; ++i)
            a[i] = *reinterpret_cast<const Quad<T>*>(a_slice + k * (Tile::BM + 4) + share.row(4 * i));
#pragma unroll
        for (int j = 0; j < Tile::TN / 4; ++j)
            b[j] = *reinterpret_cast<const Quad<T>*>(b_slice + k * (Tile::BN + 4) + share.column(4 * j));
#pragma unroll
        for (int i = 0; i < Tile::TM; ++i) {
#pragma unroll
            for (int j = 0; j < Tile::TN; ++j) acc[i][j] += a[i / 4].value[i % 4] * b[j / 4].value[j % 4];
        }
    }
}

// acc = the tile of C at (m0, n0), summed over k from k_begin to k_end. The operands know where k ends. Takes
// 2 BK (BM + BN + 8) elements of dynamic shared memory.
template <class Tile, class T, class A, class B>
GD_DEVICE void accumulate(const A& a, const B& b, int m0, int n0, int k_begin, int k_end, T (&acc)[Tile::TM][Tile::TN]) {
    using SliceA = Slice<T, Tile::BM, Tile::THREADS, A>;
    using SliceB = Slice<T, Tile::BN, Tile::THREADS, B>;
    GPUDL_DYNAMIC_SHARED(T, shared);
    T* const a_slices = shared;
    T* const b_slices = shared + 2 * SliceA::SIZE;

#pragma unroll
    for (int i = 0; i < Tile::TM; ++i) {
#pragma unroll
        for (int j = 0; j < Tile::TN; ++j) acc[i][j] = T(0);
    }
    if (k_begin >= k_end) return;
    SliceA a_slice(a, m0);
    SliceB b_slice(b, n0);
    a_slice.fetch(k_begin, a_slices);
    b_slice.fetch(k_begin, b_slices);
    int now = 0;
    for (int k = k_begin; k < k_end; k += BK) {
        a_slice.settle(a_slices + now * SliceA::SIZE);
        b_slice.settle(b_slices + now * SliceB::SIZE);
        copies_landed();
        // This slice is there, and nobody multiplies the one before any more: its buffer is free.
        __syncthreads();
        if (k + BK < k_end) {
            a_slice.fetch(k + BK, a_slices + (now ^ 1) * SliceA::SIZE);
            b_slice.fetch(k + BK, b_slices + (now ^ 1) * SliceB::SIZE);
        }
        multiply<Tile>(a_slices + now * SliceA::SIZE, b_slices + now * SliceB::SIZE, acc);
        now ^= 1;
    }
}

// ----- what becomes of the sums -----
enum Activation : int32_t { IDENTITY, RELU, GELU, GELU_TANH, SILU };

template <class T>
GD_DEVICE T activated(T x, int32_t activation) {
    switch (activation) {
        case RELU: return activations::relu(x);
        case GELU: return activations::gelu(x);
        case GELU_TANH: return activations::gelu_tanh(x);
        case SILU: return activations::silu(x);
        default: return x;
    }
}

// C(m, n) = activation(acc + bias[n]). `row(m)` is where row m of C begins; `quads`: rows are aligned to quads.
template <class Tile, class T, class Row>
GD_DEVICE void write(const T (&acc)[Tile::TM][Tile::TN], int m0, int n0, int M, int N, const T* bias, int32_t activation,
                     bool quads, Row row) {
    const Share<Tile> share;
#pragma unroll
    for (int i = 0; i < Tile::TM; ++i) {
        const int m = m0 + share.row(i);
        if (m >= M) continue;
        T* const to = row(m);
#pragma unroll
        for (int j = 0; j < Tile::TN; j += 4) {
            const int n = n0 + share.column(j);
            Quad<T> quad;
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const T sum = bias && n + e < N ? acc[i][j + e] + bias[n + e] : acc[i][j + e];
                quad.value[e] = activated(sum, activation);
            }
            if (quads && n + 3 < N) {
                *reinterpret_cast<Quad<T>*>(to + n) = quad;
            } else {
#pragma unroll
                for (int e = 0; e < 4; ++e) {
                    if (n + e < N) to[n + e] = quad.value[e];
                }
            }
        }
    }
}

// Tile number i of a grid of tiles, in groups of 8 rows of tiles, so that blocks which run together share operands in L2.
template <class Tile>
GD_DEVICE void locate_tile(int i, int M, int N, int& m0, int& n0) {
    const int rows = (M + Tile::BM - 1) / Tile::BM, columns = (N + Tile::BN - 1) / Tile::BN;
    const int group = i / (8 * columns), within = i % (8 * columns);
    const int height = rows - group * 8 < 8 ? rows - group * 8 : 8;
    m0 = (group * 8 + within % height) * Tile::BM;
    n0 = within / height * Tile::BN;
}

}  // namespace gd
