// The emulated machine: blocks of threads, what they wait for, and what runs now.
//
// One machine a library. A launch runs its blocks one after the other, or all at once if it is cooperative. Threads are
// fibers that only leave the processor where they must wait, so a kernel without barriers runs as plain loops.
#pragma once
#include <cstdarg>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "clock.h"
#include "emulator.h"
#include "fiber.h"
#include "hooks.h"
#include "shadow.h"

namespace emu {

constexpr int kWarp = 32;
constexpr int kWarpgroup = 128;
constexpr int kNamedBarriers = 16;
constexpr size_t kSharedLimit = 227 << 10;  // of a block on sm_90
constexpr size_t kArgumentBytes = 8192;

enum class State { kUnstarted, kRunning, kReady, kWaiting, kSpinning, kDone };

struct CopyAsync {
  char* to;
  const char* from;
  int bytes, source_bytes, group;
};

struct WarpgroupProduct {
  float* accumulator;
  int n;
  uint64_t a, b;
  int accumulate, group;
};

struct Thread {
  uint16_t index;  // in the block
  State state = State::kUnstarted;
  Fiber* fiber = nullptr;
  const char* waits_for = "";
  const void* waits_at = nullptr;
  unsigned waits_mask = 0;  // of a warp collective
  int vote = 0;             // result of the barrier

  uint32_t step = 1;
  std::vector<uint32_t> seen;  // steps of the block's threads; those of itself are asynchronous ones that it awaited
  uint32_t seen_interval = 0;  // the interval that `seen` is about; in a later one nothing is seen
  KnownPtr known;              // of other blocks, since the last barrier
  KnownPtr fence;              // what the last __threadfence made ready for release
  uint32_t proxy_interval = 0, proxy_step = 0;  // covered by fence.proxy.async

  std::vector<CopyAsync> copies;
  int copy_group = 0;
  std::vector<WarpgroupProduct> products;
  int product_group = 0;
  bool product_fence = false;

  const void* spins_on = nullptr;
  int spins = 0;
};

struct Barrier {
  int expected = 0;
  int arrived = 0;
  int votes = 0;
  std::vector<uint16_t> waiting, came;
  const void* pc = nullptr;
};

// Lanes that exchange values under one mask. Two buffers: a lane may be one collective ahead of one that still reads.
struct Exchange {
  unsigned mask = 0, arrived = 0, round = 0;
  const char* name = "";
  EmuExchange buffer[2];
};

struct MemoryBarrier {  // mbarrier
  int expected, pending, bytes = 0;
  int phase = 0;
  std::vector<uint32_t> arriving, completed;  // steps that the arrivals of this phase, and of the one before, release
  std::vector<uint16_t> waiting;
};

struct TensorCopy;

struct Block {
  uint3 index{};
  uint32_t serial = 0, first_serial = 0, interval = 1;
  std::vector<Thread> threads;
  std::vector<uint16_t> order;  // in which threads start and go on
  size_t started = 0;
  int live = 0;
  std::vector<uint16_t> ready, spinning;

  Barrier barriers[kNamedBarriers];
  std::vector<std::vector<std::unique_ptr<Exchange>>> exchanges;  // by warp
  std::vector<Barrier> warpgroups;
  std::map<const void*, MemoryBarrier> memory_barriers;
  std::deque<TensorCopy> copies;

  char* dynamic_shared = nullptr;
  std::vector<char> static_shared;  // while another block runs
  Shadow dynamic_shadow, static_shadow;
  KnownPtr known;  // of other blocks, by all threads
  ~Block();
};

struct TensorMapBits {
  uint64_t magic;
  char* base;
  uint32_t rank, element_bytes, swizzle, box[5];
  uint64_t sizes[5], strides[5];  // strides in bytes, of the dimension itself
};

struct TensorCopy {
  TensorMapBits map;
  char* to;
  int at[2];
  uint64_t* barrier;
  const void* pc;
  uint16_t thread;
  uint32_t step;
};

struct Kernel {
  void (*entry)(const void**);
  std::vector<int> sizes, pointers;
};

class Machine {
 public:
  // ----- launch.cpp
  int launch(const char* key, const unsigned grid[3], const unsigned block[3], unsigned shared, const void* arguments[],
             const gpudl_emu_range* ranges, int n_ranges, const gpudl_emu_options& options);
  void watch(const gpudl_emu_range* ranges, int n);
  void begin(Block& block, uint3 index);
  std::map<std::string, Kernel> kernels;

  // ----- scheduler.cpp
  void run(std::vector<Block*>& blocks);
  void yield(const void* address, const void* pc);
  void wait(State state, const char* what, const void* pc);
  void wake(uint16_t thread);
  void release(Barrier& barrier, bool whole_block);
  void thread_done();
  [[noreturn]] void leave();
  static void fiber_main();

  // ----- memory.cpp
  void access(const void* p, size_t bytes, Access how, const void* pc, uint16_t flags = 0);
  Shadow* shadow_of(const void* p, size_t bytes);
  void require_shared(const void* p, size_t bytes, const char* what, const void* pc);
  bool is_shared(const void* p) const;
  bool happened_before(const Stamp& stamp);
  Stamp now(const void* pc, uint16_t flags) const;
  std::vector<uint32_t>& seen();          // of the running thread, made valid for this interval
  std::vector<uint32_t> releasing();      // what it releases to threads of its block
  KnownPtr releasing_to_all();            // and to all blocks
  void acquire(const KnownPtr& known);
  char* static_begin();
  void find_library();

  // ----- report.cpp
  void fail(const char* kind, const void* pc, const char* format, ...) __attribute__((format(printf, 4, 5)));
  void note(const char* kind, const void* pc, const char* text);
  std::string line_of(const void* pc);

  bool on_device() const { return thread != nullptr; }
  // Shared addresses begin with the static memory of a block; the dynamic follows.
  size_t dynamic_offset() const { return (static_bytes + 1023) / 1024 * 1024; }

  // What runs now.
  Block* block = nullptr;
  Thread* thread = nullptr;
  Fiber* fiber = nullptr;
  Context scheduler;
  Fibers* fibers = nullptr;
  const Kernel* kernel = nullptr;
  const void** arguments = nullptr;

  // This launch.
  gpudl_emu_options options{};
  bool checked = false, eager = false;
  int threads_of_block = 0;
  unsigned dynamic_bytes = 0;
  int at_grid_barrier = 0;
  std::vector<Block*> alive;
  std::vector<std::unique_ptr<Shadow>> global;  // watched ranges
  std::vector<gpudl_emu_range> ranges;
  std::unordered_map<const void*, KnownPtr> released;  // by address of the atomic or flag
  uint32_t serial = 1;  // of the latest block of all launches
  uint32_t epoch = 1;   // stamps of blocks before it happened before everything now
  std::mt19937_64 random;
  volatile int expired = 0;
  gpudl_emu_statistics_t statistics{};

  bool failed = false;
  std::string error, kind;

  // The library itself.
  const char *image = nullptr, *image_end = nullptr;
  ptrdiff_t tls_offset = 0;
  size_t static_bytes = 0;

 private:
  std::vector<std::unique_ptr<Block>> blocks_;
};

extern Machine machine;

// async.cpp: lets the oldest tensor copy of the running block arrive.
void land_tensor_copy(Machine& m);

// Somewhere in this library's thread-local block, which is the static shared memory of its kernels.
char* static_probe();

}  // namespace emu

// The caller of a hook, which is device code.
#define EMU_PC __builtin_extract_return_addr(__builtin_return_address(0))
