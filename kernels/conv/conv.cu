// Convolution as an implicit matrix product, channels-last: forward, data gradient, and weight gradient in parts.
//
// The left or right operand is gathered from the image as slices are brought (gather.cuh), so no matrix of windows is
// ever written. Bound by FMA: 2 M N K FLOPs with M pixels, N channels made and K taps times channels read, for the weight's
// gradient M channels made, N taps times channels read and K pixels. Weights are OHWI in memory.
#include "gather.cuh"
#include "quads.cuh"

namespace {

// Rows of `tiles` tiles: the number of the tile of this block, and its group.
struct Place {
    int tile, group;
    GD_DEVICE explicit Place(int tiles) : tile(blockIdx.x % tiles), group(blockIdx.x / tiles) {}
};

// The results of one group and tile of a phase.
template <class T, class Tile, class A, class B>
GD_DEVICE void convolve(const A& pixels, const B& filters, T* y, const Gather& p, const Phase& phase, const Place& at) {
    const int tiles = (phase.rows + Tile::BM - 1) / Tile::BM * ((p.made + Tile::BN - 1) / Tile::BN);
    if (at.tile >= tiles) return;  // another phase has more rows
    int m0, n0;
    locate_tile<Tile>(at.tile, phase.rows, p.made, m0, n0);
    T acc[Tile::TM][Tile::TN];
    accumulate<Tile>(pixels, filters, m0, n0, 0, depth(p, phase), acc);
    const int64_t channels = int64_t(p.groups) * p.made;
    const T* no_bias = nullptr;
    write<Tile>(acc, m0, n0, phase.rows, p.made, no_bias, IDENTITY, p.made_quads != 0,
                [&](int m) { return y + result_pixel(p, phase, m) * channels + at.group * p.made; });
}

}  // namespace

// y (pixels, O) from x and w (O, taps, C / groups).
template <class T, class Tile, bool QUADS>
__global__ void __launch_bounds__(Tile::THREADS, 2)
    conv_fwd(const T* x, const T* w, T* y, const __grid_constant__ Gather p, int32_t tiles) {
    const Place at(tiles);
    const Phase& phase = p.phase[0];
    const int K = depth(p, phase);
    const Pixels<T> pixels{{x + int64_t(at.group) * p.used.value, p, phase, phase.rows, K}};
    const Filters<T> filters{w + int64_t(at.group) * p.made * K, p.made, K};
    if constexpr (QUADS)
        convolve<T, Tile>(InQuads<Pixels<T>>{pixels}, InQuads<Filters<T>>{filters}, y, p, phase, at);
    else
        convolve<T, Tile>(pixels, filters, y, p, phase, at);
}

// gx (pixels, C) from g and w (O, taps, C / groups); blockIdx.y is the phase.
template <class T, class Tile, bool QUADS>
__global__ void __launch_bounds__(Tile::THREADS, 2)
    conv_dgrad(const T* g, const T* w, T* gx, const __grid_constant__ Gather p, int32_t tiles) {
    const Place at(tiles);
    const Phase& phase = p.phase[blockIdx.y];
    const int K = depth(p, phase);
    const Pixels<T> pixels{{g + int64_t(at.group) * p.used.value, p, phase, phase.rows, K}};
    const int64_t taps = p.kernel[0] * p.kernel[1] * p.kernel[2];
    const TurnedFilters<T> filters{w + at.group * p.used.value * taps * p.made, p, phase, K};
    if constexpr (QUADS)
        convolve<T, Tile>(InQuads<Pixels<T>>{pixels}, filters, gx, p, phase, at);
    else
        convolve<T, Tile>(pixels, filters, gx, p, phase, at);
}

// partial (parts, O, taps, C / groups): the gradient of w over `chunk` pixels a part, blockIdx.y.
template <class T, class Tile>
__global__ void __launch_bounds__(Tile::THREADS, 2)
    conv_wgrad(const T* g, const T* x, T* partial, const __grid_constant__ Gather p, int32_t tiles, int32_t chunk) {
    const Place at(tiles);
    const Phase& phase = p.phase[0];
    const int N = depth(p, phase);
    const int k_begin = blockIdx.y * chunk;
    const int k_end = phase.rows - k_begin < chunk ? phase.rows : k_begin + chunk;
    const int64_t channels = int64_t(p.groups) * p.made;
    const Upstream<T> up{g + int64_t(at.group) * p.made, channels, p.made, k_end, p.made_quads != 0};
    const Windows<T> windows{{x + int64_t(at.group) * p.used.value, p, phase, k_end, N}};
    int m0, n0;
    locate_tile<Tile>(at.tile, p.made, N, m0, n0);
    T acc[Tile::TM][Tile::TN];
    accumulate<Tile>(up, windows, m0, n0, k_begin, k_end, acc);
    T* const out = partial + (blockIdx.y * channels + int64_t(at.group) * p.made) * N;
    const T* no_bias = nullptr;
    write<Tile>(acc, m0, n0, p.made, N, no_bias, IDENTITY, p.read_quads != 0,
                [&](int m) { return out + int64_t(m) * N; });
}
