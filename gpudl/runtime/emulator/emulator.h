// The C interface of the emulator: what a shared library of emulated kernels exports.
//
// How a library is built (gpudl/runtime/emulated.py calls the compiler):
//   1. A generated unit.cpp:   #include "<family>/<kernel>.cu"
//                              GPUDL_INSTANCE("key", (softmax_fwd<float>))       one line a variant
//   2. g++ -c unit.cpp with UNIT_FLAGS, and once per compiler every *.cpp of this folder with RUNTIME_FLAGS.
//      The runtime's objects serve fast and checked libraries alike.
//   3. g++ -shared -Wl,-Bsymbolic unit.o <runtime objects> -ldl -lrt -pthread -o library.so
//
// COMMON         -std=c++17 -fPIC -fvisibility=hidden -g1 -gdwarf-4 -ffp-contract=off -fno-math-errno -fno-strict-aliasing -Wall -Wextra -Wno-unknown-pragmas -Wno-psabi
// RUNTIME_FLAGS  COMMON -O2                             (never sanitised; -DGPUDL_EMU_UCONTEXT for the portable fibers)
// UNIT_FLAGS     COMMON -x c++ -DGPUDL_EMULATED -I kernels -I kernels/include -I gpudl/runtime/emulator
//                -march=native (optional; then the CPU belongs into the cache key)
//   fast         -O2 -fno-omit-frame-pointer
//   checked      -O1 -DGPUDL_EMU_CHECKED -fsanitize=thread --param=tsan-instrument-func-entry-exit=0
//                --param=tsan-distinguish-volatile=1
//                -fsanitize=bounds-strict,alignment,signed-integer-overflow,integer-divide-by-zero,shift -fsanitize-recover=all
//                (the compiler's instrumentation only: libtsan and libubsan are not linked, the callbacks are ours)
//
// One launch at a time in a process: the caller holds one lock around gpudl_emu_launch, whatever the library and thread,
// because signal handlers are the process's. Strings returned live until the next launch of that library.
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GPUDL_EMU_API __attribute__((visibility("default")))
#define GPUDL_EMU_MAX_ARGUMENTS 64

// Memory that the kernel may touch. Every array argument is one range, as is memory that a struct argument points to
// (the error word of an ErrorSlot, the array behind a TensorMap); `argument` is only for messages. Ranges may overlap.
typedef struct {
  void* begin;
  size_t bytes;
  int argument;
  int fresh;  // 1: never written so far, so reading it before this launch wrote it is reported (checked)
} gpudl_emu_range;

typedef enum { GPUDL_EMU_FORWARD = 0, GPUDL_EMU_REVERSE = 1, GPUDL_EMU_SEEDED = 2 } gpudl_emu_order;

typedef struct {
  int checked;      // 1: race, bounds and initialisation checks; needs a checked library
  int eager;        // 1: asynchronous copies land at issue, 0: as late as the program allows
  int order;        // gpudl_emu_order of blocks and threads
  uint64_t seed;    // for GPUDL_EMU_SEEDED
  int cooperative;  // 1: all blocks are alive at once, grid_sync is allowed
  double time_limit;  // seconds, after which the launch is stopped with a "deadlock"; 0: none
  void** fibers;      // a place, null at first, where all libraries of a process keep their threads' stacks
} gpudl_emu_options;

typedef struct {
  uint64_t threads;           // emulated threads that ran
  uint64_t switches;          // fiber switches
  uint64_t accesses;          // checked loads and stores
  uint64_t matrix_loads;      // 8x8 matrices read by ldmatrix
  uint64_t bank_conflicts;    // extra passes these reads would need
} gpudl_emu_statistics_t;

// Runs a kernel. `arguments[i]` points to the i-th argument's value (a pointer's value for arrays). 0, or 1 with an error.
GPUDL_EMU_API int gpudl_emu_launch(const char* key, const unsigned grid[3], const unsigned block[3], unsigned shared_bytes,
                                   const void* arguments[], const gpudl_emu_range* ranges, int n_ranges,
                                   const gpudl_emu_options* options);

// The finding of the last launch: a sentence with block, thread and source line; and its kind, one of
// race bounds uninitialised divergence deadlock alignment barrier proxy wait arithmetic fault launch.
GPUDL_EMU_API const char* gpudl_emu_error(void);
GPUDL_EMU_API const char* gpudl_emu_error_kind(void);

// Number of arguments of a kernel with their sizes and whether each is a pointer, or -1 if there is no such key.
GPUDL_EMU_API int gpudl_emu_signature(const char* key, int* sizes, int* is_pointer);

GPUDL_EMU_API void gpudl_emu_statistics(gpudl_emu_statistics_t* out);

// Writes the 128 bytes of an emulated TensorMap (the twin of cuTensorMapEncodeTiled). Sizes and box innermost first,
// strides in bytes of dimensions 1 .. rank-1, swizzle in bytes: 0, 32, 64 or 128. 0, or 1 with an error.
GPUDL_EMU_API int gpudl_emu_encode_tensor_map(void* map, int rank, int element_bytes, void* base, const uint64_t* sizes,
                                              const uint64_t* strides, const uint32_t* box, int swizzle);

#ifdef __cplusplus
}
#endif
