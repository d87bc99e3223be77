/* The arithmetic limit of one core: independent float32 multiply-adds on registers alone.
 * Built by machine.py for this machine; called once per thread. Returns a value that depends on
 * every operation, so that none is left out; the FLOPs are 2 * 12 * 16 * rounds. */
typedef float v16 __attribute__((vector_size(64)));

float peak(long rounds) {
    v16 a[12], x, y;
    for (int i = 0; i < 16; i++) {
        x[i] = 0.999f;
        y[i] = 0.001f;
    }
    for (int i = 0; i < 12; i++) a[i] = x * (float)i;
    for (long r = 0; r < rounds; r++)
#pragma GCC unroll 12
        for (int i = 0; i < 12; i++) a[i] = a[i] * x + y;
    float sum = 0;
    for (int i = 0; i < 12; i++)
        for (int j = 0; j < 16; j++) sum += a[i][j];
    return sum;
}
