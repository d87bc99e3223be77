// Memory: shared addresses, ordered loads and stores between blocks, asynchronous copies to shared memory.
#pragma once
#include <gpudl/language.cuh>

namespace gd {

#ifdef GPUDL_EMULATED

EMU_INLINE uint32_t shared_address(const void* p) { return emu_shared_address(p); }

template <class T>
EMU_INLINE T load_acquire(const T* p) {
  return emu_load_acquire(p);
}
template <class T>
EMU_INLINE void store_release(T* p, emu_identity<T> value) {
  emu_store_release(p, value);
}

EMU_INLINE void cp_async16(void* dst, const void* src, bool pred = true) { emu_cp_async(dst, src, 16, pred ? 16 : 0); }
EMU_INLINE void cp_async4(void* dst, const void* src, bool pred = true) { emu_cp_async(dst, src, 4, pred ? 4 : 0); }
EMU_INLINE void cp_async_commit() { emu_cp_async_commit(); }
template <int N>
EMU_INLINE void cp_async_wait() {
  emu_cp_async_wait(N);
}

#else

// The 32-bit address that PTX takes for shared memory.
GD_DEVICE uint32_t shared_address(const void* p) { return static_cast<uint32_t>(__cvta_generic_to_shared(p)); }

// Acquire and release at gpu scope: what the storing thread saw before its release, the loading thread sees after.
GD_DEVICE int load_acquire(const int* p) {
  int v;
  asm volatile("ld.acquire.gpu.global.s32 %0, [%1];" : "=r"(v) : "l"(p) : "memory");
  return v;
}
GD_DEVICE unsigned load_acquire(const unsigned* p) {
  unsigned v;
  asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(v) : "l"(p) : "memory");
  return v;
}
GD_DEVICE unsigned long long load_acquire(const unsigned long long* p) {
  unsigned long long v;
  asm volatile("ld.acquire.gpu.global.u64 %0, [%1];" : "=l"(v) : "l"(p) : "memory");
  return v;
}
GD_DEVICE void store_release(int* p, int v) {
  asm volatile("st.release.gpu.global.s32 [%0], %1;" ::"l"(p), "r"(v) : "memory");
}
GD_DEVICE void store_release(unsigned* p, unsigned v) {
  asm volatile("st.release.gpu.global.u32 [%0], %1;" ::"l"(p), "r"(v) : "memory");
}
GD_DEVICE void store_release(unsigned long long* p, unsigned long long v) {
  asm volatile("st.release.gpu.global.u64 [%0], %1;" ::"l"(p), "l"(v) : "memory");
}

#ifdef GPUDL_SM80
// Global to shared memory without registers. Where `pred` is false zeros are written and `src` is not read.
GD_DEVICE void cp_async16(void* dst, const void* src, bool pred = true) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(dst)), "l"(src), "r"(pred ? 16 : 0)
               : "memory");
}
GD_DEVICE void cp_async4(void* dst, const void* src, bool pred = true) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared_address(dst)), "l"(src), "r"(pred ? 4 : 0)
               : "memory");
}
GD_DEVICE void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Until at most the N latest groups of this thread are in flight.
template <int N>
GD_DEVICE void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}
#endif

#endif

}  // namespace gd
