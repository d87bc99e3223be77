// Happens-before: which accesses of other threads a thread may rely on.
//
// Time of a thread is a pair: the interval between two block-wide barriers (`interval`, the same for all threads of a
// block) and its own steps (`step`, one more after each release). Everything of earlier intervals is known to the whole
// block, so vector clocks are only needed within one, and only where something finer than __syncthreads is used.
// Knowledge of other blocks travels through releases and acquires, and is kept per block.
#pragma once
#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace emu {

enum StampFlags : uint16_t {
  kAtomic = 1,
  kAsync = 2,     // by a copy engine or tensor core; program order alone does not order it
  kInFlight = 4,  // an asynchronous write that nobody has waited for
  kSplit = 8,     // of a cell: its bytes have cells of their own
};

// Who accessed memory, when, and from where.
struct Stamp {
  uint32_t block;  // serial number over all launches, so that stamps of earlier launches need not be erased
  uint32_t interval;
  uint32_t step;
  uint32_t pc;  // offset in the library
  uint16_t thread;
  uint16_t flags;
};

// What is known of a block: all before `interval`, and the steps of each thread within it.
struct Seen {
  uint32_t interval = 0;
  std::vector<uint32_t> steps;
};

inline void join(std::vector<uint32_t>& into, const std::vector<uint32_t>& other) {
  if (into.size() < other.size()) into.resize(other.size(), 0);
  for (size_t i = 0; i < other.size(); i++) into[i] = std::max(into[i], other[i]);
}

using Known = std::map<uint32_t, std::shared_ptr<const Seen>>;  // by serial number of block
using KnownPtr = std::shared_ptr<const Known>;

inline void join_block(Known& into, uint32_t block, const std::shared_ptr<const Seen>& seen) {
  std::shared_ptr<const Seen>& have = into[block];
  if (!have || have->interval < seen->interval) {
    have = seen;
  } else if (have != seen && have->interval == seen->interval) {
    auto both = std::make_shared<Seen>(*have);
    join(both->steps, seen->steps);
    have = both;
  }
}

inline KnownPtr join(const KnownPtr& a, const KnownPtr& b) {
  if (!a || a == b) return b;
  if (!b) return a;
  auto both = std::make_shared<Known>(*a);
  for (const auto& [block, seen] : *b) join_block(*both, block, seen);
  return both;
}

}  // namespace emu
