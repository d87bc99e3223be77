// The elementwise functions that have a native loop.
#pragma once

namespace gpudl {

enum class UnaryOp { relu, sigmoid, tanh, gelu, gelu_tanh, silu, erf, erfinv, exp, log, sqrt, square, reciprocal, negative, abs };
enum class BinaryOp { add, subtract, multiply, divide, maximum, minimum };

}  // namespace gpudl
