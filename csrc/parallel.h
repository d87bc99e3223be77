// The one thread pool, as its callers see it.
//
//   parallel_for(begin, end, grain, [&](int64_t b, int64_t e) { ... });
//
// The range is cut into chunks of `grain` (the last one may be shorter). The chunks are a function of (begin, end, grain)
// alone, never of the thread count, so a reduction that keeps one partial result per chunk gives the same bits on any
// machine size. Which thread runs which chunk is not fixed. A nested call, or a call while another Python thread holds
// the pool, runs its chunks in order on the calling thread. The body must not touch Python; an exception it throws is
// rethrown on the calling thread after all chunks have stopped.
#pragma once

#include <cstdint>
#include <type_traits>

namespace gpudl {

// Threads that a parallel_for may use, the caller included.
int num_threads();
void set_num_threads(int n);

namespace detail {
using ChunkFn = void (*)(void* context, int64_t chunk);
void run_chunks(int64_t chunks, ChunkFn fn, void* context);
}  // namespace detail

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Number of chunks that parallel_for makes: the size of an array of partial results.
inline int64_t num_chunks(int64_t begin, int64_t end, int64_t grain) {
    if (end <= begin) return 0;
    return ceil_div(end - begin, grain < 1 ? 1 : grain);
}

// As parallel_for, and f also gets the chunk's number: f(chunk, b, e).
template <class F>
void parallel_chunks(int64_t begin, int64_t end, int64_t grain, F&& f) {
    if (end <= begin) return;
    if (grain < 1) grain = 1;
    const int64_t chunks = num_chunks(begin, end, grain);
    if (chunks == 1) {
        f(int64_t{0}, begin, end);
        return;
    }
    struct Context {
        std::remove_reference_t<F>* body;
        int64_t begin, end, grain;
    } context{&f, begin, end, grain};
    detail::run_chunks(
        chunks,
        [](void* p, int64_t chunk) {
            auto& c = *static_cast<Context*>(p);
            const int64_t b = c.begin + chunk * c.grain;
            const int64_t e = c.end - b < c.grain ? c.end : b + c.grain;
            (*c.body)(chunk, b, e);
        },
        &context);
}

template <class F>
void parallel_for(int64_t begin, int64_t end, int64_t grain, F&& f) {
    parallel_chunks(begin, end, grain, [&](int64_t, int64_t b, int64_t e) { f(b, e); });
}

}  // namespace gpudl
