/* The scan of a population (tsa.py), all steps of a neuron in one pass: currents are read once, spikes written once.

   Compiled for one code and one kind of arguments, which native.py gives as macros:
     STEPS, SILENT, BETA, BAR, LAST_BAR, TOP   the code: T, k, beta, phi beta^k, beta^k / 2, beta^k
     SIGNED, START, THETA                      gate open from the start; initial potentials; whole thresholds
     LIMIT                                     where membranes saturate, if THETA
     ADD_TERMS                                 adds the terms of the current at step t, counted from 0, to u
     SPIKE, SPIKE_OF                           type of a spike (float, int8_t, uint16_t for bfloat16), and its number

   Elements are rows of `size`; weights, start and theta belong to the elements of a row. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#define BLOCK 64

static inline float wide(uint16_t x) {
    uint32_t bits = (uint32_t)x << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline float from_float(float x) { return x; }
static inline float from_int8_t(int8_t x) { return x; }
static inline float from_uint16_t(uint16_t x) { return wide(x); }
static inline float to_float(int s) { return s; }
static inline int8_t to_int8_t(int s) { return s; }
static inline uint16_t to_uint16_t(int s) { return s == 0 ? 0 : s > 0 ? 0x3F80 : 0xBF80; }

/* One block of at most BLOCK elements: element j is number i + j of a step, and number c + j of a row. The loops over j
   are kept apart, each on numbers of one width, so that compilers turn every one of them into vector instructions; for
   whole blocks they know n, and keep the state in registers. */
static inline __attribute__((always_inline)) void block(
    const void **terms, const float **weights, const float *restrict start, const float *restrict theta,
    SPIKE *restrict spikes, int64_t *restrict overloads, int64_t count, int64_t i, int64_t c, int n) {
    float v[BLOCK], closed[BLOCK], scale[BLOCK], u[BLOCK];
    int s[BLOCK];
    for (int j = 0; j < n; j++) {
        v[j] = START ? start[c + j] : 0.0f;
        closed[j] = SIGNED ? 0.0f : INFINITY;
        scale[j] = THETA ? theta[c + j] : 1.0f;
    }
    for (int t = 0; t < STEPS + SILENT; t++) {
        for (int j = 0; j < n; j++) u[j] = 0.0f;
        ADD_TERMS
        for (int j = 0; j < n; j++) u[j] += BETA * v[j];
        if (t >= SILENT) {
            const float part = t == STEPS + SILENT - 1 ? LAST_BAR : BAR;
            for (int j = 0; j < n; j++) {
                const float bar = part * scale[j], top = TOP * scale[j];
                const int up = u[j] >= bar, down = u[j] <= -bar - closed[j];
                s[j] = up - down;
                closed[j] = up ? 0.0f : closed[j];
                u[j] = up ? u[j] - top : down ? u[j] + top : u[j];
            }
            for (int j = 0; j < n; j++) spikes[(t - SILENT) * count + i + j] = SPIKE_OF(s[j]);
            int over = 0;
            for (int j = 0; j < n; j++) {
                const float bar = part * scale[j];
                over += (u[j] > bar) | (u[j] < -bar - closed[j]);
            }
            overloads[t - SILENT] += over;
        }
        for (int j = 0; j < n; j++) v[j] = !THETA ? u[j] : u[j] > LIMIT ? LIMIT : u[j] < -LIMIT ? -LIMIT : u[j];
    }
}

void scan(const void **terms, const float **weights, const float *start, const float *theta, SPIKE *spikes,
          int64_t *overloads, int64_t rows, int64_t size, int threads) {
    const int64_t count = rows * size, blocks = (size + BLOCK - 1) / BLOCK;
#pragma omp parallel for num_threads(threads) schedule(static) reduction(+ : overloads[:STEPS])
    for (int64_t b = 0; b < rows * blocks; b++) {
        const int64_t c = b % blocks * BLOCK, i = b / blocks * size + c;
        if (size - c >= BLOCK)
            block(terms, weights, start, theta, spikes, overloads, count, i, c, BLOCK);
        else
            block(terms, weights, start, theta, spikes, overloads, count, i, c, (int)(size - c));
    }
}
