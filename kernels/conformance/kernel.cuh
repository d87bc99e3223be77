// What the kernels of single wrappers share: x and y come in, y may be scratch, out goes back to the host.
#pragma once
#include <gpudl/device.cuh>

#define KERNEL(name, X, Y, Out) __global__ void __launch_bounds__(256) name([[maybe_unused]] const X* x, [[maybe_unused]] Y* y, Out* out)
#define HERE [[maybe_unused]] const int t = threadIdx.x, n = blockDim.x, lane = threadIdx.x % 32
constexpr unsigned kWarp = 0xffffffffu;
