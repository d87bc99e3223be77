// Sums and extrema over adjoining axes of a C-contiguous array: (outer, length, inner) to (outer, inner).
//
// The reduced axis is cut into chunks that follow from the shape alone. Partial results are merged as a binary tree, so the
// bits do not depend on the number of threads and errors grow with the logarithm of the length. Sums are made in float64.
#include <algorithm>
#include <type_traits>

#include "arrays.h"
#include "parallel.h"
#include "scratch.h"

namespace gpudl {
enum class Reduction { sum, max, min };
template <Reduction OP, class T>
using Partial = std::conditional_t<OP == Reduction::sum, double, T>;
}  // namespace gpudl

#define GPUDL_TARGET_FILE "reduce_kernels.inc"
#include "targets.h"

namespace gpudl {
namespace {

constexpr int64_t GRAIN = 32768;              // numbers of a chunk, and of a task
constexpr int64_t ROWS = 128, COLUMNS = 1024;  // of a chunk with an inner axis: at least, and at most

// Merges lines [0, count) of `n` partial results into the first, as a binary tree.
template <Reduction OP, class A>
void merge_tree(A* lines, int64_t count, int64_t n) {
    for (int64_t step = 1; step < count; step *= 2)
        for (int64_t i = 0; i + step < count; i += 2 * step)
            for (int64_t j = 0; j < n; ++j) {
                A& to = lines[i * n + j];
                to = isa_base::merge<OP, A>(to, lines[(i + step) * n + j]);
            }
}

template <Reduction OP>
void reduce_op(const py::array& x, int64_t outer, int64_t length, int64_t inner, py::array& out) {
    if (outer < 0 || length < 0 || inner < 0 || x.size() != outer * length * inner || out.size() != outer * inner)
        throw py::value_error("the shape does not fit " + describe(x) + " and " + describe(out));
    with_float(x, "x", [&](auto zero) {
        using T = decltype(zero);
        using A = Partial<OP, T>;
        const T* from = contiguous<T>(x, "x");
        T* to = contiguous_out<T>(out, "out");
        if (outer * inner == 0) return;
        if (length == 0) {
            if (OP != Reduction::sum) throw py::value_error("no elements to choose from");
            std::fill(to, to + outer * inner, T(0));
            return;
        }
        const py::gil_scoped_release nogil;
        const int64_t rows = inner == 1 ? GRAIN : std::max(ROWS, GRAIN / inner), chunks = ceil_div(length, rows);
        const int64_t width = std::min(inner, COLUMNS), blocks = ceil_div(inner, width);
        const Scratch partial(size_t(outer * chunks * inner) * sizeof(A), kCallSlot);
        A* sums = partial.as<A>();
        const int64_t grain = std::max<int64_t>(1, GRAIN / (std::min(rows, length) * width));
        parallel_for(0, outer * chunks * blocks, grain, [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) {
                const int64_t column = i % blocks * width, line = i / blocks, n = std::min(width, inner - column);
                const int64_t first = line % chunks * rows, count = std::min(rows, length - first);
                const T* at = from + (line / chunks * length + first) * inner + column;
                GPUDL_DISPATCH(reduce_chunk<OP, T>(at, count, inner, n, sums + line * inner + column));
            }
        });
        for (int64_t o = 0; o < outer; ++o) {
            A* lines = sums + o * chunks * inner;
            merge_tree<OP>(lines, chunks, inner);
            for (int64_t j = 0; j < inner; ++j) to[o * inner + j] = T(lines[j]);
        }
    });
}

}  // namespace

void bind_reduce(py::module_& m) {
    using namespace py::literals;
    m.def("reduce_sum", &reduce_op<Reduction::sum>, "x"_a, "outer"_a, "length"_a, "inner"_a, "out"_a);
    m.def("reduce_max", &reduce_op<Reduction::max>, "x"_a, "outer"_a, "length"_a, "inner"_a, "out"_a);
    m.def("reduce_min", &reduce_op<Reduction::min>, "x"_a, "outer"_a, "length"_a, "inner"_a, "out"_a);
}

}  // namespace gpudl
