// Every access of device code: is it within what the kernel was given, and is it ordered with the others?
#include <cstring>

#include "machine.h"

namespace emu {

Stamp Machine::now(const void* pc, uint16_t flags) const {
  return {block->serial, block->interval, thread->step, static_cast<uint32_t>(static_cast<const char*>(pc) - image),
          thread->index, flags};
}

bool Machine::happened_before(const Stamp& s) {
  if (s.block < epoch) return true;
  if (s.block == block->serial) {
    if (s.interval < block->interval) return true;
    if (s.thread == thread->index && !(s.flags & kAsync)) return true;
    return thread->seen_interval == block->interval && s.thread < thread->seen.size() && thread->seen[s.thread] >= s.step;
  }
  for (const KnownPtr& known : {thread->known, block->known}) {
    if (!known) continue;
    auto found = known->find(s.block);
    if (found == known->end()) continue;
    const Seen& seen = *found->second;
    if (s.interval < seen.interval) return true;
    if (s.interval == seen.interval && s.thread < seen.steps.size() && seen.steps[s.thread] >= s.step) return true;
  }
  return false;
}

std::vector<uint32_t>& Machine::seen() {
  if (thread->seen_interval != block->interval) {
    thread->seen.assign(static_cast<size_t>(threads_of_block), 0);
    thread->seen_interval = block->interval;
  }
  return thread->seen;
}

std::vector<uint32_t> Machine::releasing() {
  std::vector<uint32_t> steps = seen();
  steps[thread->index] = std::max(steps[thread->index], thread->step);
  thread->step++;
  return steps;
}

KnownPtr Machine::releasing_to_all() {
  auto own = std::make_shared<Seen>();
  own->interval = block->interval;
  own->steps = releasing();
  auto all = std::make_shared<Known>();
  (*all)[block->serial] = own;
  return join(join(thread->known, block->known), all);
}

void Machine::acquire(const KnownPtr& known) {
  if (!known) return;
  thread->known = join(thread->known, known);
  auto own = known->find(block->serial);
  if (own != known->end() && own->second->interval == block->interval) {
    // Program order covers a thread's own steps, except for asynchronous ones.
    uint32_t awaited = seen()[thread->index];
    join(seen(), own->second->steps);
    seen()[thread->index] = awaited;
  }
}

char* Machine::static_begin() { return static_probe() - tls_offset; }

bool Machine::is_shared(const void* p) const {
  return block && (block->dynamic_shadow.holds(p, 1) || block->static_shadow.holds(p, 1));
}

Shadow* Machine::shadow_of(const void* p, size_t bytes) {
  for (auto& shadow : global)
    if (shadow->holds(p, bytes)) return shadow.get();
  if (block->dynamic_shadow.holds(p, bytes)) return &block->dynamic_shadow;
  if (block->static_shadow.holds(p, bytes)) return &block->static_shadow;
  return nullptr;
}

void Machine::require_shared(const void* p, size_t bytes, const char* what, const void* pc) {
  if (!block->dynamic_shadow.holds(p, bytes) && !block->static_shadow.holds(p, bytes))
    fail("bounds", pc, "%s: %zu bytes at %p are not shared memory of this block", what, bytes, p);
}

namespace {

std::string place(const Machine& m, const char* p, size_t bytes) {
  struct Near {
    const char* begin;
    size_t bytes;
    std::string name;
  };
  std::vector<Near> all;
  for (const gpudl_emu_range& r : m.ranges)
    all.push_back({static_cast<const char*>(r.begin), r.bytes, "argument " + std::to_string(r.argument)});
  all.push_back({m.block->dynamic_shadow.begin(), m.block->dynamic_shadow.bytes(), "dynamic shared memory"});
  all.push_back({m.block->static_shadow.begin(), m.block->static_shadow.bytes(), "static shared memory"});
  const Near* nearest = nullptr;
  size_t best = size_t{1} << 32;
  for (const Near& near : all) {
    if (!near.begin) continue;
    size_t away = p < near.begin ? static_cast<size_t>(near.begin - p)
                                 : p + bytes > near.begin + near.bytes ? static_cast<size_t>(p + bytes - near.begin) - near.bytes : 0;
    if (away < best) best = away, nearest = &near;
  }
  if (!p || !nearest) return p ? "far from every argument" : "at the null pointer";
  long offset = static_cast<long>(p - nearest->begin);
  return "at byte " + std::to_string(offset) + " of " + nearest->name + ", which has " + std::to_string(nearest->bytes) + " bytes";
}

}  // namespace

void Machine::access(const void* p, size_t bytes, Access how, const void* pc, uint16_t flags) {
  if (!thread || failed) return;
  const char* at = static_cast<const char*>(p);
  if (at >= image && at < image_end && !writes(how)) return;  // built-in variables and constant tables
  statistics.accesses++;
  if (expired) fail("deadlock", pc, "the launch has run into its time limit of %.0f s", options.time_limit);
  if (Shadow* shadow = shadow_of(p, bytes)) {
    if (checked) shadow->access(p, bytes, how, pc, flags);
    return;
  }
  if (fiber->holds(at)) {  // a local variable
    for (const WarpgroupProduct& product : thread->products) {
      const char* sums = reinterpret_cast<const char*>(product.accumulator);
      if (at + bytes > sums && at < sums + sizeof(float) * static_cast<size_t>(product.n) / 2)
        fail("wait", pc, "an accumulator of a wgmma in flight is touched: wgmma_wait is missing");
    }
    return;
  }
  if (at >= reinterpret_cast<const char*>(arguments) && at < reinterpret_cast<const char*>(arguments) + kArgumentBytes) return;
  fail("bounds", pc, "%zu bytes are %s %s", bytes, writes(how) ? "written" : "read", place(*this, at, bytes).c_str());
}

}  // namespace emu

using emu::Access;
using emu::machine;

extern "C" {

void emu_threadfence() {
  if (machine.checked && machine.thread) machine.thread->fence = machine.releasing_to_all();
}

void emu_atomic(const void* p, int bytes, int kind) {
  if (!machine.thread) return;
  const void* pc = EMU_PC;
  machine.yield(p, pc);
  if (reinterpret_cast<uintptr_t>(p) % static_cast<unsigned>(bytes))
    machine.fail("alignment", pc, "an atomic on %d bytes at %p, which is not a multiple of them", bytes, p);
  machine.access(p, static_cast<size_t>(bytes), kind == kAtomicLoad ? Access::kAtomicRead : Access::kAtomicWrite, pc);
  if (machine.checked && kind != kAtomicLoad) {
    // Relaxed by itself. What a fence before it covered is released, and what was released is acquired, as in the pattern
    // of the programming guide (partial result, __threadfence, atomic; the last block reads all).
    emu::KnownPtr& released = machine.released[p];
    emu::KnownPtr before = released;
    released = emu::join(released, machine.thread->fence);
    machine.acquire(before);
  }
}

void emu_acquire(const void* p, int bytes) {
  if (!machine.thread) return;
  machine.yield(p, EMU_PC);
  machine.access(p, static_cast<size_t>(bytes), Access::kAtomicRead, EMU_PC);
  if (!machine.checked) return;
  auto found = machine.released.find(p);
  if (found != machine.released.end()) machine.acquire(found->second);
}

void emu_release(const void* p, int bytes) {
  if (!machine.thread) return;
  machine.access(p, static_cast<size_t>(bytes), Access::kAtomicWrite, EMU_PC);
  if (machine.checked) machine.released[p] = machine.releasing_to_all();
}

uint32_t emu_shared_address(const void* p) {
  const emu::Block& b = *machine.block;
  const char* at = static_cast<const char*>(p);
  if (at >= b.dynamic_shared && at <= b.dynamic_shared + machine.dynamic_bytes)
    return static_cast<uint32_t>(machine.dynamic_offset() + static_cast<size_t>(at - b.dynamic_shared));
  if (at >= machine.static_begin() && at < machine.static_begin() + machine.static_bytes)
    return static_cast<uint32_t>(at - machine.static_begin());
  machine.fail("bounds", EMU_PC, "the shared address of %p, which is not shared memory", p);
  return 0;
}

}  // extern "C"
