/* The scan of a population (tsa.py), all steps of a neuron in one pass: currents are read once, spikes written once.

   Compiled for one code and one kind of arguments, which native.py gives as macros:
     STEPS, SILENT, BETA, BAR, LAST_BAR, TOP   the code: T, k, beta, phi beta^k, beta^k / 2, beta^k
     SIGNED, START, THETA                      gate open from the start; initial potentials; whole thresholds
     LIMIT                                     where membranes saturate, if THETA
     ADD_TERMS                                 adds the terms of the current at step t, counted from 0, to u
     SPIKE, SPIKE_OF                           type of a spike (float, int8_t, uint16_t for bfloat16), and its number
     COUNT                                     whether spikes are counted

   Counters: overloads of each digit; if COUNT also +1 spikes of each digit, -1 spikes of each digit, and neurons that did
   not fire. events[j] is how often neuron j of a sample fired, for each thread by itself.

   Elements are rows of `size`; weights, start and theta belong to the elements of a row. */
#include <math.h>
#include <stdint.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#else
#define omp_get_thread_num() 0
#endif

#define BLOCK 64
#define LANES 16
#define COUNTERS (COUNT ? 3 * STEPS + 1 : STEPS)

/* Sums of spikes and of their sizes, for each digit: kept in as many lanes as a vector has, and added up at the end. */
typedef struct { int32_t sums[STEPS][LANES], sizes[STEPS][LANES]; } Lanes;

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
    SPIKE *restrict spikes, int64_t *restrict counters, Lanes *restrict lanes, int32_t *restrict events, int64_t count,
    int64_t i, int64_t c, int n) {
    float v[BLOCK], closed[BLOCK], scale[BLOCK], u[BLOCK];
    int s[BLOCK], fired[BLOCK];
    for (int j = 0; j < n; j++) {
        v[j] = START ? start[c + j] : 0.0f;
        closed[j] = SIGNED ? 0.0f : INFINITY;
        scale[j] = THETA ? theta[c + j] : 1.0f;
        fired[j] = 0;
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
            if (COUNT) {
                int32_t *sums = lanes->sums[t - SILENT], *sizes = lanes->sizes[t - SILENT];
                for (int j = 0; j < n; j++) fired[j] += s[j] & 1;
                if (n == BLOCK) {
                    for (int l = 0; l < LANES; l++) sums[l] += s[l] + s[l + 16] + s[l + 32] + s[l + 48];
                    for (int l = 0; l < LANES; l++)
                        sizes[l] += (s[l] & 1) + (s[l + 16] & 1) + (s[l + 32] & 1) + (s[l + 48] & 1);
                } else
                    for (int j = 0; j < n; j++) sums[0] += s[j], sizes[0] += s[j] & 1;
            }
            int over = 0;
            for (int j = 0; j < n; j++) {
                const float bar = part * scale[j];
                over += (u[j] > bar) | (u[j] < -bar - closed[j]);
            }
            counters[t - SILENT] += over;
        }
        for (int j = 0; j < n; j++) v[j] = !THETA ? u[j] : u[j] > LIMIT ? LIMIT : u[j] < -LIMIT ? -LIMIT : u[j];
    }
    if (COUNT) {
        int silent = 0;
        for (int j = 0; j < n; j++) silent += fired[j] == 0;
        for (int j = 0; j < n; j++) events[j] += fired[j];
        counters[3 * STEPS] += silent;
    }
}

void scan(const void **terms, const float **weights, const float *start, const float *theta, SPIKE *spikes,
          int64_t *counters, int32_t *events, int64_t neurons, int64_t rows, int64_t size, int threads) {
    const int64_t count = rows * size, blocks = (size + BLOCK - 1) / BLOCK;
#pragma omp parallel num_threads(threads) reduction(+ : counters[:COUNTERS])
    {
        Lanes lanes = {0};
#pragma omp for schedule(static)
        for (int64_t b = 0; b < rows * blocks; b++) {
            const int64_t c = b % blocks * BLOCK, i = b / blocks * size + c;
            int32_t *mine = COUNT ? events + omp_get_thread_num() * neurons + i % neurons : events;
            if (size - c >= BLOCK)
                block(terms, weights, start, theta, spikes, counters, &lanes, mine, count, i, c, BLOCK);
            else
                block(terms, weights, start, theta, spikes, counters, &lanes, mine, count, i, c, (int)(size - c));
        }
        for (int t = 0; COUNT && t < STEPS; t++)
            for (int l = 0; l < LANES; l++) {
                counters[STEPS + t] += (lanes.sizes[t][l] + lanes.sums[t][l]) / 2;
                counters[2 * STEPS + t] += (lanes.sizes[t][l] - lanes.sums[t][l]) / 2;
            }
    }
}
