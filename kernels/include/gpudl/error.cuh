// Errors that only device code can see: an index out of range, a label that is no class.
#pragma once
#include <gpudl/language.cuh>

namespace gd {

// Passed by value. `word` points to three words that start as zero: 1 + site of the first report, its value, its extent.
struct ErrorSlot {
  unsigned long long* word;
  int32_t site;
};

// The first report of all threads wins; the host raises it at the next synchronisation.
GD_DEVICE void report(const ErrorSlot& error, int64_t value, int64_t extent) {
  if (atomicCAS(error.word, 0ull, static_cast<unsigned long long>(error.site) + 1ull) == 0ull) {
    atomicExch(error.word + 1, static_cast<unsigned long long>(value));
    atomicExch(error.word + 2, static_cast<unsigned long long>(extent));
  }
}

}  // namespace gd
