// Copies that run beside the threads: cp.async, the tensor memory accelerator, and the mbarrier that it reports to.
//
// By default a copy lands as late as the program allows: cp.async when it is waited for, a tensor copy when no thread can go
// on without it. `eager` lets both land at once. A missing wait shows under the first, a buffer that is filled again too
// early under the second.
#include <cstring>

#include "machine.h"

namespace emu {

namespace {

constexpr uint64_t kMagic = 0x6770756474656e73;

void complete(Machine& m, MemoryBarrier& b) {
  if (b.pending || b.bytes) return;
  b.phase ^= 1;
  b.pending = b.expected;
  b.completed.swap(b.arriving);
  b.arriving.clear();
  for (uint16_t i : b.waiting) m.wake(i);
  b.waiting.clear();
}

MemoryBarrier& barrier_at(const void* p, const char* name, const void* pc) {
  auto found = machine.block->memory_barriers.find(p);
  if (found == machine.block->memory_barriers.end())
    machine.fail("barrier", pc, "%s before mbarrier_init of this barrier", name);
  return found->second;
}

// 128-byte rows; within eight of them 16-byte chunks are permuted by the bits of the row.
uint32_t swizzled(uint32_t address, uint32_t mode) { return mode ? address ^ ((address >> 7 & (mode / 16 - 1)) << 4) : address; }

void land(const CopyAsync& copy) {
  std::memcpy(copy.to, copy.from, static_cast<size_t>(copy.source_bytes));
  std::memset(copy.to + copy.source_bytes, 0, static_cast<size_t>(copy.bytes - copy.source_bytes));
}

void land(Machine& m, const TensorCopy& copy) {
  const TensorMapBits& map = copy.map;
  const uint32_t element = map.element_bytes, row_bytes = map.box[0] * element;
  const uint32_t origin = emu_shared_address(copy.to);
  for (uint32_t y = 0; y < map.box[1]; y++) {
    for (uint32_t x = 0; x < map.box[0]; x++) {
      const int64_t column = static_cast<int64_t>(copy.at[0]) + x, row = static_cast<int64_t>(copy.at[1]) + y;
      const uint32_t address = swizzled(origin + y * row_bytes + x * element, map.swizzle);
      char* to = copy.to + (static_cast<int64_t>(address) - origin);
      const bool inside = column >= 0 && row >= 0 && static_cast<uint64_t>(column) < map.sizes[0] &&
                          static_cast<uint64_t>(row) < map.sizes[1];
      if (inside) {
        std::memcpy(to, map.base + row * static_cast<int64_t>(map.strides[1]) + column * element, element);
      } else {
        std::memset(to, 0, element);
      }
    }
  }
  const size_t bytes = static_cast<size_t>(row_bytes) * map.box[1];
  if (m.checked)
    if (Shadow* shadow = m.shadow_of(copy.to, bytes)) shadow->land(copy.to, bytes, copy.thread, copy.step, kAsync);
  MemoryBarrier& b = m.block->memory_barriers.at(copy.barrier);
  b.bytes -= static_cast<int>(bytes);
  b.arriving.resize(static_cast<size_t>(m.threads_of_block), 0);
  b.arriving[copy.thread] = std::max(b.arriving[copy.thread], copy.step);
  complete(m, b);
}

}  // namespace

void land_tensor_copy(Machine& m) {
  TensorCopy copy = m.block->copies.front();
  m.block->copies.pop_front();
  land(m, copy);
}

}  // namespace emu

using namespace emu;

extern "C" {

void emu_cp_async(void* dst, const void* src, int bytes, int source_bytes) {
  const void* pc = EMU_PC;
  Thread& self = *machine.thread;
  const uintptr_t misaligned = reinterpret_cast<uintptr_t>(dst) | (source_bytes ? reinterpret_cast<uintptr_t>(src) : 0);
  if (misaligned % static_cast<unsigned>(bytes))
    machine.fail("alignment", pc, "cp.async of %d bytes from %p to %p, which are not both multiples of them", bytes, src, dst);
  machine.require_shared(dst, static_cast<size_t>(bytes), "cp.async", pc);
  if (source_bytes) machine.access(src, static_cast<size_t>(source_bytes), Access::kRead, pc);
  machine.access(dst, static_cast<size_t>(bytes), Access::kWrite, pc, kAsync | kInFlight);
  self.copies.push_back({static_cast<char*>(dst), static_cast<const char*>(src), bytes, source_bytes, self.copy_group});
  if (machine.eager) land(self.copies.back());
}

void emu_cp_async_commit() { machine.thread->copy_group++; }

void emu_cp_async_wait(int groups) {
  Thread& self = *machine.thread;
  const int done = self.copy_group - groups;
  size_t n = 0;
  for (; n < self.copies.size() && self.copies[n].group < done; n++) {
    const CopyAsync& copy = self.copies[n];
    if (!machine.eager) land(copy);
    if (machine.checked)
      machine.shadow_of(copy.to, static_cast<size_t>(copy.bytes))
          ->land(copy.to, static_cast<size_t>(copy.bytes), self.index, self.step, 0);
  }
  self.copies.erase(self.copies.begin(), self.copies.begin() + static_cast<long>(n));
}

void emu_mbarrier_init(uint64_t* barrier, int arrivals) {
  const void* pc = EMU_PC;
  if (reinterpret_cast<uintptr_t>(barrier) % sizeof *barrier)
    machine.fail("alignment", pc, "an mbarrier at %p, which is not a multiple of 8", static_cast<void*>(barrier));
  machine.require_shared(barrier, sizeof *barrier, "mbarrier_init", pc);
  if (arrivals <= 0) machine.fail("barrier", pc, "mbarrier_init for %d arrivals", arrivals);
  machine.access(barrier, sizeof *barrier, Access::kWrite, pc);
  MemoryBarrier fresh{};
  fresh.expected = fresh.pending = arrivals;
  machine.block->memory_barriers[barrier] = fresh;
}

void emu_mbarrier_arrive(uint64_t* barrier, int bytes) {
  const void* pc = EMU_PC;
  MemoryBarrier& b = barrier_at(barrier, "mbarrier_arrive", pc);
  machine.access(barrier, sizeof *barrier, Access::kAtomicWrite, pc);
  if (!b.pending) machine.fail("barrier", pc, "more arrivals in a phase than the %d that mbarrier_init announced", b.expected);
  if (machine.checked) join(b.arriving, machine.releasing());
  b.bytes += bytes;
  b.pending--;
  complete(machine, b);
}

void emu_mbarrier_wait(uint64_t* barrier, int parity) {
  const void* pc = EMU_PC;
  MemoryBarrier& b = barrier_at(barrier, "mbarrier_wait", pc);
  machine.access(barrier, sizeof *barrier, Access::kAtomicRead, pc);
  if (b.phase == (parity & 1)) {
    b.waiting.push_back(machine.thread->index);
    machine.wait(State::kWaiting, "mbarrier_wait", pc);
  }
  if (machine.checked) join(machine.seen(), b.completed);
}

void emu_tma_load_2d(void* dst, const void* map, int c0, int c1, uint64_t* barrier) {
  const void* pc = EMU_PC;
  TensorCopy copy{};
  std::memcpy(&copy.map, map, sizeof copy.map);
  if (copy.map.magic != kMagic) machine.fail("launch", pc, "tma_load_2d: not a tensor map of the emulator");
  if (copy.map.rank != 2) machine.fail("launch", pc, "tma_load_2d: a tensor map of rank %u", copy.map.rank);
  if (reinterpret_cast<uintptr_t>(dst) % 128)
    machine.fail("alignment", pc, "tma_load_2d to %p, which is not a multiple of 128", dst);
  const size_t bytes = static_cast<size_t>(copy.map.box[0]) * copy.map.box[1] * copy.map.element_bytes;
  machine.require_shared(dst, bytes, "tma_load_2d", pc);
  barrier_at(barrier, "tma_load_2d", pc);
  copy.to = static_cast<char*>(dst);
  copy.at[0] = c0;
  copy.at[1] = c1;
  copy.barrier = barrier;
  copy.pc = pc;
  copy.thread = machine.thread->index;
  for (int64_t y = c1; y < static_cast<int64_t>(c1) + copy.map.box[1]; y++) {
    const int64_t first = std::max<int64_t>(c0, 0);
    const int64_t last = std::min<int64_t>(static_cast<int64_t>(c0) + copy.map.box[0], static_cast<int64_t>(copy.map.sizes[0]));
    if (y < 0 || static_cast<uint64_t>(y) >= copy.map.sizes[1] || first >= last) continue;
    const char* row = copy.map.base + y * static_cast<int64_t>(copy.map.strides[1]);
    machine.access(row + first * copy.map.element_bytes, static_cast<size_t>(last - first) * copy.map.element_bytes,
                   Access::kRead, pc, kAsync);
  }
  copy.step = machine.thread->step;
  machine.access(dst, bytes, Access::kWrite, pc, kAsync | kInFlight);
  machine.thread->step++;
  if (machine.eager) {
    land(machine, copy);
  } else {
    machine.block->copies.push_back(copy);
  }
}

void emu_fence_proxy_async() {
  Thread& self = *machine.thread;
  self.proxy_interval = machine.block->interval;
  self.proxy_step = self.step++;
}

int gpudl_emu_encode_tensor_map(void* map, int rank, int element_bytes, void* base, const uint64_t* sizes,
                                const uint64_t* strides, const uint32_t* box, int swizzle) {
  auto refuse = [](const char* why) {
    machine.error = std::string("a tensor map: ") + why;
    machine.kind = "launch";
    return 1;
  };
  if (rank < 1 || rank > 5) return refuse("the rank is 1 to 5");
  if (reinterpret_cast<uintptr_t>(base) % 16) return refuse("the address is a multiple of 16");
  if (swizzle != 0 && swizzle != 32 && swizzle != 64 && swizzle != 128) return refuse("the swizzle is 0, 32, 64 or 128");
  TensorMapBits bits{};
  bits.magic = kMagic;
  bits.base = static_cast<char*>(base);
  bits.rank = static_cast<uint32_t>(rank);
  bits.element_bytes = static_cast<uint32_t>(element_bytes);
  bits.swizzle = static_cast<uint32_t>(swizzle);
  for (int i = 0; i < rank; i++) {
    if (box[i] < 1 || box[i] > 256) return refuse("a box has 1 to 256 elements a dimension");
    if (i && strides[i - 1] % 16) return refuse("strides are multiples of 16 bytes");
    bits.sizes[i] = sizes[i];
    bits.box[i] = box[i];
    bits.strides[i] = i ? strides[i - 1] : static_cast<uint64_t>(element_bytes);
  }
  const uint32_t row = box[0] * bits.element_bytes;
  if (row % 16) return refuse("the innermost extent of the box is a multiple of 16 bytes");
  if (swizzle && row > bits.swizzle) return refuse("the innermost extent of the box is at most the swizzle");
  std::memset(map, 0, 128);
  static_assert(sizeof bits <= 128, "fits a TensorMap");
  std::memcpy(map, &bits, sizeof bits);
  return 0;
}

}  // extern "C"
