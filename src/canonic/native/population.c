/* What is common to the neurons of all rules, after vectors.c: currents are read once, spikes written once, and the state
   stays in registers. A rule (tsa.c, weighted.c) then defines what a Code is, and

       neurons     runs `width` vectors of neurons, at most PAIR, over all steps, each as far as its first n: two hide each
                   other's latency. Lane l of vector m is number i + m LANES + l of a step, and finds its weights, its
                   start, its theta and its ceiling at c + m across + l. Events are the sizes of each neuron's spikes.

   Compiled for one kind of arguments, which population.py and its callers give as macros:
     MOST                   the longest code
     ADD_TERMS              adds the terms of the current at step t, counted from 0, to u[m]
     GRADED                 whether spikes may be of several sizes
     SPIKE                  type of a spike (float, int8_t, uint16_t for bfloat16)
     COUNT                  whether spikes are counted, and overloads
     INTEGER                whether the rule's numbers are whole
     ALL_STEPS              UNROLLED where that is worth the longer build, else nothing

   Counters, if COUNT: overloads of each digit, spikes above 0 of each digit, those below, and neurons that did not
   fire. */
#ifdef _OPENMP
#include <omp.h>
#else
#define omp_get_thread_num() 0
#endif

/* What currents are: whole numbers of 32 bits where the rule's are. */
#if INTEGER
typedef int32_t Current;
typedef Ints Currents;
#define READ_CURRENT whole_int32_t
#define IN_CURRENTS whole
#else
typedef float Current;
typedef Floats Currents;
#define READ_CURRENT read_float
#define IN_CURRENTS(x) (x)
#endif

#define PAIR 2
#define COUNTERS(code) (COUNT ? 3 * (code).steps + 1 : (code).steps)
#define EACH_VECTOR UNROLLED for (int m = 0; m < width; m++)

typedef struct { Count overloads[MOST], up[MOST], down[MOST], silent_neurons; } Tally;

INLINE void count_neurons(Tally *tally, int32_t *events, Ints fired, int n) {
    Ints sum = {0};
    memcpy(&sum, events, n * sizeof *events);
    sum += fired;
    memcpy(events, &sum, n * sizeof *events);
    count(&tally->silent_neurons, first_lanes(n) & at_least((Floats){0}, __builtin_convertvector(fired, Floats)));
}

static void add_up(int steps, const Tally *tally, int64_t *counters) {
    for (int t = 0; t < steps; t++) {
        counters[t] += total(&tally->overloads[t]);
        if (COUNT) counters[steps + t] += total(&tally->up[t]), counters[2 * steps + t] += total(&tally->down[t]);
    }
    if (COUNT) counters[3 * steps] += total(&tally->silent_neurons);
}
