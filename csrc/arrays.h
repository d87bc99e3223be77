// Checked access to NumPy arrays. Everything here runs with the GIL; take the pointers and shapes out, then release it:
//
//   const float* x = contiguous<float>(x_array, "x");
//   py::gil_scoped_release nogil;
//   parallel_for(...);
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace gpudl {

namespace py = pybind11;
using Shape = std::vector<int64_t>;

inline std::string describe(const py::array& a) {
    std::string out = py::str(a.dtype()).cast<std::string>() + "(";
    for (py::ssize_t i = 0; i < a.ndim(); ++i) out += (i ? "," : "") + std::to_string(a.shape(i));
    return out + ")";
}

inline Shape shape_of(const py::array& a) { return Shape(a.shape(), a.shape() + a.ndim()); }

inline bool is_c_contiguous(const py::array& a) { return (a.flags() & py::array::c_style) != 0; }

// Strides in elements; raises when a stride is no multiple of the item size. Along an extent of 1 it is of no account: NumPy
// calls such an array aligned whatever it is.
inline Shape element_strides(const py::array& a, const char* name) {
    Shape out(a.ndim());
    for (py::ssize_t i = 0; i < a.ndim(); ++i) {
        if (a.strides(i) % a.itemsize() != 0 && a.shape(i) > 1)
            throw py::value_error(std::string(name) + ": a stride is not a multiple of the item size");
        out[i] = a.strides(i) / a.itemsize();
    }
    return out;
}

template <class T>
void check_dtype(const py::array& a, const char* name) {
    if (!py::dtype::of<T>().equal(a.dtype()))
        throw py::type_error(std::string(name) + ": expected " + py::str(py::dtype::of<T>()).cast<std::string>() +
                             ", got " + describe(a));
    if (reinterpret_cast<uintptr_t>(a.data()) % alignof(T) != 0)
        throw py::value_error(std::string(name) + ": the memory is not aligned for its dtype");
}

inline void check_ndim(const py::array& a, py::ssize_t ndim, const char* name) {
    if (a.ndim() != ndim)
        throw py::value_error(std::string(name) + ": expected " + std::to_string(ndim) + " dimensions, got " + describe(a));
}

inline void check_shape(const py::array& a, const Shape& shape, const char* name) {
    if (shape_of(a) != shape) {
        std::string want = "(";
        for (size_t i = 0; i < shape.size(); ++i) want += (i ? "," : "") + std::to_string(shape[i]);
        throw py::value_error(std::string(name) + ": expected shape " + want + "), got " + describe(a));
    }
}

// Pointer for reading; dtype checked, any strides.
template <class T>
const T* readable(const py::array& a, const char* name) {
    check_dtype<T>(a, name);
    return static_cast<const T*>(a.data());
}

// Pointer for writing; dtype and writability checked, any strides.
template <class T>
T* writable(py::array& a, const char* name) {
    check_dtype<T>(a, name);
    if (!a.writeable()) throw py::value_error(std::string(name) + ": the array is read-only");
    return static_cast<T*>(a.mutable_data());
}

// Pointers to C-contiguous arrays.
template <class T>
const T* contiguous(const py::array& a, const char* name) {
    if (!is_c_contiguous(a)) throw py::value_error(std::string(name) + ": expected a C-contiguous array, got " + describe(a));
    return readable<T>(a, name);
}

template <class T>
T* contiguous_out(py::array& a, const char* name) {
    if (!is_c_contiguous(a)) throw py::value_error(std::string(name) + ": expected a C-contiguous array, got " + describe(a));
    return writable<T>(a, name);
}

// A vector of `n`, or null where there is none.
template <class T>
const T* optional_vector(const std::optional<py::array>& a, int64_t n, const char* name) {
    if (!a) return nullptr;
    check_shape(*a, {n}, name);
    return contiguous<T>(*a, name);
}

// Calls f(T{}) with T = float or double as the array's dtype says: with_float(x, "x", [&](auto t) { using T = decltype(t); ... }).
template <class F>
auto with_float(const py::array& a, const char* name, F&& f) {
    if (py::dtype::of<float>().equal(a.dtype())) return f(float{});
    if (py::dtype::of<double>().equal(a.dtype())) return f(double{});
    throw py::type_error(std::string(name) + ": expected float32 or float64, got " + describe(a));
}

// Number of elements of a shape; raises ValueError for a negative extent and MemoryError when bytes do not fit.
inline int64_t checked_count(const Shape& shape, int64_t itemsize) {
    const int64_t limit = std::numeric_limits<int64_t>::max();
    int64_t count = 1;
    bool empty = false;
    for (int64_t n : shape) {
        if (n < 0) throw py::value_error("negative dimensions are not allowed");
        if (n == 0) empty = true;
    }
    if (empty) return 0;
    for (int64_t n : shape) {
        if (count > limit / n) throw std::bad_alloc();
        count *= n;
    }
    if (itemsize > 0 && count > limit / itemsize) throw std::bad_alloc();
    return count;
}

// Uninitialised array in C order from the block cache (pool.cpp).
py::array empty(const Shape& shape, const py::dtype& dtype);
// The same with given strides in bytes. Every element must lie inside the block and none may overlap another.
py::array empty_strided(const Shape& shape, const Shape& strides, const py::dtype& dtype);

template <class T>
py::array empty(const Shape& shape) {
    return empty(shape, py::dtype::of<T>());
}

}  // namespace gpudl
