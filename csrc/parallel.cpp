// The thread pool: one per process, started at first use, gone across a fork.
//
// The caller of run_chunks works too; `threads - 1` workers help. Chunks are handed out by one atomic counter.
// Before fork the workers are stopped and joined (pthread_atfork), so a child never inherits a pool without threads, and
// both sides start workers again at their next use.
#include "parallel.h"

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <pybind11/pybind11.h>

namespace gpudl {
namespace {

constexpr int kMaxThreads = 1024;
constexpr int kSpins = 2000;       // some 20 us: back-to-back kernels find the workers awake
constexpr int kClosed = 1 << 30;   // the door's flag: nobody may join the job any more

inline void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

int usable_cores() {
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
    const int n = static_cast<int>(std::thread::hardware_concurrency());
    return n > 0 ? n : 1;
}

int default_threads() {
    const int cores = usable_cores();
    for (const char* name : {"GPUDL_NUM_THREADS", "OMP_NUM_THREADS"}) {
        const char* text = std::getenv(name);
        if (text == nullptr) continue;
        char* rest = nullptr;
        const long n = std::strtol(text, &rest, 10);
        if (rest != text && n >= 1) return n < cores ? static_cast<int>(n) : cores;
    }
    return cores;
}

thread_local bool inside_pool = false;

class Pool {
public:
    // Never destroyed: a static destructor would race with threads that still compute at exit.
    static Pool& get() {
        static Pool* pool = new Pool;
        return *pool;
    }

    int threads() const { return threads_.load(std::memory_order_relaxed); }

    void resize(int n) {
        std::lock_guard<std::mutex> owner(owner_);
        stop();
        threads_ = n;
    }

    void run(int64_t chunks, detail::ChunkFn fn, void* context) {
        std::unique_lock<std::mutex> owner(owner_, std::defer_lock);
        if (inside_pool || threads() == 1 || !owner.try_lock()) {
            for (int64_t i = 0; i < chunks; ++i) fn(context, i);
            return;
        }
        start();
        fn_ = fn;
        context_ = context;
        chunks_ = chunks;
        next_.store(0, std::memory_order_relaxed);
        error_ = nullptr;
        door_.store(0, std::memory_order_release);
        {
            std::lock_guard<std::mutex> lock(mutex_);
            ticket_.fetch_add(1, std::memory_order_release);
        }
        wake_.notify_all();
        inside_pool = true;
        work();
        inside_pool = false;
        // A worker that has not come yet is not waited for: on a busy machine its wake-up can take longer than the job.
        door_.fetch_or(kClosed, std::memory_order_acq_rel);
        for (int spin = 0; door_.load(std::memory_order_acquire) != kClosed; ++spin) {
            if (spin < kSpins) {
                relax();
            } else {
                std::unique_lock<std::mutex> lock(mutex_);
                done_.wait(lock, [&] { return door_.load(std::memory_order_acquire) == kClosed; });
            }
        }
        if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
    }

private:
    Pool() : threads_(default_threads()) {
        pthread_atfork([] { get().before_fork(); }, [] { get().after_fork(); }, [] { get().after_fork(); });
    }

    void before_fork() {
        owner_.lock();  // waits for a running job, which needs no GIL to finish
        stop();
    }

    void after_fork() { owner_.unlock(); }

    void start() {
        if (!workers_.empty()) return;
        quit_ = false;
        const uint64_t ticket = ticket_.load();
        const int want = threads() - 1;
        // Signals belong to Python's main thread: a worker that caught one would not interrupt a sleep there.
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        try {
            for (int i = 0; i < want; ++i) workers_.emplace_back([this, ticket] { loop(ticket); });
        } catch (const std::system_error&) {
            // The system gives no more threads: go on with those that started.
        }
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }

    void stop() {
        {
            std::lock_guard<std::mutex> lock(mutex_);
            quit_ = true;
            ticket_.fetch_add(1, std::memory_order_release);
        }
        wake_.notify_all();
        for (auto& worker : workers_) worker.join();
        workers_.clear();
    }

    void loop(uint64_t seen) {
        inside_pool = true;
        for (;;) {
            for (int spin = 0; spin < kSpins && ticket_.load(std::memory_order_acquire) == seen; ++spin) relax();
            if (ticket_.load(std::memory_order_acquire) == seen) {
                std::unique_lock<std::mutex> lock(mutex_);
                wake_.wait(lock, [&] { return ticket_.load(std::memory_order_acquire) != seen; });
            }
            seen = ticket_.load(std::memory_order_acquire);
            if (quit_) return;
            if (!enter()) continue;
            work();
            if (door_.fetch_sub(1, std::memory_order_acq_rel) == kClosed + 1) {
                std::lock_guard<std::mutex> lock(mutex_);
                done_.notify_one();
            }
        }
    }

    bool enter() {
        int door = door_.load(std::memory_order_acquire);
        while ((door & kClosed) == 0)
            if (door_.compare_exchange_weak(door, door + 1, std::memory_order_acq_rel)) return true;
        return false;
    }

    void work() {
        for (;;) {
            const int64_t i = next_.fetch_add(1, std::memory_order_relaxed);
            if (i >= chunks_) return;
            try {
                fn_(context_, i);
            } catch (...) {
                std::lock_guard<std::mutex> lock(mutex_);
                if (!error_) error_ = std::current_exception();
                next_.store(chunks_, std::memory_order_relaxed);
            }
        }
    }

    std::mutex owner_;  // held by the one thread that runs a job, resizes the pool or forks
    std::mutex mutex_;
    std::condition_variable wake_, done_;
    std::vector<std::thread> workers_;
    std::atomic<int> threads_;
    std::atomic<uint64_t> ticket_{0};  // one more for each job, and at stop
    std::atomic<bool> quit_{false};
    std::atomic<int> door_{kClosed};   // workers inside the job, and the flag kClosed
    std::atomic<int64_t> next_{0};
    int64_t chunks_ = 0;
    detail::ChunkFn fn_ = nullptr;
    void* context_ = nullptr;
    std::exception_ptr error_;
};

// NumPy's BLAS has a pool of its own, in a library that NumPy loads without making its symbols global: look through the
// loaded libraries for one whose name says BLAS and which offers one of these calls.
bool set_blas_threads(int n) {
    std::vector<std::string> libraries;
    dl_iterate_phdr(
        [](struct dl_phdr_info* info, size_t, void* out) {
            static_cast<std::vector<std::string>*>(out)->emplace_back(info->dlpi_name);
            return 0;
        },
        &libraries);
    bool found = false;
    for (const std::string& path : libraries) {
        const std::string name = path.substr(path.rfind('/') + 1);
        if (name.find("blas") == std::string::npos && name.find("mkl_rt") == std::string::npos &&
            name.find("blis") == std::string::npos)
            continue;
        void* handle = dlopen(path.c_str(), RTLD_LAZY | RTLD_NOLOAD | RTLD_LOCAL);
        if (handle == nullptr) continue;
        for (const char* call : {"scipy_openblas_set_num_threads64_", "scipy_openblas_set_num_threads",
                                 "openblas_set_num_threads64_", "openblas_set_num_threads", "MKL_Set_Num_Threads",
                                 "bli_thread_set_num_threads"}) {
            if (void* symbol = dlsym(handle, call)) {
                reinterpret_cast<void (*)(int)>(symbol)(n);
                found = true;
                break;
            }
        }
        dlclose(handle);
    }
    return found;
}

}  // namespace

int num_threads() { return Pool::get().threads(); }

void set_num_threads(int n) {
    if (n < 1 || n > kMaxThreads)
        throw std::invalid_argument("set_num_threads: expected 1 to " + std::to_string(kMaxThreads) + ", got " +
                                    std::to_string(n));
    Pool::get().resize(n);
}

void detail::run_chunks(int64_t chunks, ChunkFn fn, void* context) { Pool::get().run(chunks, fn, context); }

void bind_parallel(pybind11::module_& m) {
    namespace py = pybind11;
    m.def("get_num_threads", &num_threads, "Threads that one native kernel may use.");
    m.def("set_num_threads", [](int n) {
        set_num_threads(n);
        return set_blas_threads(n);
    }, py::arg("n"), py::call_guard<py::gil_scoped_release>(),
          "Sets the threads of the pool, 1 to 1024, and of NumPy's BLAS; True when that was found.");
}

}  // namespace gpudl
