// The part of CUDA's driver API that launching needs. libcuda is loaded at run time, so the extension builds and imports
// without CUDA; the types below repeat the stable ABI of cuda.h, which is then not needed either.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace gpudl::cuda {

using Result = int;  // CUresult
constexpr Result SUCCESS = 0;
using Stream = void*;
using Library = void*;
using Kernel = void*;
using DevicePointer = uint64_t;

enum KernelAttribute : int {
    MAX_THREADS_PER_BLOCK = 0,
    SHARED_SIZE_BYTES = 1,
    LOCAL_SIZE_BYTES = 3,
    NUM_REGS = 4,
    MAX_DYNAMIC_SHARED_SIZE_BYTES = 8,
    NON_PORTABLE_CLUSTER_SIZE_ALLOWED = 14,
};

struct LaunchAttribute {
    enum Id : int { COOPERATIVE = 2, CLUSTER_DIMENSION = 4, PROGRAMMATIC_STREAM_SERIALIZATION = 6 };
    int id;
    char pad[4];
    union {
        char bytes[64];
        int flag;
        struct {
            unsigned x, y, z;
        } cluster;
    } value;
};

struct LaunchConfig {
    unsigned grid[3], block[3];
    unsigned shared_bytes;
    Stream stream;
    LaunchAttribute* attributes;
    unsigned n_attributes;
};
static_assert(sizeof(LaunchAttribute) == 72 && sizeof(LaunchConfig) == 56, "the ABI of cuda.h");

struct alignas(64) TensorMap {
    uint64_t opaque[16];
};

// A failed call: what was called, CUDA's number and text.
struct Error : std::runtime_error {
    Error(const char* call, Result code, const std::string& text) : std::runtime_error(text), call(call), code(code) {}
    const char* call;
    Result code;
};

// The functions of one libcuda. `load` may be called again with another path (a test's double); what was made before
// keeps the functions that made it.
struct Driver {
    Result (*init)(unsigned);
    Result (*driver_version)(int*);
    Result (*error_name)(Result, const char**);
    Result (*error_string)(Result, const char**);
    Result (*device_get)(int* device, int ordinal);
    Result (*library_load)(Library*, const void* image, const int*, void**, unsigned, const int*, void**, unsigned);
    Result (*library_unload)(Library);
    Result (*library_kernel)(Kernel*, Library, const char* name);
    Result (*kernel_attribute)(int*, int attribute, Kernel, int device);
    Result (*kernel_set_attribute)(int attribute, int value, Kernel, int device);
    Result (*kernel_parameter)(Kernel, size_t index, size_t* offset, size_t* size);  // null before CUDA 12.4
    Result (*launch)(const LaunchConfig*, Kernel, void** parameters, void** extra);
    Result (*encode_tiled)(TensorMap*, int dtype, uint32_t rank, void* base, const uint64_t* extents,
                           const uint64_t* strides, const uint32_t* box, const uint32_t* element_strides,
                           int interleave, int swizzle, int l2_promotion, int fill);

    void check(Result code, const char* call) const {
        if (code != SUCCESS) raise(code, call);
    }
    [[noreturn]] void raise(Result code, const char* call) const;
};

// Loads the library at `path` and initialises CUDA. Throws std::runtime_error if there is none, Error if cuInit fails.
const Driver& load(const std::string& path);

}  // namespace gpudl::cuda
