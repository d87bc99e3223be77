// What a reduction does to its elements: `of` makes a value of one, `operator()` combines two, `result` is what is written.
// `other` selects the twin of an operation, so that a kernel serves two rows: the minimum and `all`.
#pragma once
#include <gpudl/rows.cuh>

namespace gd {

// Integers wrap: they are added and multiplied without a sign.
template <class T>
struct Wrapping {
    using type = T;
};
template <>
struct Wrapping<int32_t> {
    using type = uint32_t;
};
template <>
struct Wrapping<int64_t> {
    using type = uint64_t;
};
template <>
struct Wrapping<bool> {
    using type = uint64_t;
};

// The type of a sum: that of the elements, int64 for bool.
template <class T>
struct Total {
    using type = T;
};
template <>
struct Total<bool> {
    using type = int64_t;
};

template <class T>
struct Add {
    using Value = typename Wrapping<T>::type;
    using Result = typename Total<T>::type;
    GD_DEVICE static Value none(bool) { return Value(0); }
    GD_DEVICE static Value of(T x, bool) { return Value(x); }
    GD_DEVICE static Result result(Value x, bool) { return Result(x); }
    GD_DEVICE Value operator()(Value a, Value b) const { return a + b; }
};

template <class T>
struct Multiply : Add<T> {
    using Value = typename Wrapping<T>::type;
    GD_DEVICE static Value none(bool) { return Value(1); }
    GD_DEVICE Value operator()(Value a, Value b) const { return a * b; }
};

// A map that turns the order around, exactly.
GD_DEVICE float turned(float x) { return -x; }
GD_DEVICE double turned(double x) { return -x; }
GD_DEVICE int32_t turned(int32_t x) { return ~x; }
GD_DEVICE int64_t turned(int64_t x) { return ~x; }
GD_DEVICE uint8_t turned(uint8_t x) { return uint8_t(~x); }

GD_DEVICE float lowest(float) { return -INFINITY; }
GD_DEVICE double lowest(double) { return -double(INFINITY); }
GD_DEVICE int32_t lowest(int32_t) { return int32_t(0x80000000u); }
GD_DEVICE int64_t lowest(int64_t) { return int64_t(0x8000000000000000ull); }
GD_DEVICE uint8_t lowest(uint8_t) { return 0; }

// The largest element, the smallest one where `other`; a NaN wins.
template <class T>
struct Extremum {
    using Value = T;
    using Result = T;
    GD_DEVICE static Value none(bool) { return lowest(T()); }
    GD_DEVICE static Value of(T x, bool other) { return other ? turned(x) : x; }
    GD_DEVICE static Result result(Value x, bool other) { return other ? turned(x) : x; }
    GD_DEVICE Value operator()(Value a, Value b) const { return a > b || a != a ? a : b; }
};

// Whether any element is true, all of them where `other`: not any false one.
template <class T>
struct Truth {
    using Value = int32_t;
    using Result = bool;
    GD_DEVICE static Value none(bool) { return 0; }
    GD_DEVICE static Value of(T x, bool other) { return (x != T(0)) != other; }
    GD_DEVICE static Result result(Value x, bool other) { return (x != 0) != other; }
    GD_DEVICE Value operator()(Value a, Value b) const { return a | b; }
};

// A candidate of a search: the earliest of the largest.
template <class T>
struct Found {
    T value;
    int64_t index;
};

template <class T>
GD_DEVICE Found<T> better(const Found<T>& a, const Found<T>& b) {
    const bool a_nan = a.value != a.value, b_nan = b.value != b.value;
    const bool tie = a.value == b.value || (a_nan && b_nan);
    const bool first = tie ? a.index < b.index : a_nan || (!b_nan && a.value > b.value);
    return first ? a : b;
}

}  // namespace gd
