// 16-bit floats, TF32 and CUDA's vector types.
#include "kernel.cuh"

template <class T>
KERNEL(narrow, float, T, uint16_t) {
    HERE;
    out[t] = T(x[t]).bits;
    out[n + t] = from_float<T>(x[t]).bits;
}
template <class T>
KERNEL(widen, uint16_t, T, float) {
    HERE;
    T value;
    value.bits = x[t];
    out[t] = value;
    out[n + t] = to_float(value);
}
KERNEL(float_to_itself, float, float, float) {
    HERE;
    out[t] = to_float(x[t]);
    out[n + t] = from_float<float>(x[t]);
}
// Products of two 16-bit floats are exact in float, so a fused sum has the same bits.
template <class T>
KERNEL(arithmetic, uint16_t, uint16_t, uint16_t) {
    HERE;
    T a, b;
    a.bits = x[t];
    b.bits = y[t];
    out[t] = T(a + b).bits;
    out[n + t] = T(a - b).bits;
    out[2 * n + t] = T(a * b).bits;
    out[3 * n + t] = T(a * b + a).bits;
    out[4 * n + t] = a < b;
}
template <class T>
KERNEL(pack_two, uint16_t, uint16_t, uint32_t) {
    HERE;
    T low, high;
    low.bits = x[t];
    high.bits = y[t];
    out[t] = pack(low, high);
}
KERNEL(round_to_tf32, float, float, float) {
    HERE;
    out[t] = __uint_as_float(to_tf32(x[t]));
}

// Sizes, alignments and makers of the vector types.
#define VECTOR(i, name)                         \
    if (t == i) {                               \
        out[3 * t] = sizeof(name);              \
        out[3 * t + 1] = alignof(name);         \
        out[3 * t + 2] = int(make_##name LIST); \
    }
#define LIST (1).x
#define VECTORS_1(i, name) VECTOR(i, name##1)
KERNEL(vector_types, int, int, int) {
    HERE;
    VECTORS_1(0, char)
    VECTORS_1(1, uchar)
    VECTORS_1(2, short)
    VECTORS_1(3, ushort)
    VECTORS_1(4, int)
    VECTORS_1(5, uint)
    VECTORS_1(6, longlong)
    VECTORS_1(7, ulonglong)
    VECTORS_1(8, float)
    VECTORS_1(9, double)
#undef LIST
#define LIST (1, 2).y
#define VECTORS_2(i, name) VECTOR(i, name##2)
    VECTORS_2(10, char)
    VECTORS_2(11, uchar)
    VECTORS_2(12, short)
    VECTORS_2(13, ushort)
    VECTORS_2(14, int)
    VECTORS_2(15, uint)
    VECTORS_2(16, longlong)
    VECTORS_2(17, ulonglong)
    VECTORS_2(18, float)
    VECTORS_2(19, double)
#undef LIST
#define LIST (1, 2, 3).z
#define VECTORS_3(i, name) VECTOR(i, name##3)
    VECTORS_3(20, char)
    VECTORS_3(21, uchar)
    VECTORS_3(22, short)
    VECTORS_3(23, ushort)
    VECTORS_3(24, int)
    VECTORS_3(25, uint)
    VECTORS_3(26, longlong)
    VECTORS_3(27, ulonglong)
    VECTORS_3(28, float)
    VECTORS_3(29, double)
#undef LIST
#define LIST (1, 2, 3, 4).w
#define VECTORS_4(i, name) VECTOR(i, name##4)
    VECTORS_4(30, char)
    VECTORS_4(31, uchar)
    VECTORS_4(32, short)
    VECTORS_4(33, ushort)
    VECTORS_4(34, int)
    VECTORS_4(35, uint)
    VECTORS_4(36, float)
}
