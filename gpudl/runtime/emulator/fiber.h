// Fibers: a stack and the registers of a function that was left in the middle. A switch costs a few nanoseconds.
#pragma once
#include <cstddef>
#include <vector>

#if !defined(__x86_64__) || defined(GPUDL_EMU_UCONTEXT)
#include <ucontext.h>
#endif

namespace emu {

#if defined(__x86_64__) && !defined(GPUDL_EMU_UCONTEXT)
struct Context {
  void* stack_pointer = nullptr;  // the callee-saved registers lie on top of the stack
};
#else
struct Context {
  ucontext_t state;
};
#endif

// Saves what runs now in `from` and goes on with `to`.
void switch_context(Context& from, Context& to);

struct Fiber {
  Context context;
  char* guard = nullptr;  // a page that nothing can access, below the stack
  char* begin = nullptr;
  char* end = nullptr;
  bool holds(const void* p) const { return p >= begin && p < end; }
  bool guards(const void* p) const { return p >= guard && p < begin; }
};

// All fibers of a process: only one launch runs at a time, so its libraries share them. They are kept between launches.
class Fibers {
 public:
  // A fiber that will run `entry`, which must never return.
  Fiber* take(void (*entry)());
  void give(Fiber* fiber) { free_.push_back(fiber); }
  // After a launch that was given up: no fiber is in use.
  void give_all() { free_ = all_; }

 private:
  void grow();
  std::vector<Fiber*> all_, free_;
};

}  // namespace emu
