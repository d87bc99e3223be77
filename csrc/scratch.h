// Working memory of the kernels. Fresh pages are dear, so each thread keeps its buffers between calls, up to a limit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

namespace gpudl {

// A 64-byte aligned buffer with undefined contents. The thread keeps one idle buffer per slot (at most 32 MiB), so two
// buffers that live at the same time on one thread take different slots.
class Scratch {
public:
    Scratch(size_t bytes, int slot) : slot_(slot) {
        Idle& idle = idle_[slot];
        if (idle.bytes >= bytes) {
            address_ = idle.address;
            bytes_ = idle.bytes;
            idle = Idle{};
            return;
        }
        bytes_ = (bytes + bytes / 4 + 4095) & ~size_t{4095};
        if (bytes_ < bytes) throw std::bad_alloc();
        address_ = ::operator new(bytes_, std::align_val_t{64});
    }
    ~Scratch() {
        Idle& idle = idle_[slot_];
        if (bytes_ > idle.bytes && bytes_ <= kKept) {
            idle.release();
            idle.address = address_;
            idle.bytes = bytes_;
        } else {
            ::operator delete(address_, std::align_val_t{64});
        }
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

    void* get() const { return address_; }
    template <class T>
    T* as() const {
        return static_cast<T*>(address_);
    }

private:
    static constexpr size_t kKept = size_t{32} << 20;
    struct Idle {
        void* address = nullptr;
        size_t bytes = 0;
        void release() {
            if (address != nullptr) ::operator delete(address, std::align_val_t{64});
            address = nullptr;
            bytes = 0;
        }
        ~Idle() { release(); }
    };
    static thread_local Idle idle_[2];
    void* address_;
    size_t bytes_;
    int slot_;
};

inline thread_local Scratch::Idle Scratch::idle_[2];

constexpr int kTaskSlot = 0;  // buffers of one task of a parallel_for
constexpr int kCallSlot = 1;  // buffers of the caller, alive while its tasks run

}  // namespace gpudl
