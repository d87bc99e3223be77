// Warp collectives. The lanes named in a mask leave their values in an exchange and read the others' when all have come.
#pragma once
#include <cstring>

#include "hooks.h"

EMU_INLINE void __syncwarp(unsigned mask = 0xffffffffu) { emu_syncwarp(mask); }
EMU_INLINE unsigned __activemask() { return emu_activemask(); }

template <class T>
EMU_UNCHECKED T emu_lane_value(const EmuExchange* exchange, int lane) {
  T value;
  __builtin_memcpy(&value, exchange->slot[lane], sizeof value);
  return value;
}
EMU_UNCHECKED unsigned emu_lanes(const EmuExchange* exchange) { return exchange->lanes; }
template <class T>
EMU_INLINE bool emu_same(const T& a, const T& b) {
  return !__builtin_memcmp(&a, &b, sizeof a);
}

template <class T>
EMU_INLINE T emu_shuffle(unsigned mask, T value, int source, const char* name) {
  static_assert(sizeof(T) <= EmuExchange::kSlot, "a slot holds it");
  const EmuExchange* exchange = emu_exchange(mask, &value, sizeof value, nullptr, name);
  // CUDA leaves this value undefined.
  if (!(emu_lanes(exchange) >> source & 1u)) emu_absent_lane(name, source);
  return emu_lane_value<T>(exchange, source);
}

// `width` divides the warp into groups that shuffle by themselves.
template <class T>
EMU_INLINE T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
  int first = static_cast<int>(emu_here.lane) & ~(width - 1);
  return emu_shuffle(mask, value, first + (source & (width - 1)), "__shfl_sync");
}
template <class T>
EMU_INLINE T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  int lane = static_cast<int>(emu_here.lane), source = lane - static_cast<int>(delta);
  return emu_shuffle(mask, value, source < (lane & ~(width - 1)) ? lane : source, "__shfl_up_sync");
}
template <class T>
EMU_INLINE T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  int lane = static_cast<int>(emu_here.lane), source = lane + static_cast<int>(delta);
  return emu_shuffle(mask, value, source > (lane | (width - 1)) ? lane : source, "__shfl_down_sync");
}
template <class T>
EMU_INLINE T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32) {
  int lane = static_cast<int>(emu_here.lane), source = lane ^ bits;
  return emu_shuffle(mask, value, source > (lane | (width - 1)) ? lane : source, "__shfl_xor_sync");
}

EMU_INLINE unsigned __ballot_sync(unsigned mask, int predicate) {
  const EmuExchange* exchange = emu_exchange(mask, &predicate, sizeof predicate, nullptr, "__ballot_sync");
  unsigned votes = 0;
  for (int lane = 0; lane < 32; lane++)
    if (emu_lanes(exchange) >> lane & 1u && emu_lane_value<int>(exchange, lane) != 0) votes |= 1u << lane;
  return votes;
}
EMU_INLINE int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
EMU_INLINE int __all_sync(unsigned mask, int predicate) { return __ballot_sync(mask, !predicate) == 0; }

template <class T>
EMU_INLINE unsigned __match_any_sync(unsigned mask, T value) {
  const EmuExchange* exchange = emu_exchange(mask, &value, sizeof value, nullptr, "__match_any_sync");
  unsigned equal = 0;
  for (int lane = 0; lane < 32; lane++)
    if (emu_lanes(exchange) >> lane & 1u && emu_same(emu_lane_value<T>(exchange, lane), value)) equal |= 1u << lane;
  return equal;
}
template <class T>
EMU_INLINE unsigned __match_all_sync(unsigned mask, T value, int* all) {
  const EmuExchange* exchange = emu_exchange(mask, &value, sizeof value, nullptr, "__match_all_sync");
  bool same = true;
  for (int lane = 0; lane < 32; lane++)
    same &= !(emu_lanes(exchange) >> lane & 1u) || emu_same(emu_lane_value<T>(exchange, lane), value);
  *all = same;
  return same ? emu_lanes(exchange) : 0;
}

template <class T, class F>
EMU_INLINE T emu_reduce(unsigned mask, T value, F combine, const char* name) {
  static_assert(sizeof(T) == 4, "redux takes 32-bit integers");
  const EmuExchange* exchange = emu_exchange(mask, &value, sizeof value, nullptr, name);
  bool first = true;
  T total = value;
  for (int lane = 0; lane < 32; lane++) {
    if (!(emu_lanes(exchange) >> lane & 1u)) continue;
    T other = emu_lane_value<T>(exchange, lane);
    total = first ? other : combine(total, other);
    first = false;
  }
  return total;
}
template <class T>
EMU_INLINE T __reduce_add_sync(unsigned mask, T value) {
  return emu_reduce(
      mask, value, [](T a, T b) { return static_cast<T>(static_cast<unsigned>(a) + static_cast<unsigned>(b)); },
      "__reduce_add_sync");
}
template <class T>
EMU_INLINE T __reduce_min_sync(unsigned mask, T value) {
  return emu_reduce(mask, value, [](T a, T b) { return a < b ? a : b; }, "__reduce_min_sync");
}
template <class T>
EMU_INLINE T __reduce_max_sync(unsigned mask, T value) {
  return emu_reduce(mask, value, [](T a, T b) { return a > b ? a : b; }, "__reduce_max_sync");
}
EMU_INLINE unsigned __reduce_and_sync(unsigned mask, unsigned value) {
  return emu_reduce(mask, value, [](unsigned a, unsigned b) { return a & b; }, "__reduce_and_sync");
}
EMU_INLINE unsigned __reduce_or_sync(unsigned mask, unsigned value) {
  return emu_reduce(mask, value, [](unsigned a, unsigned b) { return a | b; }, "__reduce_or_sync");
}
EMU_INLINE unsigned __reduce_xor_sync(unsigned mask, unsigned value) {
  return emu_reduce(mask, value, [](unsigned a, unsigned b) { return a ^ b; }, "__reduce_xor_sync");
}
