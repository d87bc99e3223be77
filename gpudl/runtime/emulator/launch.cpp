// The C interface: kernels by name, a launch from its arguments to its result, faults of the host caught.
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "machine.h"

extern "C" {
EmuHere emu_here;
}

namespace emu {

// Before the initialisers that register kernels.
Machine machine __attribute__((init_priority(101)));

char* static_probe() {
  static thread_local volatile char probe;
  probe = 0;
  return const_cast<char*>(&probe);
}

namespace {

int find_image(dl_phdr_info* info, size_t, void* self) {
  Machine& m = *static_cast<Machine*>(self);
  const char* here = reinterpret_cast<const char*>(&find_image);
  const char *low = nullptr, *high = nullptr;
  size_t tls = 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr)& part = info->dlpi_phdr[i];
    if (part.p_type == PT_TLS) tls = part.p_memsz;
    if (part.p_type != PT_LOAD) continue;
    const char* begin = reinterpret_cast<const char*>(info->dlpi_addr + part.p_vaddr);
    low = low ? std::min(low, begin) : begin;
    high = std::max(high, begin + part.p_memsz);
  }
  if (here < low || here >= high) return 0;
  m.image = low;
  m.image_end = high;
  m.static_bytes = tls;
  m.tls_offset = static_probe() - static_cast<char*>(info->dlpi_tls_data);
  return 1;
}

// ----- what the host's processor or a clock reports while device code runs -----

pthread_t launching;
constexpr int kFaults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
struct sigaction before[4], before_timer;

// The instruction that was interrupted, as a return address would name it; null where that is not known.
const void* interrupted(void* context) {
#if defined(__x86_64__)
  return reinterpret_cast<const char*>(static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP]) + 1;
#else
  (void)context;
  return nullptr;
#endif
}

void on_fault(int number, siginfo_t* info, void* context) {
  Machine& m = machine;
  if (m.thread && pthread_equal(pthread_self(), launching)) {
    const void* pc = interrupted(context);
    const char* at = static_cast<const char*>(info->si_addr);
    if (number == SIGFPE) m.fail("arithmetic", pc, "an integer is divided by zero, or the least one by -1");
    if (m.fiber->guards(at)) m.fail("fault", pc, "the thread's stack is full: a recursion, or large local arrays");
    m.fail("fault", pc, "the host cannot access %p (signal %d)", static_cast<const void*>(at), number);
  }
  // Not ours: what was there before deals with it when the instruction faults again.
  for (int i = 0; i < 4; i++)
    if (kFaults[i] == number) sigaction(number, &before[i], nullptr);
}

void on_timer(int) {
  Machine& m = machine;
  // First a word to whoever looks; a loop that never calls the emulator is left from here a tick later.
  m.expired = m.expired + 1;
  if (m.expired > 2 && m.thread && pthread_equal(pthread_self(), launching))
    m.fail("deadlock", nullptr, "the launch has run into its time limit of %.0f s", m.options.time_limit);
}

class Guard {
 public:
  explicit Guard(double limit) {
    launching = pthread_self();
    struct sigaction action {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    stack_t mine{};
    mine.ss_sp = stack_;
    mine.ss_size = sizeof stack_;
    sigaltstack(&mine, &old_stack_);
    for (int i = 0; i < 4; i++) sigaction(kFaults[i], &action, &before[i]);
    struct sigaction tick {};
    tick.sa_handler = on_timer;
    tick.sa_flags = SA_NODEFER | SA_RESTART;
    sigemptyset(&tick.sa_mask);
    sigaction(timer_signal(), &tick, &before_timer);
    if (limit <= 0) return;
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = timer_signal();
    event._sigev_un._tid = static_cast<pid_t>(syscall(SYS_gettid));
    timed_ = timer_create(CLOCK_MONOTONIC, &event, &timer_) == 0;
    itimerspec when{};
    when.it_value.tv_sec = static_cast<time_t>(limit);
    when.it_value.tv_nsec = static_cast<long>((limit - static_cast<double>(when.it_value.tv_sec)) * 1e9);
    when.it_interval.tv_sec = 1;
    if (timed_) timer_settime(timer_, 0, &when, nullptr);
  }
  ~Guard() {
    if (timed_) timer_delete(timer_);
    sigaction(timer_signal(), &before_timer, nullptr);
    for (int i = 0; i < 4; i++) sigaction(kFaults[i], &before[i], nullptr);
    sigaltstack(&old_stack_, nullptr);
  }

 private:
  static int timer_signal() { return SIGRTMIN + 11; }
  timer_t timer_{};
  bool timed_ = false;
  stack_t old_stack_{};
  static char stack_[64 << 10];
};
char Guard::stack_[64 << 10];

// The cells of argument arrays are kept for the next launch, up to a size.
constexpr size_t kKeptCells = 64 << 20;

}  // namespace

int Machine::launch(const char* key, const unsigned grid[3], const unsigned block_dim[3], unsigned shared,
                    const void* given[], const gpudl_emu_range* given_ranges, int n_ranges,
                    const gpudl_emu_options& wanted) {
  error.clear();
  kind.clear();
  failed = false;
  options = wanted;
  checked = wanted.checked != 0;
  eager = wanted.eager != 0;
  statistics = {};
  expired = 0;
  auto refuse = [&](const std::string& why) {
    error = "launch: " + why;
    kind = "launch";
    return 1;
  };
  auto found = kernels.find(key);
  if (found == kernels.end()) return refuse(std::string("no kernel ") + key + " in this library");
  kernel = &found->second;
  const uint64_t threads = uint64_t{block_dim[0]} * block_dim[1] * block_dim[2];
  if (threads < 1 || threads > 1024 || block_dim[2] > 64) return refuse("a block has 1 to 1024 threads, and 64 in z");
  if (!grid[0] || !grid[1] || !grid[2] || grid[0] > 0x7fffffff || grid[1] > 65535 || grid[2] > 65535)
    return refuse("a grid has 1 to 2147483647 blocks in x, and to 65535 in y and z");
  find_library();
  if (shared + static_bytes > kSharedLimit) return refuse("more than 227 KB of shared memory");

  // Arguments by value, aligned as a struct with a tensor map needs it.
  alignas(64) static char values[kArgumentBytes];
  const void** pointers = reinterpret_cast<const void**>(values);
  size_t at = GPUDL_EMU_MAX_ARGUMENTS * sizeof(void*);
  for (size_t i = 0; i < kernel->sizes.size(); i++) {
    const size_t size = static_cast<size_t>(kernel->sizes[i]);
    at = (at + 63) / 64 * 64;
    if (at + size > kArgumentBytes) return refuse("arguments of more than 4 KB");
    std::memcpy(values + at, given[i], size);
    pointers[i] = values + at;
    at += size;
  }
  arguments = pointers;

  if (!*options.fibers) *options.fibers = new Fibers;
  fibers = static_cast<Fibers*>(*options.fibers);
  threads_of_block = static_cast<int>(threads);
  dynamic_bytes = shared;
  at_grid_barrier = 0;
  released.clear();
  random.seed(options.seed);
  epoch = serial + 1;
  emu_here = EmuHere{};
  emu_here.block_dim = {block_dim[0], block_dim[1], block_dim[2]};
  emu_here.grid_dim = {grid[0], grid[1], grid[2]};
  watch(given_ranges, n_ranges);

  const uint64_t n_blocks = uint64_t{grid[0]} * grid[1] * grid[2];
  auto index_of = [&](uint64_t i) {
    return uint3{static_cast<unsigned>(i % grid[0]), static_cast<unsigned>(i / grid[0] % grid[1]),
                 static_cast<unsigned>(i / grid[0] / grid[1])};
  };
  std::vector<uint32_t> shuffled;
  if (options.order == GPUDL_EMU_SEEDED) {
    shuffled.resize(n_blocks);
    std::iota(shuffled.begin(), shuffled.end(), 0u);
    std::shuffle(shuffled.begin(), shuffled.end(), random);
  }
  auto nth = [&](uint64_t i) {
    return options.order == GPUDL_EMU_SEEDED ? shuffled[i] : options.order == GPUDL_EMU_REVERSE ? n_blocks - 1 - i : i;
  };
  const uint64_t at_once = options.cooperative ? n_blocks : 1;
  while (blocks_.size() < at_once) blocks_.push_back(std::make_unique<Block>());

  {
    Guard guard(options.time_limit);
    for (uint64_t i = 0; i < n_blocks && !failed; i += at_once) {
      alive.clear();
      for (uint64_t j = 0; j < at_once; j++) {
        begin(*blocks_[j], index_of(nth(i + j)));
        alive.push_back(blocks_[j].get());
      }
      run(alive);
    }
  }
  block = nullptr;
  thread = nullptr;
  if (failed) fibers->give_all();
  size_t cells = 0;
  for (auto& shadow : global) cells += shadow->bytes() / kGranule;
  if (cells * sizeof(Cell) > kKeptCells) global.clear();
  return failed;
}

void Machine::find_library() {
  static_probe();  // a thread's block is made when it is first touched
  if (!image) dl_iterate_phdr(find_image, this);
}

// Ranges that overlap (an array and its view, one array twice) share their cells.
void Machine::watch(const gpudl_emu_range* given, int n) {
  ranges.assign(given, given + n);
  std::vector<gpudl_emu_range> merged(ranges);
  std::sort(merged.begin(), merged.end(), [](const auto& a, const auto& b) { return a.begin < b.begin; });
  std::vector<gpudl_emu_range> apart;
  for (const gpudl_emu_range& r : merged) {
    if (!r.bytes) continue;
    char* begin = static_cast<char*>(r.begin);
    if (!apart.empty() && begin < static_cast<char*>(apart.back().begin) + apart.back().bytes) {
      gpudl_emu_range& last = apart.back();
      last.bytes = std::max(last.bytes, static_cast<size_t>(begin + r.bytes - static_cast<char*>(last.begin)));
      last.fresh &= r.fresh;
    } else {
      apart.push_back(r);
    }
  }
  global.resize(std::max(global.size(), apart.size()));
  for (size_t i = 0; i < global.size(); i++) {
    if (!global[i]) global[i] = std::make_unique<Shadow>();
    if (i < apart.size()) {
      const gpudl_emu_range& r = apart[i];
      global[i]->watch(r.begin, r.bytes, epoch, r.fresh != 0, "argument ", r.argument);
    } else {
      global[i]->watch(nullptr, 0, epoch, false, "", -1);
    }
  }
}

void Machine::begin(Block& b, uint3 index) {
  const size_t n = static_cast<size_t>(threads_of_block);
  b.index = index;
  b.serial = b.first_serial = ++serial;
  b.interval = 1;
  b.threads.assign(n, Thread{});
  for (size_t i = 0; i < n; i++) b.threads[i].index = static_cast<uint16_t>(i);
  b.order.resize(n);
  std::iota(b.order.begin(), b.order.end(), uint16_t{0});
  if (options.order == GPUDL_EMU_REVERSE) std::reverse(b.order.begin(), b.order.end());
  if (options.order == GPUDL_EMU_SEEDED) std::shuffle(b.order.begin(), b.order.end(), random);
  b.started = 0;
  b.live = threads_of_block;
  b.ready.clear();
  b.spinning.clear();
  for (Barrier& barrier : b.barriers) barrier = Barrier{};
  b.exchanges.resize((n + kWarp - 1) / kWarp);
  for (auto& warp : b.exchanges)
    for (auto& exchange : warp) exchange->arrived = 0;
  b.warpgroups.assign((n + kWarpgroup - 1) / kWarpgroup, Barrier{});
  b.memory_barriers.clear();
  b.copies.clear();
  b.known = nullptr;
  // What nobody has written is not a number, in floats as in most uses of integers.
  if (!b.dynamic_shared) b.dynamic_shared = static_cast<char*>(std::aligned_alloc(1024, kSharedLimit / 1024 * 1024 + 1024));
  std::memset(b.dynamic_shared, 0xff, dynamic_bytes);
  b.dynamic_shadow.watch(b.dynamic_shared, dynamic_bytes, b.serial, true, "dynamic shared memory", -1);
  b.static_shadow.watch(static_begin(), static_bytes, b.serial, true, "static shared memory", -1);
  if (options.cooperative) {
    b.static_shared.assign(static_bytes, static_cast<char>(0xff));
  }
  std::memset(static_begin(), 0xff, static_bytes);
}

}  // namespace emu

using emu::machine;

extern "C" {

void emu_register(const char* key, void (*entry)(const void**), int n, const int* sizes, const int* is_pointer) {
  machine.kernels[key] = {entry, {sizes, sizes + n}, {is_pointer, is_pointer + n}};
}

int gpudl_emu_launch(const char* key, const unsigned grid[3], const unsigned block[3], unsigned shared_bytes,
                     const void* arguments[], const gpudl_emu_range* ranges, int n_ranges,
                     const gpudl_emu_options* options) {
  try {
    return machine.launch(key, grid, block, shared_bytes, arguments, ranges, n_ranges, *options);
  } catch (const std::bad_alloc&) {
    machine.error = "launch: the host has no memory for the emulated launch";
    machine.kind = "launch";
    return 1;
  }
}

const char* gpudl_emu_error(void) { return machine.error.c_str(); }
const char* gpudl_emu_error_kind(void) { return machine.kind.c_str(); }

int gpudl_emu_signature(const char* key, int* sizes, int* is_pointer) {
  auto found = machine.kernels.find(key);
  if (found == machine.kernels.end()) return -1;
  const emu::Kernel& kernel = found->second;
  std::copy(kernel.sizes.begin(), kernel.sizes.end(), sizes);
  std::copy(kernel.pointers.begin(), kernel.pointers.end(), is_pointer);
  return static_cast<int>(kernel.sizes.size());
}

void gpudl_emu_statistics(gpudl_emu_statistics_t* out) { *out = machine.statistics; }

}  // extern "C"
