// Run-time choice of instruction set: a function marked GPUDL_CLONES is compiled for the base architecture, for AVX2 and
// for AVX-512, and the loader picks one by the CPU it finds. Where the tool chain has no such clones (no ifunc in the C
// library, not x86-64) the macro is empty. Clones differ in vector width only: the project is built with
// -ffp-contract=off, so they all give the same bits unless a loop asks for fused multiply-add by name.
// A lambda or a called function is cloned only when it is inlined: mark helpers GPUDL_INLINE.
#pragma once

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__has_attribute)
#if __has_attribute(target_clones)
#define GPUDL_CLONES __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#endif
#endif
#ifndef GPUDL_CLONES
#define GPUDL_CLONES
#endif

#define GPUDL_INLINE inline __attribute__((always_inline))
#define GPUDL_RESTRICT __restrict__
