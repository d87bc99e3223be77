// cp.async of sm_80: with predicates, and groups that are waited for one after the other.
#include "kernel.cuh"

KERNEL(cp_async16_, float, float, float) {
    HERE;
    __shared__ __align__(16) float s[256];
    cp_async16(s + 4 * t, x + 4 * t, t % 3 != 1);
    cp_async_commit();
    cp_async_wait<0>();
    __syncthreads();
    for (int i = 0; i < 4; ++i) out[i * n + t] = s[4 * n - 1 - (i * n + t)];
}
KERNEL(cp_async4_, float, float, float) {
    HERE;
    __shared__ __align__(16) float s[256];
    cp_async4(s + t, x + t, t % 5 != 2);
    cp_async_commit();
    cp_async_wait<0>();
    __syncthreads();
    out[t] = s[n - 1 - t];
}
KERNEL(cp_async_groups, float, float, float) {
    HERE;
    __shared__ __align__(16) float s[3][64];
    for (int i = 0; i < 3; ++i) {
        cp_async4(s[i] + t, x + i * n + t);
        cp_async_commit();
    }
    cp_async_wait<2>();
    out[t] = s[0][t];
    cp_async4(s[0] + t, x + 3 * n + t);
    cp_async_commit();
    cp_async_wait<2>();
    out[n + t] = s[1][t];
    cp_async_wait<1>();
    out[2 * n + t] = s[2][t];
    cp_async_wait<0>();
    out[3 * n + t] = s[0][t];
}
