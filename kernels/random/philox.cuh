// Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
//
// key = the 64-bit seed, counter = (64-bit block number, 64-bit stream), low words first. Lane l of block b is word
// 4 b + l of the stream, so any element can be computed alone.
#pragma once
#include <gpudl/exact.cuh>

namespace gd {

struct Words {
    uint32_t v[4];
};

GD_DEVICE Words philox(uint64_t seed, uint64_t stream, uint64_t block) {
    uint32_t x0 = uint32_t(block), x1 = uint32_t(block >> 32), x2 = uint32_t(stream), x3 = uint32_t(stream >> 32);
    uint32_t k0 = uint32_t(seed), k1 = uint32_t(seed >> 32);
#pragma unroll
    for (int round = 0; round < 10; ++round) {
        const uint32_t high0 = __umulhi(0xD2511F53u, x0), low0 = 0xD2511F53u * x0;
        const uint32_t high1 = __umulhi(0xCD9E8D57u, x2), low1 = 0xCD9E8D57u * x2;
        x0 = high1 ^ x1 ^ k0;
        x1 = low1;
        x2 = high0 ^ x3 ^ k1;
        x3 = low0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return {{x0, x1, x2, x3}};
}

GD_DEVICE uint64_t word64(uint32_t high, uint32_t low) { return uint64_t(high) << 32 | low; }

// Uniform numbers of [0, 1): 24 or 53 bits.
GD_DEVICE float unit(uint32_t word) { return mul(float(int32_t(word >> 8)), 0x1p-24f); }
GD_DEVICE double unit(uint64_t word) { return mul(double(int64_t(word >> 11)), 0x1p-53); }

}  // namespace gd
