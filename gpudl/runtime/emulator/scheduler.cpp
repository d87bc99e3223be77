// Threads and what they wait for at barriers and in warp collectives.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "machine.h"

namespace emu {

namespace {
constexpr int kSpins = 32;           // accesses to one address in a row before others get their turn
constexpr int kIdleRounds = 2000;    // rounds in which threads only spin before that is a deadlock
constexpr int kDeadlockLines = 6;

void show(const Machine& m, const Thread& t) {
  const unsigned i = t.index, x = emu_here.block_dim.x, y = emu_here.block_dim.y;
  emu_here.thread_index = {i % x, i / x % y, i / x / y};
  emu_here.lane = i % kWarp;
  emu_here.block_index = m.block->index;
  emu_here.dynamic_shared = reinterpret_cast<unsigned char*>(m.block->dynamic_shared);
}

// Static shared memory has one address; the blocks of a cooperative launch keep theirs aside while others run.
void enter(Machine& m, Block& block) {
  if (m.block == &block) return;
  if (m.alive.size() > 1) {
    if (m.block) m.block->static_shared.assign(m.static_begin(), m.static_begin() + m.static_bytes);
    std::memcpy(m.static_begin(), block.static_shared.data(), m.static_bytes);
  }
  m.block = &block;
}

bool step(Machine& m, Block& block) {
  bool progress = false;
  auto resume = [&](Thread& t) {
    t.state = State::kRunning;
    m.thread = &t;
    m.fiber = t.fiber;
    show(m, t);
    switch_context(m.scheduler, t.fiber->context);
    m.thread = nullptr;
  };
  while (block.started < block.order.size() && !m.failed) {
    progress = true;
    m.fiber = m.fibers->take(&Machine::fiber_main);
    switch_context(m.scheduler, m.fiber->context);
    m.thread = nullptr;
  }
  while (!block.ready.empty() && !m.failed) {
    progress = true;
    std::vector<uint16_t> ready;
    ready.swap(block.ready);
    // In the order of this launch, whatever the order in which they were woken.
    if (m.options.order == GPUDL_EMU_SEEDED) {
      std::shuffle(ready.begin(), ready.end(), m.random);
    } else {
      std::sort(ready.begin(), ready.end());
      if (m.options.order == GPUDL_EMU_REVERSE) std::reverse(ready.begin(), ready.end());
    }
    for (uint16_t i : ready) {
      if (m.failed) break;
      resume(block.threads[i]);
    }
  }
  std::vector<uint16_t> spinning;
  spinning.swap(block.spinning);
  for (uint16_t i : spinning) {
    if (m.failed) break;
    resume(block.threads[i]);
    if (block.threads[i].state != State::kSpinning) progress = true;
  }
  return progress;
}

void report_deadlock(Machine& m, const std::vector<Block*>& blocks) {
  std::map<std::string, int> places;
  int exited = 0;
  bool collective = false;
  for (const Block* block : blocks) {
    for (const Thread& t : block->threads) {
      if (t.state == State::kDone) exited++;
      if (t.state == State::kDone || t.state == State::kUnstarted) continue;
      collective |= t.waits_mask != 0;
      places[std::string(t.waits_for) + " at " + m.line_of(t.waits_at)]++;
    }
  }
  std::string text;
  int lines = 0;
  for (const auto& [place, threads] : places) {
    if (lines++ == kDeadlockLines) break;
    text += (text.empty() ? "" : "; ") + std::to_string(threads) + " in " + place;
  }
  // A warp collective completes as soon as its lanes come, so lanes of its mask have gone elsewhere.
  m.fail(collective ? "divergence" : "deadlock", nullptr, "no thread can go on: %s; %d threads have exited", text.c_str(), exited);
}

}  // namespace

Block::~Block() { std::free(dynamic_shared); }

void Machine::run(std::vector<Block*>& blocks) {
  int idle = 0;
  while (!failed) {
    bool progress = false, any = false, spinning = false;
    for (Block* b : blocks) {
      if (!b->live || failed) continue;
      any = true;
      enter(*this, *b);
      progress |= step(*this, *b);
      spinning |= !b->spinning.empty();
    }
    if (!any || failed) break;
    if (expired) fail("deadlock", nullptr, "the launch has run into its time limit of %.0f s", options.time_limit);
    if (progress) {
      idle = 0;
      continue;
    }
    for (Block* b : blocks) {
      if (b->copies.empty()) continue;
      enter(*this, *b);
      land_tensor_copy(*this);
      progress = true;
      break;
    }
    if (progress || (spinning && ++idle < kIdleRounds)) continue;
    report_deadlock(*this, blocks);
  }
  for (Block* b : blocks) {
    if (failed || b->copies.empty()) continue;
    enter(*this, *b);
    fail("wait", b->copies.front().pc, "a tensor copy that nobody has waited for is in flight when its block ends");
  }
  block = nullptr;
}

// A fiber runs thread after thread until one of them has to wait.
void Machine::fiber_main() {
  Machine& m = machine;
  for (;;) {
    while (m.block->started < m.block->order.size()) {
      Thread& t = m.block->threads[m.block->order[m.block->started++]];
      t.state = State::kRunning;
      t.fiber = m.fiber;
      m.thread = &t;
      show(m, t);
      m.kernel->entry(m.arguments);
      m.thread_done();
    }
    Fiber* self = m.fiber;
    m.fibers->give(self);
    switch_context(self->context, m.scheduler);
  }
}

void Machine::wait(State state, const char* what, const void* pc) {
  Thread* self = thread;
  Block* home = block;
  self->state = state;
  self->waits_for = what;
  self->waits_at = pc;
  statistics.switches++;
  switch_context(self->fiber->context, scheduler);
  thread = self;
  block = home;
  self->waits_mask = 0;
}

void Machine::wake(uint16_t index) {
  Thread& t = block->threads[index];
  if (t.state != State::kWaiting) return;
  t.state = State::kReady;
  block->ready.push_back(index);
}

// Called before an access that may be one of a loop that waits for another thread.
void Machine::yield(const void* address, const void* pc) {
  if (thread->spins_on != address) {
    thread->spins_on = address;
    thread->spins = 0;
  } else if (++thread->spins % kSpins == 0) {
    block->spinning.push_back(thread->index);
    wait(State::kSpinning, "a loop on one address", pc);
  }
}

void Machine::leave() {
  Context abandoned;
  thread = nullptr;
  switch_context(abandoned, scheduler);
  __builtin_unreachable();
}

void Machine::thread_done() {
  Thread& done = *thread;
  done.state = State::kDone;
  block->live--;
  statistics.threads++;
  for (auto& exchange : block->exchanges[done.index / kWarp]) {
    if (!exchange->arrived || !(exchange->mask >> (done.index % kWarp) & 1u)) continue;
    const int waiting = done.index / kWarp * kWarp + __builtin_ctz(exchange->arrived);
    fail("divergence", block->threads[static_cast<size_t>(waiting)].waits_at,
         "lane %d exits while %s waits for it under mask %08x", done.index % kWarp, exchange->name, exchange->mask);
  }
  Barrier& all = block->barriers[0];
  if (all.expected == 0 && all.arrived && all.arrived >= block->live) release(all, true);
  thread = nullptr;
}

// All that came to a barrier know what each of them knew.
void Machine::release(Barrier& b, bool whole_block) {
  if (checked) {
    if (whole_block) {
      block->interval++;
      for (Thread& t : block->threads) {
        block->known = join(block->known, t.known);
        t.known = nullptr;
      }
    } else {
      std::vector<uint32_t> steps;
      KnownPtr known;
      Thread* self = thread;
      for (uint16_t i : b.came) {
        thread = &block->threads[i];
        join(steps, releasing());
        known = join(known, thread->known);
      }
      for (uint16_t i : b.waiting) {
        thread = &block->threads[i];
        const uint32_t awaited = seen()[i];
        join(seen(), steps);
        seen()[i] = awaited;
        thread->known = known;
      }
      thread = self;
    }
  }
  for (uint16_t i : b.waiting) {
    block->threads[i].vote = b.votes;
    wake(i);
  }
  b.waiting.clear();
  b.came.clear();
  b.arrived = b.votes = b.expected = 0;
  b.pc = nullptr;
}

static void syncthreads(int predicate, const void* pc, const char* name) {
  Machine& m = machine;
  Barrier& b = m.block->barriers[0];
  if (b.arrived && b.expected) m.fail("barrier", pc, "%s while others are at a named barrier 0", name);
  if (m.checked && b.arrived && b.pc != pc && m.line_of(b.pc) != m.line_of(pc))
    m.fail("divergence", pc, "%s here, while other threads of the block are at %s", name, m.line_of(b.pc).c_str());
  b.pc = pc;
  b.arrived++;
  b.votes += predicate != 0;
  b.came.push_back(m.thread->index);
  Thread& self = *m.thread;
  if (b.arrived >= m.block->live) {
    const int votes = b.votes;
    m.release(b, true);
    self.vote = votes;
  } else {
    b.waiting.push_back(self.index);
    m.wait(State::kWaiting, name, pc);
  }
}

static void named_barrier(int id, int threads, bool waits, const void* pc) {
  Machine& m = machine;
  const char* name = waits ? "named_barrier_sync" : "named_barrier_arrive";
  if (id < 0 || id >= kNamedBarriers) m.fail("barrier", pc, "%s: there are barriers 0 to 15, not %d", name, id);
  if (threads <= 0 || threads % kWarp)
    m.fail("barrier", pc, "%s: %d threads, which is not a positive multiple of 32", name, threads);
  Barrier& b = m.block->barriers[id];
  if (b.arrived && b.expected != threads)
    m.fail("barrier", pc, "%s: barrier %d for %d threads, others expect %d", name, id, threads, b.expected);
  if (threads > m.threads_of_block)
    m.fail("barrier", pc, "%s: %d threads, the block has %d", name, threads, m.threads_of_block);
  if (std::find(b.came.begin(), b.came.end(), m.thread->index) != b.came.end())
    m.fail("barrier", pc, "%s: this thread has come to barrier %d before it completed", name, id);
  b.expected = threads;
  b.arrived++;
  b.came.push_back(m.thread->index);
  if (waits && b.arrived < threads) {
    b.waiting.push_back(m.thread->index);
    m.wait(State::kWaiting, name, pc);
    return;
  }
  if (b.arrived < threads) return;
  if (waits) b.waiting.push_back(m.thread->index);
  m.release(b, false);
}

// ----- warp collectives -----

static Exchange& exchange_of(unsigned mask) {
  auto& all = machine.block->exchanges[machine.thread->index / kWarp];
  for (auto& e : all)
    if (e->mask == mask) return *e;
  all.push_back(std::make_unique<Exchange>());
  all.back()->mask = mask;
  return *all.back();
}

static EmuExchange* exchange(unsigned mask, const void* in, int bytes, EmuFinish finish, const char* name,
                             bool orders_memory, const void* pc) {
  Machine& m = machine;
  const int warp = m.thread->index / kWarp, lane = m.thread->index % kWarp;
  const int present = m.threads_of_block - warp * kWarp;
  if (present < kWarp) mask &= (1u << present) - 1;  // lanes that the block does not have
  if (!(mask >> lane & 1u)) m.fail("divergence", pc, "%s: lane %d is not in its own mask %08x", name, lane, mask);
  for (int i = 0; i < kWarp; i++) {
    if (!(mask >> i & 1u)) continue;
    const Thread& t = m.block->threads[static_cast<size_t>(warp * kWarp + i)];
    if (t.state == State::kDone) m.fail("divergence", pc, "%s: lane %d of mask %08x has exited", name, i, mask);
    if (i != lane && t.waits_mask && t.waits_mask != mask && t.state == State::kWaiting && (t.waits_mask >> lane & 1u))
      m.fail("divergence", pc, "%s under mask %08x, while lane %d is at %s under mask %08x", name, mask, i, t.waits_for,
             t.waits_mask);
  }
  Exchange& e = exchange_of(mask);
  if (!e.arrived) {
    e.name = name;
  } else if (std::strcmp(e.name, name)) {
    m.fail("divergence", pc, "%s here, while other lanes of mask %08x are at %s", name, mask, e.name);
  }
  EmuExchange& buffer = e.buffer[e.round & 1u];
  buffer.lanes = mask;
  if (bytes) std::memcpy(buffer.slot[lane], in, static_cast<size_t>(bytes));
  e.arrived |= 1u << lane;
  if (e.arrived != mask) {
    m.thread->waits_mask = mask;
    m.wait(State::kWaiting, name, pc);
    return &buffer;
  }
  if (finish) finish(buffer);
  e.arrived = 0;
  e.round++;
  Barrier lanes;
  for (int i = 0; i < kWarp; i++) {
    if (!(mask >> i & 1u)) continue;
    const uint16_t index = static_cast<uint16_t>(warp * kWarp + i);
    if (orders_memory) lanes.came.push_back(index), lanes.waiting.push_back(index);
    else m.wake(index);
  }
  if (orders_memory) m.release(lanes, false);
  return &buffer;
}

}  // namespace emu

using emu::machine;

extern "C" {

void emu_syncthreads() { emu::syncthreads(0, EMU_PC, "__syncthreads"); }

int emu_syncthreads_vote(int predicate, int what) {
  static const char* const names[] = {"__syncthreads_count", "__syncthreads_and", "__syncthreads_or"};
  // "and" counts those against.
  emu::syncthreads(what == 1 ? !predicate : predicate, EMU_PC, names[what]);
  const int votes = machine.thread->vote;
  return what == 0 ? votes : what == 1 ? votes == 0 : votes != 0;
}

void emu_named_barrier_sync(int id, int threads) { emu::named_barrier(id, threads, true, EMU_PC); }
void emu_named_barrier_arrive(int id, int threads) { emu::named_barrier(id, threads, false, EMU_PC); }

void emu_grid_sync(void* barrier, size_t bytes) {
  const void* pc = EMU_PC;
  if (!machine.options.cooperative)
    machine.fail("launch", pc, "grid_sync in a launch that is not cooperative: its blocks need not run at the same time");
  machine.access(barrier, bytes, emu::Access::kAtomicWrite, pc);
  machine.at_grid_barrier++;
  int live = 0;
  for (emu::Block* b : machine.alive) live += b->live;
  if (machine.at_grid_barrier < live) {
    machine.wait(emu::State::kWaiting, "grid_sync", pc);
    return;
  }
  machine.at_grid_barrier = 0;
  emu::Block* here = machine.block;
  machine.epoch = machine.serial + 1;
  for (emu::Block* b : machine.alive) {
    machine.block = b;
    b->serial = ++machine.serial;
    b->interval++;
    b->known = nullptr;
    for (emu::Thread& t : b->threads) {
      t.known = t.fence = nullptr;
      if (t.state == emu::State::kWaiting) machine.wake(t.index);
    }
  }
  machine.block = here;
}

EmuExchange* emu_exchange(unsigned mask, const void* in, int bytes, EmuFinish finish, const char* name) {
  return emu::exchange(mask, in, bytes, finish, name, false, EMU_PC);
}
void emu_syncwarp(unsigned mask) { emu::exchange(mask, nullptr, 0, nullptr, "__syncwarp", true, EMU_PC); }

// Which lanes run together is the machine's choice; that one lane runs by itself is always possible.
unsigned emu_activemask() { return 1u << emu_here.lane; }

}  // extern "C"
