// Slices of an operand in which quads of k lie side by side: 16-byte loads, turned on their way to shared memory.
//
// The slices of gemm.cuh bring such an operand element by element, each with an address and a test of its own. Where the
// channels of a group are a multiple of four, a quad of k has one tap, and one address and one test serve four elements.
#pragma once
#include <gpudl/gemm.cuh>

namespace gd {

// An operand whose at(place, step) holds for k to k + 3, aligned, when k is a multiple of four.
template <class Operand>
struct InQuads : Operand {};

// A warp brings two quads of k by 16 places: whole sectors of 32 bytes; and as a row has EXTENT + 4 elements, its
// stores of the first of the two quads fall on banks 0 to 15, those of the second on 16 to 31.
template <class T, int EXTENT, int THREADS, class Operand>
class Slice<T, EXTENT, THREADS, InQuads<Operand>> {
public:
    static constexpr int ROW = EXTENT + 4;
    static constexpr int SIZE = BK * ROW;

    GD_DEVICE Slice(const InQuads<Operand>& operand, int first) : operand(operand) {
        const int pair = threadIdx.x / 2;
        row = pair % EXTENT;
        quad = threadIdx.x % 2 + pair / EXTENT * 2;
#pragma unroll
        for (int i = 0; i < PLACES; ++i) places[i] = operand.place(first + row + i * PAIRS);
    }

    GD_DEVICE void fetch(int k0, T*) {
#pragma unroll
        for (int j = 0; j < STEPS; ++j) {
            const auto step = operand.step(k0 + 4 * (quad + j * QUAD_STEP));
#pragma unroll
            for (int i = 0; i < PLACES; ++i) {
                const T* from = operand.at(places[i], step);
                staged[j][i] = from ? *reinterpret_cast<const Quad<T>*>(from) : Quad<T>{};
            }
        }
    }

    GD_DEVICE void settle(T* slice) const {
#pragma unroll
        for (int j = 0; j < STEPS; ++j) {
            T* const to = slice + 4 * (quad + j * QUAD_STEP) * ROW + row;
#pragma unroll
            for (int i = 0; i < PLACES; ++i) {
#pragma unroll
                for (int e = 0; e < 4; ++e) to[e * ROW + i * PAIRS] = staged[j][i].value[e];
            }
        }
    }

private:
    static constexpr int PAIRS = THREADS / 2;  // places that all threads bring at once
    static constexpr int PLACES = PAIRS < EXTENT ? EXTENT / PAIRS : 1;
    static constexpr int QUAD_STEP = PAIRS < EXTENT ? 2 : 2 * (PAIRS / EXTENT);
    static constexpr int STEPS = BK / 4 / QUAD_STEP;
    static_assert(STEPS >= 1 && STEPS * QUAD_STEP == BK / 4, "more threads than quads");

    const InQuads<Operand>& operand;
    int row, quad;
    typename Operand::Place places[PLACES];
    Quad<T> staged[STEPS][PLACES];
};

}  // namespace gd
