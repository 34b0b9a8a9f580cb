/* The neuron of every weighted code (neurons/weighted.py), after population.c. Further macros:
     EITHER     whether spikes may be of either sign

   Tables in memory hold what Python's numbers become as float32; a comparison of u / w with a bar is one of u with the
   least number whose quotient reaches it. */

/* A code, and what it reads; spikes of several sizes have the smallest first. */
typedef struct {
    int32_t steps, silent, sizes;
    int32_t once;  /* whether a neuron fires at most once */
    float start;
    float units;   /* events for which a spike of size 1 counts: the smallest counts for one */
    const float *arriving; /* [T or more] what each digit that arrives is worth */
    const float *worth;    /* [T] what each that leaves is worth */
    const float *share;    /* [T] how much of a number that was waited for enters with it */
    const float *size;     /* [sizes] of a spike */
    const float *bars;     /* [T, sizes] potentials from which it is sent */
    const float *held;     /* [T, sizes] what must have been sent to take so much of it back; -infinity with an open gate */
} Code;

/* The largest of the first few sizes whose bar a number reaches, else 0. */
INLINE Floats reached(const float *size, const float *bars, int sizes, Floats x) {
    Floats found = {0};
    for (int j = 0; j < (GRADED ? sizes : 1); j++)
        found = either(at_least(x, (Floats){0} + bars[j]), (Floats){0} + size[j], found);
    return found;
}

/* The size of digit d, one of the first few, of neurons whose potential is u: below 0 at most what was sent. */
INLINE Floats sizes_of(const Code *code, int d, int sizes, Floats u, Floats sent) {
    Floats found = reached(code->size, code->bars + d * code->sizes, sizes, EITHER ? size_of(u) : u);
    if (EITHER) {
        const Floats most = reached(code->size, code->held + d * code->sizes, sizes, sent);
        found = either(above((Floats){0}, u), smaller(found, most), found);
    }
    return code->once ? either(above(size_of(sent), (Floats){0}), (Floats){0}, found) : found;
}

INLINE void neurons(Code code, const void *const *terms, const int32_t *lengths, const float *const *weights,
                    const float *start, const float *theta, const float *ceiling, SPIKE *spikes, Tally *tally,
                    int32_t *events, int64_t size, int64_t i, int64_t c, int64_t across, int width, int n) {
    const Mask there = first_lanes(n);
    Floats u[PAIR], v[PAIR], sent[PAIR], whole[PAIR];
    Ints fired[PAIR];
    EACH_VECTOR {
        v[m] = code.start + read_float(start + c + m * across, n);
        sent[m] = whole[m] = (Floats){0};
        fired[m] = (Ints){0};
    }
    for (int t = 0; t < code.silent; t++) {
        EACH_VECTOR u[m] = (Floats){0};
        EACH_VECTOR { ADD_TERMS }
        EACH_VECTOR whole[m] += u[m] * code.arriving[t];
    }
    ALL_STEPS for (int d = 0; d < code.steps; d++) {
        EACH_VECTOR u[m] = (Floats){0};
        if (code.silent == 0) {
            const int t = d;
            EACH_VECTOR { ADD_TERMS }
            EACH_VECTOR v[m] += u[m] * code.arriving[t];
        } else if (code.share[d] != 0)
            EACH_VECTOR v[m] += whole[m] * code.share[d];
        EACH_VECTOR {
            const Floats found = sizes_of(&code, d, code.sizes, v[m], sent[m]);
            const Floats s = EITHER ? either(above((Floats){0}, v[m]), -found, found) : found;
            const Mask up = above(s, (Floats){0}), down = above((Floats){0}, s);
            v[m] -= code.worth[d] * s;
            sent[m] += code.worth[d] * s;
            PUT(SPIKE)(spikes + d * size + i + m * LANES, s, n);
            count(&tally->overloads[d], there & above(sizes_of(&code, d, 1, v[m], sent[m]), (Floats){0}));
            if (COUNT) {
                fired[m] += __builtin_convertvector(found * code.units, Ints);
                count(&tally->up[d], there & up);
                count(&tally->down[d], there & down);
            }
        }
    }
    if (COUNT) EACH_VECTOR count_neurons(tally, events + m * LANES, fired[m], n);
}
