// The vocabulary of device code, and the only header that a kernel includes.
//
// Under NVRTC a wrapper is a line of PTX; under g++ (GPUDL_EMULATED) a call into gpudl/runtime/emulator. Both sides have
// the same signatures, so the file that a card runs is the file that the emulator checks. No CUDA header is needed.
#pragma once
#include <gpudl/language.cuh>
#include <gpudl/number.cuh>
#include <gpudl/error.cuh>
#include <gpudl/memory.cuh>
#include <gpudl/barrier.cuh>
#include <gpudl/mma.cuh>
#include <gpudl/tma.cuh>
#include <gpudl/wgmma.cuh>

using namespace gd;
