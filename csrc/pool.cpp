// The block cache: uninitialised arrays whose memory is reused.
//
// Fresh pages cost far more than the arithmetic of a large elementwise op (each is faulted in and zeroed by the kernel), so
// arrays from 256 KiB up live in blocks that return here when the array dies. Block sizes are powers of two cut in eight
// steps (at most 12.5 % waste); from 2 MiB up a block starts on a huge-page border and asks for huge pages. Freed blocks
// are kept up to a limit, beyond which the least recently freed go back to the system.
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <mutex>
#include <new>
#include <vector>

#include "arrays.h"
#include "parallel.h"

namespace gpudl {
namespace {

constexpr int64_t kSmallest = int64_t{256} << 10;  // below this NumPy's own allocation is as fast
constexpr int64_t kHuge = int64_t{2} << 20;
constexpr int kSteps = 8;  // size classes per power of two
constexpr int kMinLog = 18;
constexpr int kClasses = (62 - kMinLog) * kSteps;
constexpr int kMaxNdim = 64;

struct Class {
    int index;
    int64_t bytes;
};

// The smallest class that holds n bytes: bytes = 2^k + j * 2^k / 8.
Class class_of(int64_t n) {
    n = std::max(n, kSmallest);
    const int k = 63 - __builtin_clzll(static_cast<unsigned long long>(n));
    const int64_t step = (int64_t{1} << k) / kSteps;
    const int64_t j = ceil_div(n - (int64_t{1} << k), step);
    const int index = (k - kMinLog) * kSteps + static_cast<int>(j);
    if (index >= kClasses) throw std::bad_alloc();
    return {index, (int64_t{1} << k) + j * step};
}

class BlockCache {
public:
    struct Stats {
        int64_t allocated = 0;  // bytes of blocks in use
        int64_t cached = 0;     // bytes of free blocks kept
        int64_t peak = 0;       // largest `allocated` so far
        int64_t hits = 0, misses = 0;
        int64_t limit = 0;
    };

    // Never destroyed: arrays may outlive static destructors.
    static BlockCache& get() {
        static BlockCache* cache = new BlockCache;
        return *cache;
    }

    void* take(const Class& c) {
        {
            std::lock_guard<std::mutex> lock(mutex_);
            auto& list = free_[c.index];
            if (!list.empty()) {
                void* p = list.back().address;
                list.pop_back();
                stats_.cached -= c.bytes;
                ++stats_.hits;
                count(c.bytes);
                return p;
            }
        }
        void* p = map(c.bytes);
        if (p == nullptr) {
            release_all();
            p = map(c.bytes);
        }
        if (p == nullptr) throw std::bad_alloc();
        std::lock_guard<std::mutex> lock(mutex_);
        ++stats_.misses;
        count(c.bytes);
        return p;
    }

    void give(void* p, int index) noexcept {
        const int64_t bytes = bytes_of(index);
        std::lock_guard<std::mutex> lock(mutex_);
        stats_.allocated -= bytes;
        if (bytes > stats_.limit) {
            munmap(p, static_cast<size_t>(bytes));
            return;
        }
        try {
            free_[index].push_back({p, ++clock_});
        } catch (const std::bad_alloc&) {
            munmap(p, static_cast<size_t>(bytes));
            return;
        }
        stats_.cached += bytes;
        shrink(stats_.limit);
    }

    Stats stats() {
        std::lock_guard<std::mutex> lock(mutex_);
        return stats_;
    }

    void set_limit(int64_t bytes) {
        std::lock_guard<std::mutex> lock(mutex_);
        stats_.limit = bytes;
        shrink(bytes);
    }

    void release_all() {
        std::lock_guard<std::mutex> lock(mutex_);
        shrink(0);
    }

    void reset_peak() {
        std::lock_guard<std::mutex> lock(mutex_);
        stats_.peak = stats_.allocated;
        stats_.hits = stats_.misses = 0;
    }

private:
    struct Block {
        void* address;
        uint64_t freed_at;
    };

    BlockCache() : free_(kClasses) {
        stats_.limit = default_limit();
        pthread_atfork([] { get().mutex_.lock(); }, [] { get().mutex_.unlock(); }, [] { get().mutex_.unlock(); });
    }

    static int64_t default_limit() {
        if (const char* text = std::getenv("GPUDL_POOL_LIMIT")) {
            char* rest = nullptr;
            const long long n = std::strtoll(text, &rest, 10);
            if (rest != text && n > 0) return n;
        }
        int64_t memory = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE);
        // A container's own limit; the file reads "max" where there is none.
        int64_t limit = 0;
        if (std::ifstream("/sys/fs/cgroup/memory.max") >> limit && limit > 0) memory = std::min(memory, limit);
        return memory / 4;
    }

    static int64_t bytes_of(int index) {
        const int64_t base = int64_t{1} << (kMinLog + index / kSteps);
        return base + base / kSteps * (index % kSteps);
    }

    static void* map(int64_t bytes) {
        const int64_t spare = bytes >= kHuge ? kHuge : 0;
        if (bytes > std::numeric_limits<int64_t>::max() - spare) return nullptr;
        void* raw = mmap(nullptr, static_cast<size_t>(bytes + spare), PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (raw == MAP_FAILED) return nullptr;
        if (spare == 0) return raw;
        char* start = static_cast<char*>(raw);
        const int64_t head = (kHuge - reinterpret_cast<intptr_t>(raw) % kHuge) % kHuge;
        if (head > 0) munmap(start, static_cast<size_t>(head));
        munmap(start + head + bytes, static_cast<size_t>(spare - head));
#ifdef MADV_HUGEPAGE
        madvise(start + head, static_cast<size_t>(bytes), MADV_HUGEPAGE);
#endif
        return start + head;
    }

    void count(int64_t bytes) {
        stats_.allocated += bytes;
        stats_.peak = std::max(stats_.peak, stats_.allocated);
    }

    // Unmaps the least recently freed blocks until at most `keep` bytes are cached. The lock is held.
    void shrink(int64_t keep) noexcept {
        while (stats_.cached > keep) {
            int oldest = -1;
            for (int i = 0; i < kClasses; ++i)
                if (!free_[i].empty() && (oldest < 0 || free_[i].front().freed_at < free_[oldest].front().freed_at))
                    oldest = i;
            const int64_t bytes = bytes_of(oldest);
            munmap(free_[oldest].front().address, static_cast<size_t>(bytes));
            free_[oldest].pop_front();
            stats_.cached -= bytes;
        }
    }

    std::mutex mutex_;
    std::vector<std::deque<Block>> free_;
    uint64_t clock_ = 0;
    Stats stats_;
};

// An array's base is a capsule that owns the block; the capsule's context is the block's class.
void free_block(PyObject* capsule) {
    void* p = PyCapsule_GetPointer(capsule, nullptr);
    const auto index = reinterpret_cast<intptr_t>(PyCapsule_GetContext(capsule)) - 1;
    BlockCache::get().give(p, static_cast<int>(index));
}

const py::detail::npy_api& numpy() { return py::detail::npy_api::get(); }

// Raw entry: dims and strides as NumPy takes them, strides may be null for C order. `span` is the bytes that the
// elements reach over. Returns a new reference, or null with a Python error set.
PyObject* make_array(PyObject* descr, int ndim, const Py_intptr_t* dims, const Py_intptr_t* strides, int64_t span) {
    PyObject* capsule = nullptr;
    void* data = nullptr;
    if (span >= kSmallest) {
        Class c{};
        try {
            c = class_of(span);
            data = BlockCache::get().take(c);
        } catch (const std::bad_alloc&) {
            PyErr_Format(PyExc_MemoryError, "cannot allocate %lld bytes", static_cast<long long>(span));
            return nullptr;
        }
        capsule = PyCapsule_New(data, nullptr, free_block);
        if (capsule == nullptr) {
            BlockCache::get().give(data, c.index);
            return nullptr;
        }
        PyCapsule_SetContext(capsule, reinterpret_cast<void*>(static_cast<intptr_t>(c.index) + 1));
    }
    Py_INCREF(descr);  // the call below takes it over
    constexpr int flags = py::detail::npy_api::NPY_ARRAY_WRITEABLE_ | py::detail::npy_api::NPY_ARRAY_ALIGNED_;
    PyObject* array = numpy().PyArray_NewFromDescr_(numpy().PyArray_Type_, descr, ndim, dims, strides, data,
                                                    data != nullptr ? flags : 0, nullptr);
    if (array == nullptr) {
        Py_XDECREF(capsule);
        return nullptr;
    }
    if (capsule != nullptr && numpy().PyArray_SetBaseObject_(array, capsule) < 0) {
        Py_DECREF(array);
        return nullptr;
    }
    return array;
}

// dtype argument to a descriptor (new reference), or null with an error set. Object dtypes would need initialised memory.
PyObject* descriptor(PyObject* object) {
    PyObject* descr = nullptr;
    if (PyObject_TypeCheck(object, numpy().PyArrayDescr_Type_)) {
        Py_INCREF(object);
        descr = object;
    } else if (numpy().PyArray_DescrConverter_(object, &descr) == 0) {
        return nullptr;
    }
    if ((py::detail::array_descriptor_proxy(descr)->kind) == 'O' ||
        py::reinterpret_borrow<py::dtype>(descr).has_fields()) {
        PyErr_SetString(PyExc_TypeError, "empty: object and structured dtypes are not supported");
        Py_DECREF(descr);
        return nullptr;
    }
    return descr;
}

// A tuple, list or integer of Python ints; -1 with an error set when it is not.
int read_ints(PyObject* object, Py_intptr_t* out, const char* what) {
    if (PyLong_Check(object)) {
        out[0] = PyLong_AsSsize_t(object);
        if (out[0] == -1 && PyErr_Occurred()) {
            PyErr_Format(PyExc_MemoryError, "empty: %s does not fit in 64 bits", what);
            return -1;
        }
        return 1;
    }
    PyObject* sequence = PySequence_Fast(object, "empty: expected a shape, a tuple of ints");
    if (sequence == nullptr) return -1;
    const Py_ssize_t n = PySequence_Fast_GET_SIZE(sequence);
    if (n > kMaxNdim) {
        PyErr_Format(PyExc_ValueError, "empty: at most %d dimensions, got %zd", kMaxNdim, n);
        Py_DECREF(sequence);
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; ++i) {
        out[i] = PyNumber_AsSsize_t(PySequence_Fast_GET_ITEM(sequence, i), PyExc_OverflowError);
        if (out[i] == -1 && PyErr_Occurred()) {
            if (PyErr_ExceptionMatches(PyExc_OverflowError))
                PyErr_Format(PyExc_MemoryError, "empty: %s does not fit in 64 bits", what);
            Py_DECREF(sequence);
            return -1;
        }
    }
    Py_DECREF(sequence);
    return static_cast<int>(n);
}

// Element count times item size, or -1 with an error set. As in NumPy, the extents of an empty array must fit too.
int64_t checked_bytes(const Py_intptr_t* dims, int ndim, int64_t itemsize) {
    int64_t bytes = itemsize;
    bool is_empty = false;
    for (int i = 0; i < ndim; ++i) {
        if (dims[i] < 0) {
            PyErr_SetString(PyExc_ValueError, "empty: negative dimensions are not allowed");
            return -1;
        }
        is_empty = is_empty || dims[i] == 0;
        if (dims[i] != 0 && __builtin_mul_overflow(bytes, static_cast<int64_t>(dims[i]), &bytes)) {
            PyErr_SetString(PyExc_MemoryError, "empty: the size in bytes does not fit in 64 bits");
            return -1;
        }
    }
    return is_empty ? 0 : bytes;
}

// The bytes that a strided layout reaches over; refuses layouts that overlap or leave the block, with an error set.
int64_t checked_span(const Py_intptr_t* dims, const Py_intptr_t* strides, int ndim, int64_t itemsize) {
    const int64_t bytes = checked_bytes(dims, ndim, itemsize);
    if (bytes <= 0) return bytes;
    int order[kMaxNdim];
    for (int i = 0; i < ndim; ++i) order[i] = i;
    std::sort(order, order + ndim, [&](int a, int b) { return strides[a] < strides[b]; });
    int64_t span = itemsize;  // reach of the dimensions so far, from the smallest stride up
    for (int i = 0; i < ndim; ++i) {
        const int64_t n = dims[order[i]], stride = strides[order[i]];
        if (n == 1) continue;
        int64_t reach = 0;
        if (stride < span) {
            PyErr_SetString(PyExc_ValueError, "empty_strided: the strides make elements overlap");
            return -1;
        }
        if (__builtin_mul_overflow(n - 1, stride, &reach) || __builtin_add_overflow(reach, span, &span)) {
            PyErr_SetString(PyExc_MemoryError, "empty_strided: the size in bytes does not fit in 64 bits");
            return -1;
        }
    }
    return span;
}

// Both entries bypass pybind11's argument conversion: an allocation is on the path of every op.
PyObject* py_empty(PyObject*, PyObject* const* args, Py_ssize_t nargs) {
    if (nargs != 2) {
        PyErr_SetString(PyExc_TypeError, "empty(shape, dtype) takes 2 arguments");
        return nullptr;
    }
    Py_intptr_t dims[kMaxNdim];
    const int ndim = read_ints(args[0], dims, "shape");
    if (ndim < 0) return nullptr;
    PyObject* descr = descriptor(args[1]);
    if (descr == nullptr) return nullptr;
    const int64_t bytes = checked_bytes(dims, ndim, py::reinterpret_borrow<py::dtype>(descr).itemsize());
    PyObject* array = bytes < 0 ? nullptr : make_array(descr, ndim, dims, nullptr, bytes);
    Py_DECREF(descr);
    return array;
}

PyObject* py_empty_strided(PyObject*, PyObject* const* args, Py_ssize_t nargs) {
    if (nargs != 3) {
        PyErr_SetString(PyExc_TypeError, "empty_strided(shape, strides, dtype) takes 3 arguments");
        return nullptr;
    }
    Py_intptr_t dims[kMaxNdim], strides[kMaxNdim];
    const int ndim = read_ints(args[0], dims, "shape");
    if (ndim < 0) return nullptr;
    const int nstrides = read_ints(args[1], strides, "strides");
    if (nstrides < 0) return nullptr;
    if (nstrides != ndim) {
        PyErr_SetString(PyExc_ValueError, "empty_strided: shape and strides differ in length");
        return nullptr;
    }
    PyObject* descr = descriptor(args[2]);
    if (descr == nullptr) return nullptr;
    const int64_t itemsize = py::reinterpret_borrow<py::dtype>(descr).itemsize();
    const int64_t span = checked_span(dims, strides, ndim, itemsize);
    PyObject* array = nullptr;
    if (span >= 0 && span < kSmallest) {
        // NumPy would size its own block by the shape alone, so a small one with gaps is a view of a byte array.
        Py_intptr_t bytes = std::max<int64_t>(span, 1);
        PyObject* byte = numpy().PyArray_DescrFromType_(py::detail::npy_api::NPY_UBYTE_);
        PyObject* block = byte == nullptr ? nullptr : make_array(byte, 1, &bytes, nullptr, bytes);
        Py_XDECREF(byte);
        if (block != nullptr) {
            Py_INCREF(descr);
            array = numpy().PyArray_NewFromDescr_(
                numpy().PyArray_Type_, descr, ndim, dims, strides, py::detail::array_proxy(block)->data,
                py::detail::npy_api::NPY_ARRAY_WRITEABLE_ | py::detail::npy_api::NPY_ARRAY_ALIGNED_, nullptr);
            if (array == nullptr) {
                Py_DECREF(block);
            } else if (numpy().PyArray_SetBaseObject_(array, block) < 0) {
                Py_DECREF(array);
                array = nullptr;
            }
        }
    } else if (span >= 0) {
        array = make_array(descr, ndim, dims, strides, span);
    }
    Py_DECREF(descr);
    return array;
}

py::tuple tuple_of(const Shape& values) {
    py::tuple out(values.size());
    for (size_t i = 0; i < values.size(); ++i) out[i] = py::int_(values[i]);
    return out;
}

PyMethodDef kMethods[] = {
    {"empty", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(py_empty)), METH_FASTCALL,
     "empty(shape, dtype) -> uninitialised array in C order, from the block cache when it is large."},
    {"empty_strided", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(py_empty_strided)), METH_FASTCALL,
     "empty_strided(shape, strides in bytes, dtype) -> uninitialised array with these strides."},
};

}  // namespace

py::array empty(const Shape& shape, const py::dtype& dtype) {
    const int ndim = static_cast<int>(shape.size());
    std::vector<Py_intptr_t> dims(shape.begin(), shape.end());
    const int64_t bytes = checked_bytes(dims.data(), ndim, dtype.itemsize());
    PyObject* array = bytes < 0 ? nullptr : make_array(dtype.ptr(), ndim, dims.data(), nullptr, bytes);
    if (array == nullptr) throw py::error_already_set();
    return py::reinterpret_steal<py::array>(array);
}

py::array empty_strided(const Shape& shape, const Shape& strides, const py::dtype& dtype) {
    PyObject* args[3] = {nullptr, nullptr, dtype.ptr()};
    const py::tuple dims = tuple_of(shape), steps = tuple_of(strides);
    args[0] = dims.ptr();
    args[1] = steps.ptr();
    PyObject* array = py_empty_strided(nullptr, args, 3);
    if (array == nullptr) throw py::error_already_set();
    return py::reinterpret_steal<py::array>(array);
}

void bind_pool(py::module_& m) {
    for (PyMethodDef& method : kMethods)
        m.attr(method.ml_name) = py::reinterpret_steal<py::object>(PyCFunction_NewEx(&method, nullptr, nullptr));
    m.def("memory_stats", [] {
        const auto s = BlockCache::get().stats();
        py::dict d;
        d["allocated"] = s.allocated;
        d["cached"] = s.cached;
        d["peak"] = s.peak;
        d["hits"] = s.hits;
        d["misses"] = s.misses;
        d["limit"] = s.limit;
        return d;
    }, "Bytes in use, bytes kept, the largest use so far, hits, misses and the limit of the block cache.");
    m.def("reset_memory_stats", [] { BlockCache::get().reset_peak(); }, "Sets the peak to the present use and the counts to 0.");
    m.def("empty_cache", [] { BlockCache::get().release_all(); }, "Returns all free blocks to the system.");
    m.def("set_cache_limit", [](int64_t bytes) {
        if (bytes < 0) throw py::value_error("set_cache_limit: expected a size of 0 bytes or more");
        BlockCache::get().set_limit(bytes);
    }, py::arg("bytes"), "Sets how many bytes of free blocks are kept.");
}

}  // namespace gpudl
