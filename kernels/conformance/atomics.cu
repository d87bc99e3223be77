// Atomics by type: on a word a thread, where the value before is told, and on one word of shared memory for all.
#include "kernel.cuh"

#define OPERATION(Name, function, COMMUTES_)                      \
    struct Name {                                                 \
        static constexpr bool COMMUTES = COMMUTES_;               \
        template <class T>                                        \
        GD_DEVICE static T run(T* p, T value) {                   \
            return function(p, value);                            \
        }                                                         \
    };
OPERATION(Add, atomicAdd, true)
OPERATION(Sub, atomicSub, true)
OPERATION(Min, atomicMin, true)
OPERATION(Max, atomicMax, true)
OPERATION(And, atomicAnd, true)
OPERATION(Or, atomicOr, true)
OPERATION(Xor, atomicXor, true)
OPERATION(Inc, atomicInc, false)
OPERATION(Dec, atomicDec, false)
OPERATION(Exch, atomicExch, false)
// Swaps where the value is odd.
struct Cas {
    static constexpr bool COMMUTES = false;
    template <class T>
    GD_DEVICE static T run(T* p, T value) {
        return atomicCAS(p, T(*p | 1), value);
    }
};

template <class Operation, class T>
KERNEL(atomic, T, T, T) {
    HERE;
    out[t] = x[t];
    out[n + t] = Operation::run(out + t, T(y[t]));
    __shared__ T all[1];
    if (t == 0) all[0] = x[0];
    __syncthreads();
    if (Operation::COMMUTES) Operation::run(all, T(y[t]));
    __syncthreads();
    if (t == 0) out[2 * n] = all[0];
}
