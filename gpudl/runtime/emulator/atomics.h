// Atomics and ordered accesses. Fibers do not preempt each other, so read, compute, write is atomic as it stands.
#pragma once
#include "hooks.h"

template <class T>
EMU_UNCHECKED T emu_raw_load(const T* p) {
  return *p;
}
template <class T>
EMU_UNCHECKED void emu_raw_store(T* p, T value) {
  *p = value;
}

template <class T, class F>
EMU_INLINE T emu_atomic_update(T* p, F next, int kind = kAtomicUpdate) {
  emu_atomic(p, sizeof(T), kind);
  T old = emu_raw_load(p);
  emu_raw_store(p, static_cast<T>(next(old)));
  return old;
}

// Sums wrap around, as they do on the card.
EMU_INLINE int emu_wrapping_add(int a, int b) { return static_cast<int>(static_cast<unsigned>(a) + static_cast<unsigned>(b)); }
template <class T>
EMU_INLINE T emu_wrapping_add(T a, T b) {
  return a + b;
}

#define EMU_ATOMIC(name, T, next)                                      \
  EMU_INLINE T name(T* p, T value) {                                   \
    return emu_atomic_update(p, [=](T old) -> T { return next; });     \
  }
#define EMU_ATOMIC_INTEGERS(name, next) \
  EMU_ATOMIC(name, int, next)           \
  EMU_ATOMIC(name, unsigned, next)      \
  EMU_ATOMIC(name, unsigned long long, next)

EMU_ATOMIC_INTEGERS(atomicAdd, emu_wrapping_add(old, value))
EMU_ATOMIC(atomicAdd, float, old + value)
EMU_ATOMIC(atomicAdd, double, old + value)
EMU_ATOMIC(atomicSub, int, static_cast<int>(static_cast<unsigned>(old) - static_cast<unsigned>(value)))
EMU_ATOMIC(atomicSub, unsigned, old - value)
EMU_ATOMIC_INTEGERS(atomicMin, old < value ? old : value)
EMU_ATOMIC(atomicMin, long long, old < value ? old : value)
EMU_ATOMIC_INTEGERS(atomicMax, old > value ? old : value)
EMU_ATOMIC(atomicMax, long long, old > value ? old : value)
EMU_ATOMIC_INTEGERS(atomicAnd, old & value)
EMU_ATOMIC_INTEGERS(atomicOr, old | value)
EMU_ATOMIC_INTEGERS(atomicXor, old ^ value)
EMU_ATOMIC(atomicInc, unsigned, old >= value ? 0u : old + 1u)
EMU_ATOMIC(atomicDec, unsigned, old == 0u || old > value ? value : old - 1u)

#define EMU_ATOMIC_EXCHANGE(T)                                                                  \
  EMU_INLINE T atomicExch(T* p, T value) {                                                      \
    return emu_atomic_update(p, [=](T) -> T { return value; }, kAtomicStore);                   \
  }
EMU_ATOMIC_EXCHANGE(int)
EMU_ATOMIC_EXCHANGE(unsigned)
EMU_ATOMIC_EXCHANGE(unsigned long long)
EMU_ATOMIC_EXCHANGE(float)

#define EMU_ATOMIC_CAS(T)                                                                       \
  EMU_INLINE T atomicCAS(T* p, T compare, T value) {                                            \
    return emu_atomic_update(p, [=](T old) -> T { return old == compare ? value : old; });      \
  }
EMU_ATOMIC_CAS(int)
EMU_ATOMIC_CAS(unsigned)
EMU_ATOMIC_CAS(unsigned long long)
EMU_ATOMIC_CAS(unsigned short)

#undef EMU_ATOMIC
#undef EMU_ATOMIC_INTEGERS
#undef EMU_ATOMIC_EXCHANGE
#undef EMU_ATOMIC_CAS

template <class T>
EMU_INLINE T emu_load_acquire(const T* p) {
  emu_acquire(p, sizeof(T));
  return emu_raw_load(p);
}
template <class T>
EMU_INLINE void emu_store_release(T* p, T value) {
  emu_release(p, sizeof(T));
  emu_raw_store(p, value);
}
