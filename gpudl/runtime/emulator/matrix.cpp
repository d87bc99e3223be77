// Tensor cores: ldmatrix and mma.sync of a warp, wgmma of a warpgroup. Sums are taken in float32 in the order of k.
#include <cstring>

#include "machine.h"
#include "intrinsics.h"

namespace emu {

namespace {

float from_bf16(uint32_t bits) { return __uint_as_float(bits << 16); }
float from_half(uint32_t bits) { return emu_half_to_float(static_cast<uint16_t>(bits)); }
uint32_t half_of(uint32_t word, int i) { return i ? word >> 16 : word & 0xffffu; }

struct LoadSlot {
  const char* row;
  uint32_t r[4];
  int matrices;
  bool transposed;
};

uint32_t element(const EmuExchange& x, int matrix, int row, int column) {
  LoadSlot slot;
  std::memcpy(&slot, x.slot[8 * matrix + row], sizeof slot);
  uint16_t value;
  std::memcpy(&value, slot.row + 2 * column, sizeof value);
  return value;
}

void load_matrices(EmuExchange& x) {
  LoadSlot first;
  std::memcpy(&first, x.slot[0], sizeof first);
  for (int i = 0; i < first.matrices; i++) {
    int rows_in_bank[8] = {}, passes = 0;
    for (int row = 0; row < 8; row++) {
      LoadSlot slot;
      std::memcpy(&slot, x.slot[8 * i + row], sizeof slot);
      passes = std::max(passes, ++rows_in_bank[reinterpret_cast<uintptr_t>(slot.row) >> 4 & 7u]);
    }
    machine.statistics.matrix_loads++;
    machine.statistics.bank_conflicts += static_cast<uint64_t>(passes - 1);
  }
  for (int lane = 0; lane < kWarp; lane++) {
    LoadSlot slot;
    std::memcpy(&slot, x.slot[lane], sizeof slot);
    const int g = lane / 4, t = 2 * (lane % 4);
    for (int i = 0; i < first.matrices; i++) {
      slot.r[i] = first.transposed ? element(x, i, t, g) | element(x, i, t + 1, g) << 16
                                   : element(x, i, g, t) | element(x, i, g, t + 1) << 16;
    }
    // The addresses are still needed by the lanes that follow, so results go behind them.
    std::memcpy(x.slot[lane] + offsetof(LoadSlot, r), slot.r, sizeof slot.r);
  }
}

struct ProductSlot {
  uint32_t a[4], b[2];
  float c[4];
};

// The fragments as mma.cuh draws them; `K` elements a row, `kPacked` of them in a register.
template <int K, class Decode>
void multiply(EmuExchange& x, Decode decode) {
  constexpr int kPacked = K == 16 ? 2 : 1;
  float a[16][K], b[K][8];
  ProductSlot slots[kWarp];
  for (int lane = 0; lane < kWarp; lane++) {
    ProductSlot& s = slots[lane];
    std::memcpy(&s, x.slot[lane], sizeof s);
    const int g = lane / 4, t = kPacked * (lane % 4);
    for (int i = 0; i < kPacked; i++) {
      for (int r = 0; r < 4; r++) a[g + 8 * (r % 2)][t + i + 4 * kPacked * (r / 2)] = decode(s.a[r], i);
      for (int r = 0; r < 2; r++) b[t + i + 4 * kPacked * r][g] = decode(s.b[r], i);
    }
  }
  for (int lane = 0; lane < kWarp; lane++) {
    ProductSlot& s = slots[lane];
    for (int e = 0; e < 4; e++) {
      const int row = lane / 4 + 8 * (e / 2), column = 2 * (lane % 4) + e % 2;
      for (int k = 0; k < K; k++) s.c[e] += a[row][k] * b[k][column];
    }
    std::memcpy(x.slot[lane], &s, sizeof s);
  }
}

void multiply_bf16(EmuExchange& x) {
  multiply<16>(x, [](uint32_t word, int i) { return from_bf16(half_of(word, i)); });
}
void multiply_f16(EmuExchange& x) {
  multiply<16>(x, [](uint32_t word, int i) { return from_half(half_of(word, i)); });
}
void multiply_tf32(EmuExchange& x) {
  multiply<8>(x, [](uint32_t word, int) { return __uint_as_float(word & ~0x1fffu); });  // the low bits are not read
}

void collective_product(float* c, const uint32_t* a, const uint32_t* b, EmuFinish finish, const char* name) {
  ProductSlot slot;
  std::memcpy(slot.a, a, sizeof slot.a);
  std::memcpy(slot.b, b, sizeof slot.b);
  std::memcpy(slot.c, c, sizeof slot.c);
  const EmuExchange* x = emu_exchange(0xffffffffu, &slot, sizeof slot, finish, name);
  std::memcpy(&slot, x->slot[emu_here.lane], sizeof slot);
  std::memcpy(c, slot.c, sizeof slot.c);
}

// ----- wgmma -----

struct Descriptor {
  uint32_t start, leading, stride, mode;
  explicit Descriptor(uint64_t bits)
      : start(static_cast<uint32_t>(bits & 0x3fff) << 4), leading(static_cast<uint32_t>(bits >> 16 & 0x3fff) << 4),
        stride(static_cast<uint32_t>(bits >> 32 & 0x3fff) << 4), mode(static_cast<uint32_t>(bits >> 62)) {}

  // The shared address of byte `k` of row `row` of a K-major operand.
  uint32_t address(int row, int k) const {
    const uint32_t r = static_cast<uint32_t>(row), byte = static_cast<uint32_t>(k);
    if (mode == 0) return start + r / 8 * stride + r % 8 * 16 + byte % 16 + byte / 16 * leading;
    const uint32_t width = 256u >> mode;  // 128, 64 or 32 bytes a row
    const uint32_t plain = start + r / 8 * stride + r % 8 * width + byte;
    return plain ^ ((plain >> 7 & (width / 16 - 1)) << 4);
  }
};

const char* shared_pointer(uint32_t address) {
  const size_t dynamic = machine.dynamic_offset();
  return address >= dynamic ? machine.block->dynamic_shared + (address - dynamic) : machine.static_begin() + address;
}

void load_operand(uint64_t bits, int rows, float (*out)[16], const char* name, const void* pc) {
  const Descriptor d(bits);
  for (int row = 0; row < rows; row++) {
    for (int k = 0; k < 16; k++) {
      const char* p = shared_pointer(d.address(row, 2 * k));
      machine.require_shared(p, 2, name, pc);
      machine.access(p, 2, Access::kRead, pc, kAsync);
      uint16_t value;
      std::memcpy(&value, p, sizeof value);
      out[row][k] = from_bf16(value);
    }
  }
}

void multiply_warpgroup(size_t first_thread, size_t index, const void* pc) {
  auto product_of = [&](size_t i) -> WarpgroupProduct& { return machine.block->threads[first_thread + i].products[index]; };
  const WarpgroupProduct& leader = product_of(0);
  for (size_t i = 1; i < kWarpgroup; i++) {
    const WarpgroupProduct& p = product_of(i);
    if (p.a != leader.a || p.b != leader.b || p.accumulate != leader.accumulate || p.group != leader.group)
      machine.fail("divergence", pc, "the threads of a warpgroup issued different wgmma");
  }
  static float a[64][16], b[256][16];
  load_operand(leader.a, 64, a, "operand A of wgmma", pc);
  load_operand(leader.b, leader.n, b, "operand B of wgmma", pc);
  for (size_t i = 0; i < kWarpgroup; i++) {
    const int warp = static_cast<int>(i) / kWarp, lane = static_cast<int>(i) % kWarp;
    WarpgroupProduct& p = product_of(i);
    for (int j = 0; j < p.n / 8; j++) {
      for (int e = 0; e < 4; e++) {
        const int row = 16 * warp + lane / 4 + 8 * (e / 2), column = 8 * j + 2 * (lane % 4) + e % 2;
        float sum = p.accumulate ? p.accumulator[4 * j + e] : 0.0f;
        for (int k = 0; k < 16; k++) sum += a[row][k] * b[column][k];
        p.accumulator[4 * j + e] = sum;
      }
    }
  }
}

}  // namespace

}  // namespace emu

using namespace emu;

extern "C" {

void emu_ldmatrix(uint32_t* r, const void* row, int matrices, bool transposed) {
  const void* pc = EMU_PC;
  if (static_cast<int>(emu_here.lane) < 8 * matrices) {
    if (reinterpret_cast<uintptr_t>(row) % 16) machine.fail("alignment", pc, "ldmatrix of a row at %p, not a multiple of 16", row);
    machine.require_shared(row, 16, "ldmatrix", pc);
    if (machine.checked) machine.access(row, 16, Access::kRead, pc);
  }
  LoadSlot slot{static_cast<const char*>(row), {}, matrices, transposed};
  const EmuExchange* x = emu_exchange(0xffffffffu, &slot, sizeof slot, load_matrices, transposed ? "ldmatrix.trans" : "ldmatrix");
  std::memcpy(&slot, x->slot[emu_here.lane], sizeof slot);
  std::memcpy(r, slot.r, sizeof(uint32_t) * static_cast<size_t>(matrices));
}

void emu_mma_bf16(float* c, const uint32_t* a, const uint32_t* b) { collective_product(c, a, b, multiply_bf16, "mma.bf16"); }
void emu_mma_f16(float* c, const uint32_t* a, const uint32_t* b) { collective_product(c, a, b, multiply_f16, "mma.f16"); }
void emu_mma_tf32(float* c, const uint32_t* a, const uint32_t* b) { collective_product(c, a, b, multiply_tf32, "mma.tf32"); }

void emu_wgmma_fence() { machine.thread->product_fence = true; }

void emu_wgmma_bf16(float* d, int n, uint64_t a, uint64_t b, int accumulate) {
  const void* pc = EMU_PC;
  Thread& self = *machine.thread;
  if (self.index / kWarpgroup * kWarpgroup + kWarpgroup > machine.threads_of_block)
    machine.fail("launch", pc, "wgmma takes a whole warpgroup, 128 threads");
  if (!self.product_fence) machine.fail("wait", pc, "wgmma without wgmma_fence before it");
  self.products.push_back({d, n, a, b, accumulate, self.product_group});
}

void emu_wgmma_commit() { machine.thread->product_group++; }

void emu_wgmma_wait(int groups) {
  const void* pc = EMU_PC;
  Thread& self = *machine.thread;
  const size_t group = self.index / kWarpgroup, first = group * kWarpgroup;
  Barrier& b = machine.block->warpgroups[group];
  self.product_fence = false;
  b.arrived++;
  b.came.push_back(self.index);
  b.waiting.push_back(self.index);
  if (b.arrived < kWarpgroup) {
    machine.wait(State::kWaiting, "wgmma_wait", pc);
    return;
  }
  const size_t issued = self.products.size();
  for (size_t i = 0; i < kWarpgroup; i++)
    if (machine.block->threads[first + i].products.size() != issued)
      machine.fail("divergence", pc, "the threads of a warpgroup issued different numbers of wgmma");
  size_t n = 0;
  while (n < issued && self.products[n].group < self.product_group - groups) multiply_warpgroup(first, n++, pc);
  for (size_t i = 0; i < kWarpgroup; i++) {
    auto& products = machine.block->threads[first + i].products;
    products.erase(products.begin(), products.begin() + static_cast<long>(n));
  }
  machine.release(b, false);
}

void emu_setmaxnreg(int registers, bool) {
  if (registers % 8 || registers < 24 || registers > 256)
    machine.fail("launch", EMU_PC, "setmaxnreg takes a multiple of 8 from 24 to 256, not %d", registers);
}

}  // extern "C"
