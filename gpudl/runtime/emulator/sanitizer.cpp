// The callbacks of -fsanitize=thread and -fsanitize=undefined. The compiler instruments, the checks are ours.
#include <cstddef>
#include <cstdint>

#include "machine.h"

using emu::Access;
using emu::machine;

extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}

#define EMU_HOOK(name, bytes, how) \
  void name(void* p) { machine.access(p, bytes, how, EMU_PC); }
// A volatile access is one that another thread is expected to interfere with.
#define EMU_HOOKS(bytes)                                                         \
  EMU_HOOK(__tsan_read##bytes, bytes, Access::kRead)                             \
  EMU_HOOK(__tsan_write##bytes, bytes, Access::kWrite)                           \
  EMU_HOOK(__tsan_unaligned_read##bytes, bytes, Access::kRead)                   \
  EMU_HOOK(__tsan_unaligned_write##bytes, bytes, Access::kWrite)                 \
  EMU_HOOK(__tsan_volatile_write##bytes, bytes, Access::kAtomicWrite)            \
  EMU_HOOK(__tsan_unaligned_volatile_read##bytes, bytes, Access::kAtomicRead)    \
  EMU_HOOK(__tsan_unaligned_volatile_write##bytes, bytes, Access::kAtomicWrite)  \
  void __tsan_volatile_read##bytes(void* p) {                                    \
    if (!machine.thread) return;                                                 \
    machine.yield(p, EMU_PC);                                                    \
    machine.access(p, bytes, Access::kAtomicRead, EMU_PC);                       \
  }
EMU_HOOKS(1)
EMU_HOOKS(2)
EMU_HOOKS(4)
EMU_HOOKS(8)
EMU_HOOKS(16)

void __tsan_read_range(void* p, size_t bytes) { machine.access(p, bytes, Access::kRead, EMU_PC); }
void __tsan_write_range(void* p, size_t bytes) { machine.access(p, bytes, Access::kWrite, EMU_PC); }
void* __tsan_memcpy(void* to, const void* from, size_t bytes) {
  machine.access(from, bytes, Access::kRead, EMU_PC);
  machine.access(to, bytes, Access::kWrite, EMU_PC);
  return __builtin_memcpy(to, from, bytes);
}
void* __tsan_memset(void* to, int value, size_t bytes) {
  machine.access(to, bytes, Access::kWrite, EMU_PC);
  return __builtin_memset(to, value, bytes);
}

// What the undefined-behaviour sanitizer passes begins with the place in the source.
struct EmuPlace {
  const char* file;
  uint32_t line, column;
};
struct EmuTypeMismatch {
  EmuPlace place;
  const void* type;
  unsigned char log_alignment, kind;
};

#define EMU_FINDING(kind, ...) \
  if (machine.on_device()) machine.fail(kind, EMU_PC, __VA_ARGS__)

void __ubsan_handle_out_of_bounds(EmuPlace*, uintptr_t index) {
  EMU_FINDING("bounds", "index %ld is out of the array's bounds", static_cast<long>(index));
}
void __ubsan_handle_type_mismatch_v1(EmuTypeMismatch* what, uintptr_t p) {
  EMU_FINDING("alignment", "an access at %#lx, which is not a multiple of %u bytes", static_cast<unsigned long>(p),
              1u << what->log_alignment);
}
void __ubsan_handle_add_overflow(EmuPlace*, uintptr_t, uintptr_t) { EMU_FINDING("arithmetic", "a signed sum overflows"); }
void __ubsan_handle_sub_overflow(EmuPlace*, uintptr_t, uintptr_t) {
  EMU_FINDING("arithmetic", "a signed difference overflows");
}
void __ubsan_handle_mul_overflow(EmuPlace*, uintptr_t, uintptr_t) {
  EMU_FINDING("arithmetic", "a signed product overflows");
}
void __ubsan_handle_negate_overflow(EmuPlace*, uintptr_t) { EMU_FINDING("arithmetic", "a signed negation overflows"); }
void __ubsan_handle_divrem_overflow(EmuPlace*, uintptr_t, uintptr_t) {
  EMU_FINDING("arithmetic", "an integer is divided by zero, or the least one by -1");
}
void __ubsan_handle_shift_out_of_bounds(EmuPlace*, uintptr_t, uintptr_t) {
  EMU_FINDING("arithmetic", "a shift by less than zero, by the width or more, or of a value that does not fit");
}
void __ubsan_handle_pointer_overflow(EmuPlace*, uintptr_t, uintptr_t) {
  EMU_FINDING("bounds", "pointer arithmetic overflows");
}

}  // extern "C"
