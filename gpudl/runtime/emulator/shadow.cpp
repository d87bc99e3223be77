#include "shadow.h"

#include <sys/mman.h>

#include <cstring>
#include <new>
#include <utility>

#include "machine.h"

namespace emu {

Shadow::Shadow(Shadow&& other) noexcept
    : begin_(other.begin_), bytes_(other.bytes_), first_(other.first_), must_write_(other.must_write_),
      space_(other.space_), argument_(other.argument_), cells_(std::exchange(other.cells_, nullptr)),
      capacity_(std::exchange(other.capacity_, 0)), split_(std::move(other.split_)) {}

Shadow::~Shadow() {
  if (cells_) munmap(cells_, capacity_ * sizeof(Cell));
}

void Shadow::watch(const void* begin, size_t bytes, uint32_t first, bool must_write, const char* space, int argument) {
  // Cells begin at a multiple of the granule, so that an aligned access has whole cells.
  begin_ = static_cast<const char*>(begin);
  bytes_ = bytes;
  must_write_ = must_write;
  space_ = space;
  argument_ = argument;
  size_t cells = bytes / kGranule + 2;
  if (cells > capacity_) {
    if (cells_) munmap(cells_, capacity_ * sizeof(Cell));
    void* memory = mmap(nullptr, cells * sizeof(Cell), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    cells_ = static_cast<Cell*>(memory);
    capacity_ = cells;
  }
  restart(first);
}

void Shadow::restart(uint32_t first) {
  first_ = first;
  split_.clear();
}

void Shadow::split(Cell& cell) {
  std::array<Cell, kGranule> bytes;
  bytes.fill(cell);
  cell.split = static_cast<uint32_t>(split_.size());
  if (!valid(cell.write)) cell.write.block = first_;
  cell.write.flags |= kSplit;
  split_.push_back(bytes);
}

// Calls f(cell, offset) for every cell of the bytes; those that are covered in part are split.
template <class F>
void Shadow::each(const void* p, size_t bytes, F f) {
  const size_t skew = reinterpret_cast<uintptr_t>(begin_) % kGranule;
  const size_t offset = static_cast<size_t>(static_cast<const char*>(p) - begin_);
  const size_t from = offset + skew, to = from + bytes;
  for (size_t g = from / kGranule; g * kGranule < to; g++) {
    Cell& cell = cells_[g];
    const size_t low = g * kGranule < from ? from % kGranule : 0;
    const size_t high = (g + 1) * kGranule > to ? to - g * kGranule : kGranule;
    const bool is_split = valid(cell.write) && (cell.write.flags & kSplit);
    if (!is_split && low == 0 && high == kGranule) {
      f(cell, g * kGranule - skew);
      continue;
    }
    if (!is_split) split(cell);
    for (size_t i = low; i < high; i++) f(split_[cell.split][i], g * kGranule + i - skew);
  }
}

void Shadow::access(const void* p, size_t bytes, Access how, const void* pc, uint16_t flags) {
  each(p, bytes, [&](Cell& cell, size_t offset) { check(cell, offset, how, pc, flags); });
}

void Shadow::land(const void* p, size_t bytes, uint16_t thread, uint32_t step, uint16_t flags) {
  each(p, bytes, [&](Cell& cell, size_t) {
    if (!valid(cell.write) || !(cell.write.flags & kInFlight) || cell.write.thread != thread) return;
    cell.write.interval = machine.block->interval;
    cell.write.step = step;
    cell.write.flags = flags;
  });
}

void Shadow::check(Cell& cell, size_t offset, Access how, const void* pc, uint16_t flags) {
  const bool wrote = valid(cell.write);
  if (must_write_ && !wrote && how != Access::kWrite) {
    machine.fail("uninitialised", pc, "byte %zu of %s%s is read and nothing has written it", offset, space_,
                 argument_ < 0 ? "" : std::to_string(argument_).c_str());
  }
  if (wrote) {
    if (cell.write.flags & kInFlight) {
      machine.fail("wait", pc, "byte %zu of %s is %s while an asynchronous copy to it is in flight, which thread %u issued at %s",
                   offset, space_, writes(how) ? "written" : "read", cell.write.thread,
                   machine.line_of(machine.image + cell.write.pc).c_str());
    }
    const bool both_atomic = atomic(how) && (cell.write.flags & kAtomic);
    if (!both_atomic && !machine.happened_before(cell.write)) race(cell.write, true, offset, how, pc);
    const bool by_engine = (flags & kAsync) && !writes(how), stored_by_thread = !(cell.write.flags & kAsync);
    if (by_engine && stored_by_thread && cell.write.block == machine.block->serial) {
      const Thread& writer = machine.block->threads[cell.write.thread];
      const bool fenced = cell.write.interval < writer.proxy_interval ||
                          (cell.write.interval == writer.proxy_interval && cell.write.step <= writer.proxy_step);
      if (!fenced) {
        machine.fail("proxy", pc, "byte %zu of %s was stored by thread %u at %s and is read by the asynchronous proxy "
                     "without fence_proxy_async in between", offset, space_, cell.write.thread,
                     machine.line_of(machine.image + cell.write.pc).c_str());
      }
    }
  }
  const Stamp now = machine.now(pc, static_cast<uint16_t>(flags | (atomic(how) ? kAtomic : 0)));
  if (!writes(how)) return note_read(cell, now);
  for (Stamp& read : cell.read) {
    if (valid(read) && !(atomic(how) && (read.flags & kAtomic)) && !machine.happened_before(read))
      race(read, false, offset, how, pc);
    read.block = 0;
  }
  cell.write = now;
}

// A reader that happened before this one is implied by it. Of the others two are kept.
void Shadow::note_read(Cell& cell, const Stamp& now) {
  Stamp &a = cell.read[0], &b = cell.read[1];
  if (!valid(a) || machine.happened_before(a)) {
    a = now;
  } else if (!valid(b) || machine.happened_before(b) || a.thread / kWarp == b.thread / kWarp) {
    b = now;
  }
}

void Shadow::race(const Stamp& other, bool other_wrote, size_t offset, Access how, const void* pc) {
  std::string by = "thread " + std::to_string(other.thread);
  if (other.block != machine.block->serial) by += " of another block";
  machine.fail("race", pc, "byte %zu of %s%s is %s here and was %s by %s at %s, with nothing that orders the two", offset,
               space_, argument_ < 0 ? "" : std::to_string(argument_).c_str(), writes(how) ? "written" : "read",
               other_wrote ? "written" : "read", by.c_str(), machine.line_of(machine.image + other.pc).c_str());
}

}  // namespace emu
