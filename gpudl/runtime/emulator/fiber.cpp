#include "fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <new>

namespace emu {

namespace {
constexpr size_t kStack = 128 << 10;
constexpr int kAtOnce = 64;
}  // namespace

#if defined(__x86_64__) && !defined(GPUDL_EMU_UCONTEXT)

// The System V ABI: rbx, rbp and r12 to r15 are the callee's to save, as are the control words of x87 and SSE, which
// emulated code never changes.
asm(R"(
  .text
  .type emu_switch_stacks, @function
emu_switch_stacks:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size emu_switch_stacks, .-emu_switch_stacks
)");
extern "C" void emu_switch_stacks(void** save, void* load);

void switch_context(Context& from, Context& to) { emu_switch_stacks(&from.stack_pointer, to.stack_pointer); }

static void start(Fiber& fiber, void (*entry)()) {
  // Six registers, the address that `ret` takes, and the alignment that a call would leave.
  uint64_t* top = reinterpret_cast<uint64_t*>(fiber.end) - 2;
  top[0] = reinterpret_cast<uint64_t>(entry);
  top[1] = 0;
  top -= 6;
  std::memset(top, 0, 6 * sizeof *top);
  fiber.context.stack_pointer = top;
}

#else

void switch_context(Context& from, Context& to) { swapcontext(&from.state, &to.state); }

static void start(Fiber& fiber, void (*entry)()) {
  getcontext(&fiber.context.state);
  fiber.context.state.uc_stack.ss_sp = fiber.begin;
  fiber.context.state.uc_stack.ss_size = static_cast<size_t>(fiber.end - fiber.begin);
  fiber.context.state.uc_link = nullptr;
  makecontext(&fiber.context.state, entry, 0);
}

#endif

Fiber* Fibers::take(void (*entry)()) {
  if (free_.empty()) grow();
  Fiber* fiber = free_.back();
  free_.pop_back();
  start(*fiber, entry);
  return fiber;
}

void Fibers::grow() {
  void* memory = mmap(nullptr, kAtOnce * kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  for (int i = 0; i < kAtOnce; i++) {
    Fiber* fiber = new Fiber;
    fiber->guard = static_cast<char*>(memory) + i * kStack;
    fiber->begin = fiber->guard + page;
    fiber->end = fiber->guard + kStack;
    mprotect(fiber->guard, page, PROT_NONE);
    all_.push_back(fiber);
    free_.push_back(fiber);
  }
}

}  // namespace emu
