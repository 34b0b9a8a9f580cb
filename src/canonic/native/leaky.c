/* Neurons that integrate, leak and fire (neurons/rules.py, neurons/leaky.py), over some steps from any state.

   Streams are [steps, batch, size]; leak, bar, theta and worth are [size]: what is left of a membrane, from where it fires,
   what a spike takes from it, and what is sent for one. u and s, [batch, size], are the membranes, and the spikes of the
   step before, which only LATER reads; both are left as they are after the last step.

   Each operation rounds as one of torch's, in the order of the rule's step. */
#include <stdint.h>

#define BLOCK 512
#define EACH for (int64_t i = 0; i < n; i++)

enum { SOFT, HARD, LATER }; /* a spike takes theta away, empties the membrane, takes theta away at the next step */

static inline __attribute__((always_inline)) void step(int reset, const float *restrict current, const float *restrict leak,
                                                       const float *restrict bar, const float *restrict theta,
                                                       const float *restrict worth, float *restrict u, float *restrict s,
                                                       float *restrict sent, int64_t n) {
    EACH {
        float v = leak[i] * u[i] + current[i];
        if (reset == LATER) v -= theta[i] * s[i];
        s[i] = v - bar[i] >= 0;
        sent[i] = worth[i] * s[i];
        u[i] = reset == SOFT ? v - theta[i] * s[i] : reset == HARD ? v * (1 - s[i]) : v;
    }
}

/* membranes: after each step, written unless there are none. */
void leaky(const float *currents, const float *leak, const float *bar, const float *theta, const float *worth, float *u,
           float *s, float *sent, float *membranes, int64_t steps, int64_t batch, int64_t size, int reset, int threads) {
    const int64_t blocks = (size + BLOCK - 1) / BLOCK;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t j = 0; j < batch * blocks; j++) {
        const int64_t c = j % blocks * BLOCK, row = j / blocks * size + c, n = size - c < BLOCK ? size - c : BLOCK;
#define STEP(reset) step(reset, currents + at, leak + c, bar + c, theta + c, worth + c, u + row, s + row, sent + at, n)
        for (int64_t t = 0; t < steps; t++) {
            const int64_t at = t * batch * size + row;
            if (reset == SOFT) STEP(SOFT);
            else if (reset == HARD) STEP(HARD);
            else STEP(LATER);
            if (membranes) EACH membranes[at + i] = u[row + i];
        }
    }
}
