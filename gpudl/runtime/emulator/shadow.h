// Shadow memory: for every four bytes that a kernel may touch, who wrote and who read them last.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>

#include "clock.h"

namespace emu {

enum class Access { kRead, kWrite, kAtomicRead, kAtomicWrite };
inline bool writes(Access a) { return a == Access::kWrite || a == Access::kAtomicWrite; }
inline bool atomic(Access a) { return a == Access::kAtomicRead || a == Access::kAtomicWrite; }

struct Cell {
  Stamp write;
  Stamp read[2];   // two readers that are not ordered before each other, of different warps if there are such
  uint32_t split;  // index of the cells of the single bytes, where write.flags has kSplit
};
static_assert(sizeof(Cell) == 64, "a cache line");
constexpr size_t kGranule = 4;

// The cells of one stretch of memory. They are not erased between launches: stamps before `first` count as none.
class Shadow {
 public:
  Shadow() = default;
  Shadow(const Shadow&) = delete;
  Shadow& operator=(const Shadow&) = delete;
  Shadow(Shadow&& other) noexcept;
  Shadow& operator=(Shadow&&) = delete;
  ~Shadow();

  // Watch `bytes` from `begin` on. `must_write`: reading what was never written is a finding.
  void watch(const void* begin, size_t bytes, uint32_t first, bool must_write, const char* space, int argument);
  // The same memory once more, for a new block.
  void restart(uint32_t first);

  bool holds(const void* p, size_t bytes) const {
    const char* at = static_cast<const char*>(p);
    return at >= begin_ && at + bytes <= begin_ + bytes_;
  }
  // Checks an access of the running thread against the earlier ones and notes it. `flags` go into the stamp.
  void access(const void* p, size_t bytes, Access how, const void* pc, uint16_t flags = 0);
  // The asynchronous writes of `thread` to these bytes have landed; `flags` is what they remain.
  void land(const void* p, size_t bytes, uint16_t thread, uint32_t step, uint16_t flags);

  const char* begin() const { return begin_; }
  size_t bytes() const { return bytes_; }
  const char* space() const { return space_; }
  int argument() const { return argument_; }

 private:
  bool valid(const Stamp& s) const { return s.block >= first_; }
  void split(Cell& cell);
  void check(Cell& cell, size_t offset, Access how, const void* pc, uint16_t flags);
  void note_read(Cell& cell, const Stamp& now);
  void race(const Stamp& other, bool other_wrote, size_t offset, Access how, const void* pc);
  template <class F>
  void each(const void* p, size_t bytes, F f);

  const char* begin_ = nullptr;
  size_t bytes_ = 0;
  uint32_t first_ = 0;
  bool must_write_ = false;
  const char* space_ = "";
  int argument_ = -1;
  Cell* cells_ = nullptr;
  size_t capacity_ = 0;
  std::deque<std::array<Cell, kGranule>> split_;
};

}  // namespace emu
