// Arithmetic that is rounded operation by operation: the compiler fuses none of it, so the bits are those of the CPU.
// Division and the square root are rounded correctly as they are.
#pragma once
#include <gpudl/device.cuh>

namespace gd {

GD_DEVICE float add(float a, float b) { return __fadd_rn(a, b); }
GD_DEVICE double add(double a, double b) { return __dadd_rn(a, b); }
GD_DEVICE float sub(float a, float b) { return __fadd_rn(a, -b); }
GD_DEVICE double sub(double a, double b) { return __dadd_rn(a, -b); }
GD_DEVICE float mul(float a, float b) { return __fmul_rn(a, b); }
GD_DEVICE double mul(double a, double b) { return __dmul_rn(a, b); }
GD_DEVICE float root(float x) { return sqrtf(x); }
GD_DEVICE double root(double x) { return sqrt(x); }

}  // namespace gd
