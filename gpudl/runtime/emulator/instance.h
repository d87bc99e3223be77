// GPUDL_INSTANCE("key", (function)): makes a kernel known to the runtime under a key, with the sizes of its arguments.
#pragma once
#include <type_traits>
#include <utility>

#include "hooks.h"

template <class... A, size_t... I>
EMU_INLINE void emu_invoke(void (*kernel)(A...), const void** arguments, std::index_sequence<I...>) {
  (void)arguments;
  kernel(*static_cast<const std::remove_const_t<A>*>(arguments[I])...);
}
template <class... A>
EMU_INLINE void emu_invoke(void (*kernel)(A...), const void** arguments) {
  emu_invoke(kernel, arguments, std::index_sequence_for<A...>{});
}
template <auto kernel>
void emu_entry(const void** arguments) {
  emu_invoke(kernel, arguments);
}
template <class... A>
int emu_register_kernel(const char* key, void (*)(A...), void (*entry)(const void**)) {
  static const int sizes[] = {static_cast<int>(sizeof(A))..., 0};
  static const int pointers[] = {static_cast<int>(std::is_pointer<A>::value)..., 0};
  emu_register(key, entry, sizeof...(A), sizes, pointers);
  return 0;
}

#define EMU_JOIN_(a, b) a##b
#define EMU_JOIN(a, b) EMU_JOIN_(a, b)
#define GPUDL_INSTANCE(key, function)                                    \
  [[maybe_unused]] static const int EMU_JOIN(emu_instance_, __COUNTER__) = \
      emu_register_kernel(key, function, &emu_entry<function>);
