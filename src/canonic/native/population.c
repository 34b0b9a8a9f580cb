/* What neurons do over all their steps (tsa.py), after vectors.c: currents are read once, spikes written once, and the
   state stays in registers.

   Compiled for one kind of arguments, which population.py and its callers give as macros:
     MOST                   the longest code
     SIGNED, START, THETA   gate open from the start; initial potentials; whole thresholds
     LIMIT                  where membranes saturate, if THETA
     ADD_TERMS              adds the terms of the current at step t, counted from 0, to u[m]
     SPIKE                  type of a spike (float, int8_t, uint16_t for bfloat16)
     COUNT                  whether spikes are counted
     ALL_STEPS              UNROLLED where that is worth the longer build, else nothing

   Counters: overloads of each digit; if COUNT also +1 spikes of each digit, -1 spikes of each digit, and neurons that did
   not fire. */
#ifdef _OPENMP
#include <omp.h>
#else
#define omp_get_thread_num() 0
#endif

#define PAIR 2
#define COUNTERS(code) (COUNT ? 3 * (code).steps + 1 : (code).steps)
#define EACH_VECTOR UNROLLED for (int m = 0; m < width; m++)

/* A code: T, k, beta, phi beta^k, beta^k / 2 for the last digit, and beta^k. */
typedef struct { int32_t steps, silent; float beta, bar, last_bar, top; } Code;

typedef struct { Count overloads[MOST], up[MOST], down[MOST]; int64_t silent_neurons; } Tally;

/* `width` vectors of neurons, at most PAIR, each as far as its first n: two hide each other's latency. Lane l of vector m
   is number i + m LANES + l of a step, and finds its weights, its start and its theta at c + m across + l. Events are the
   spikes of each neuron. */
INLINE void neurons(Code code, const void *const *terms, const int32_t *lengths, const float *const *weights,
                    const float *start, const float *theta, SPIKE *spikes, Tally *tally, int32_t *events, int64_t size,
                    int64_t i, int64_t c, int64_t across, int width, int n) {
    const Floats one = (Floats){0} + 1.0f, never = (Floats){0} - INFINITY;
    const Mask there = first_lanes(n);
    Floats u[PAIR], v[PAIR], scale[PAIR], gate[PAIR]; /* the gate: -infinity while it is closed, then 0 */
    Ints fired[PAIR];
    EACH_VECTOR {
        v[m] = START ? read_float(start + c + m * across, n) : (Floats){0};
        scale[m] = THETA ? read_float(theta + c + m * across, n) : one;
        gate[m] = SIGNED ? (Floats){0} : never;
        fired[m] = (Ints){0};
    }
    ALL_STEPS for (int t = 0; t < code.steps + code.silent; t++) {
        EACH_VECTOR u[m] = (Floats){0};
        EACH_VECTOR { ADD_TERMS }
        EACH_VECTOR u[m] += code.beta * v[m];
        if (t >= code.silent) EACH_VECTOR {
            const int digit = t - code.silent;
            const Floats bar = (digit == code.steps - 1 ? code.last_bar : code.bar) * scale[m];
            const Floats top = code.top * scale[m];
            const Mask up = at_least(u[m], bar), down = at_least(gate[m] - bar, u[m]);
            gate[m] = either(up, (Floats){0}, gate[m]);
            u[m] = less(down, less(up, u[m], top), -top);
            WRITE(SPIKE)(spikes + digit * size + i + m * LANES, up, down, n);
            count(&tally->overloads[digit], there & (above(u[m], bar) | above(gate[m] - bar, u[m])));
            if (COUNT) {
                count(&tally->up[digit], there & up);
                count(&tally->down[digit], there & down);
                fired[m] = one_more(up | down, fired[m]);
            }
        }
        EACH_VECTOR v[m] = THETA ? between(u[m], (Floats){0} + LIMIT) : u[m];
    }
    if (COUNT) EACH_VECTOR {
        for (int l = 0; l < n; l++) tally->silent_neurons += fired[m][l] == 0, events[m * LANES + l] += fired[m][l];
    }
}

static void add_up(int steps, const Tally *tally, int64_t *counters) {
    for (int t = 0; t < steps; t++) {
        counters[t] += total(&tally->overloads[t]);
        if (COUNT) counters[steps + t] += total(&tally->up[t]), counters[2 * steps + t] += total(&tally->down[t]);
    }
    if (COUNT) counters[3 * steps] += tally->silent_neurons;
}
