// Matrix products: how a product is cut into tasks, and its binding. Arithmetic in matmul_kernels.inc.
//
// A product is cut into blocks that fit the caches with room to spare. Of a block, both operands are packed first, by all
// threads, then its tasks run: some rows times some columns, over the whole depth of the block. A task packs by itself what
// no other task needs: b, when one task has all rows, or a, when one has all columns.
#include "matmul.h"

#include <algorithm>
#include <string>
#include <type_traits>
#include <utility>

#include "arrays.h"
#include "parallel.h"
#include "scratch.h"

#define GPUDL_TARGET_FILE "matmul_kernels.inc"
#include "targets.h"

namespace gpudl {
namespace {

constexpr int64_t DEPTH = 256;                             // of a packed panel: with one of b, half of the first cache
constexpr int64_t TASK_ROWS = 168, TASK_COLUMNS = 256;     // at most: packed, half of the second cache
constexpr int64_t BLOCK = 2048, BLOCK_DEPTH = 4 * DEPTH;   // rows and columns, depth of a block: 8 MB an operand in float32
constexpr int64_t TASK_WORK = 1 << 19;                     // multiplications that are worth a task
constexpr int64_t MOST_TASKS = 64;
constexpr int64_t PACK_GRAIN = 1 << 15;                    // numbers that are worth a task of packing
constexpr int64_t FEW_COLUMNS = 1024;                      // of a task of few rows: its sums stay in the first cache

// Panels of rows and of columns that a task takes.
struct Cut {
    int64_t rows, columns;
};

int64_t evenly(int64_t all, int64_t most) { return ceil_div(all, ceil_div(all, most)); }

// The longer side of a task is halved until there are enough tasks, but a side that one task covers is halved last.
Cut cut(int64_t panels_a, int64_t panels_b, const MatmulTile& tile, int64_t work) {
    const int64_t wanted = std::min(MOST_TASKS, std::max<int64_t>(1, work / TASK_WORK));
    int64_t rows = evenly(panels_a, std::max<int64_t>(1, TASK_ROWS / tile.rows));
    int64_t columns = evenly(panels_b, std::max<int64_t>(1, TASK_COLUMNS / tile.columns));
    while (ceil_div(panels_a, rows) * ceil_div(panels_b, columns) < wanted && (rows > 1 || columns > 1)) {
        const bool all_rows = rows == panels_a, all_columns = columns == panels_b;
        bool halve_rows = rows * tile.rows >= columns * tile.columns;
        if (all_rows != all_columns) halve_rows = all_columns;
        if (rows == 1) halve_rows = false;
        if (columns == 1) halve_rows = true;
        int64_t& side = halve_rows ? rows : columns;
        side = evenly(halve_rows ? panels_a : panels_b, ceil_div(side, 2));
    }
    return {rows, columns};
}

template <class T>
int64_t aligned(int64_t count) {
    return ceil_div(count, 64 / int64_t(sizeof(T))) * (64 / int64_t(sizeof(T)));
}

template <class T>
void run_block(const Matmul<T>& job, bool finish, const MatmulTile& tile) {
    MatmulBlock<T> block{};
    block.job = job;
    block.finish = finish;
    block.depth = evenly(job.k, DEPTH + DEPTH / 4);
    const int64_t panels_a = ceil_div(job.m, tile.rows), panels_b = ceil_div(job.n, tile.columns);
    const Cut task = cut(panels_a, panels_b, tile, job.m * job.n * job.k);
    const int64_t down = ceil_div(panels_a, task.rows), across = ceil_div(panels_b, task.columns);
    const int64_t size_a = across > 1 ? aligned<T>(panels_a * tile.rows * job.k) : 0;
    const int64_t size_b = down > 1 ? panels_b * tile.columns * job.k : 0;
    const Scratch shared(size_t(size_a + size_b) * sizeof(T), kCallSlot);
    T *to_a = shared.as<T>(), *to_b = to_a + size_a;
    const int64_t depths = ceil_div(job.k, block.depth);
    const int64_t tasks_a = size_a ? panels_a * depths : 0, tasks_b = size_b ? panels_b * depths : 0;
    const int64_t grain = std::max<int64_t>(1, PACK_GRAIN / (std::max(tile.rows, tile.columns) * block.depth));
    parallel_for(0, tasks_a + tasks_b, grain, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
            const bool rows = i < tasks_a;
            const int64_t at = rows ? i : i - tasks_a, panels = rows ? panels_a : panels_b;
            const int64_t k = at / panels * block.depth, p = at % panels, depth = std::min(block.depth, job.k - k);
            if (rows) GPUDL_DISPATCH(pack_a<T>(job, p, p + 1, k, depth, to_a + (k * panels + p * depth) * tile.rows));
            else GPUDL_DISPATCH(pack_b<T>(job, p, p + 1, k, depth, to_b + (k * panels + p * depth) * tile.columns));
        }
    });
    if (size_a) block.a = to_a;
    if (size_b) block.b = to_b;
    const int64_t own = (size_a ? 0 : task.rows * tile.rows) + (size_b ? 0 : task.columns * tile.columns);
    parallel_for(0, down * across, 1, [&](int64_t begin, int64_t end) {
        const Scratch scratch(size_t(own * block.depth) * sizeof(T), kTaskSlot);
        for (int64_t i = begin; i < end; ++i) {
            const int64_t p = i % down * task.rows, q = i / down * task.columns;
            const int64_t p1 = std::min(panels_a, p + task.rows), q1 = std::min(panels_b, q + task.columns);
            GPUDL_DISPATCH(matmul_task<T>(block, p, p1, q, q1, scratch.as<T>()));
        }
    });
}

template <class T>
void run_blocks(const Matmul<T>& job) {
    MatmulTile tile{};
    GPUDL_DISPATCH(matmul_tile<T>(&tile));
    // What one task covers is not packed as a whole, so the other side need not be cut.
    const int64_t rows = job.n <= TASK_COLUMNS ? job.m : BLOCK / tile.rows * tile.rows;
    const int64_t columns = job.m <= TASK_ROWS ? job.n : BLOCK;
    for (int64_t q = 0; q < job.n; q += columns)
        for (int64_t p = 0; p < job.m; p += rows)
            for (int64_t k = 0; k < job.k; k += BLOCK_DEPTH) {
                Matmul<T> part = job;
                part.m = std::min(rows, job.m - p);
                part.n = std::min(columns, job.n - q);
                part.k = std::min(BLOCK_DEPTH, job.k - k);
                part.a += p * job.a_row + k * job.a_col;
                part.b += k * job.b_row + q * job.b_col;
                part.out += p * job.out_row + q;
                if (job.bias != nullptr) part.bias += q;
                part.accumulate = job.accumulate || k > 0;
                const bool last = k + part.k == job.k;
                run_block(part, last && (job.bias != nullptr || job.activation != Activation::none), tile);
            }
}

template <class T>
FewRows<T> as_few_rows(const Matmul<T>& job, bool exchanged) {
    FewRows<T> few{job, 1, exchanged};
    if (exchanged) {
        few.job.m = job.n;
        few.job.n = job.m;
        few.job.a = job.b;
        few.job.a_row = job.b_col;
        few.job.a_col = job.b_row;
        few.job.b = job.a;
        few.job.b_row = job.a_col;
        few.job.b_col = job.a_row;
        few.job.out_row = 1;
        few.out_col = job.out_row;
    }
    return few;
}

// Whether the kernels for few rows read b as it lies: along its rows, or along its columns and a's rows.
template <class T>
bool reads(const FewRows<T>& few) {
    return few.job.m <= FEW && (few.job.b_col == 1 || (few.job.b_row == 1 && few.job.a_col == 1));
}

template <class T>
void run_few(const FewRows<T>& few) {
    const int64_t work = few.job.m * few.job.k, n = few.job.n;
    const int64_t wanted = std::min(MOST_TASKS, std::max<int64_t>(1, work * n / (TASK_WORK / 4)));
    // Rows of b are read in runs of a kilobyte at least.
    const int64_t unit = few.job.b_col == 1 ? 256 : 16;
    const int64_t grain = std::min(FEW_COLUMNS, ceil_div(ceil_div(n, wanted), unit) * unit);
    parallel_for(0, n, grain, [&](int64_t begin, int64_t end) {
        const Scratch sums(size_t(2 * FEW * (end - begin)) * sizeof(T), kTaskSlot);
        GPUDL_DISPATCH(few_task<T>(few, begin, end, sums.as<T>()));
    });
}

}  // namespace

template <class T>
void matmul(const Matmul<T>& job) {
    if (job.m == 0 || job.n == 0) return;
    const FewRows<T> few = as_few_rows(job, job.m > FEW);
    if (reads(few)) {
        run_few(few);
    } else if (job.k > 0) {
        run_blocks(job);
    } else {
        Matmul<T> part = job;  // empty sums
        for (int64_t r = 0; r < job.m; r += FEW) {
            part.m = std::min<int64_t>(FEW, job.m - r);
            part.out = job.out + r * job.out_row;
            run_few(as_few_rows(part, false));
        }
    }
}

// Of small products each is a task's; of large ones each is spread over the threads.
template <class T>
void matmul(const Matmul<T>& first, const std::vector<BatchAxis>& batch) {
    int64_t count = 1;
    for (const BatchAxis& axis : batch) count *= axis.extent;
    const int64_t work = first.m * first.n * first.k;
    const int64_t grain = work > 8 * TASK_WORK ? count : std::max<int64_t>(1, TASK_WORK / std::max<int64_t>(1, work));
    parallel_for(0, count, grain, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
            Matmul<T> job = first;
            int64_t at = i;
            for (size_t axis = batch.size(); axis-- > 0;) {
                const BatchAxis& step = batch[axis];
                const int64_t j = at % step.extent;
                at /= step.extent;
                job.a += j * step.a;
                job.b += j * step.b;
                job.out += j * step.out;
            }
            matmul(job);
        }
    });
}

template void matmul<float>(const Matmul<float>&);
template void matmul<double>(const Matmul<double>&);
template void matmul<float>(const Matmul<float>&, const std::vector<BatchAxis>&);
template void matmul<double>(const Matmul<double>&, const std::vector<BatchAxis>&);

namespace {

// out (..., M, N) = activation(a (..., M, K) @ b (..., K, N) + bias (N,)), or added to out. Batches broadcast to that of out.
void matmul_op(const py::array& a, const py::array& b, py::array& out, const py::object& bias, int activation, bool accumulate) {
    const py::ssize_t axes = out.ndim() - 2;
    if (axes < 0 || a.ndim() < 2 || b.ndim() < 2 || a.ndim() - 2 > axes || b.ndim() - 2 > axes)
        throw py::value_error("matmul: expected (..., M, K) @ (..., K, N), got " + describe(a) + " @ " + describe(b));
    if (activation < 0 || activation > int(Activation::gelu_tanh)) throw py::value_error("matmul: unknown activation");
    with_float(a, "a", [&](auto zero) {
        using T = decltype(zero);
        Matmul<T> job;
        job.a = readable<T>(a, "a");
        job.b = readable<T>(b, "b");
        job.out = contiguous_out<T>(out, "out");
        const Shape as = element_strides(a, "a"), bs = element_strides(b, "b");
        job.m = a.shape(a.ndim() - 2);
        job.k = a.shape(a.ndim() - 1);
        job.n = b.shape(b.ndim() - 1);
        if (b.shape(b.ndim() - 2) != job.k || out.shape(axes) != job.m || out.shape(axes + 1) != job.n)
            throw py::value_error("matmul: " + describe(a) + " @ " + describe(b) + " does not give " + describe(out));
        job.a_row = as[as.size() - 2];
        job.a_col = as[as.size() - 1];
        job.b_row = bs[bs.size() - 2];
        job.b_col = bs[bs.size() - 1];
        job.out_row = job.n;
        job.activation = Activation(activation);
        job.accumulate = accumulate;
        py::array bias_array;
        if (!bias.is_none()) {
            bias_array = py::reinterpret_borrow<py::array>(bias);
            job.bias = contiguous<T>(bias_array, "bias");
            check_shape(bias_array, {job.n}, "bias");
        }
        std::vector<BatchAxis> batch;
        int64_t step = job.m * job.n;
        for (py::ssize_t i = axes; i-- > 0;) {
            const int64_t extent = out.shape(i);
            const auto along = [&](const py::array& x, const Shape& strides, const char* name) -> int64_t {
                const py::ssize_t at = i - (out.ndim() - x.ndim());
                if (at < 0 || x.shape(at) == 1) return 0;
                if (x.shape(at) != extent) throw py::value_error(std::string(name) + ": its batch does not broadcast to that of out");
                return strides[size_t(at)];
            };
            batch.push_back({extent, along(a, as, "a"), along(b, bs, "b"), step});
            step *= extent;
        }
        // Matrices that share b and follow each other in a are one tall matrix.
        while (!batch.empty() && (batch[0].extent == 1 || (batch[0].b == 0 && batch[0].a == job.m * job.a_row))) {
            job.m *= batch[0].extent;
            batch.erase(batch.begin());
        }
        std::reverse(batch.begin(), batch.end());
        const py::gil_scoped_release nogil;
        matmul(job, batch);
    });
}

}  // namespace

void bind_matmul(py::module_& m) {
    using namespace py::literals;
    m.def("matmul", &matmul_op, "a"_a, "b"_a, "out"_a, "bias"_a = py::none(), "activation"_a = 0, "accumulate"_a = false);
}

}  // namespace gpudl
