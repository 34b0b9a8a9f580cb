/* The ternary self-amplifying neuron of an integer network (tsa.py), after population.c: whole numbers of 32 bits, whose
   additions and comparisons take less time than those of floats and give the same. No number of such a network reaches
   2^24. Bars need not be whole: u >= bar as u >= its ceiling. Further macros:
     SIGNED     whether the gate is open from the start */

/* A code: T, k, L, beta, phi beta^k, beta^k / 2 for the last digit, beta^k, and where membranes saturate. */
typedef struct { int32_t steps, silent, levels; float beta, bar, last_bar, top, limit; } Code;

/* The least whole number that reaches a bar, and the largest that it is not below. */
INLINE Ints reaching(Floats bar) { return __builtin_convertvector(-floors(-bar), Ints); }
INLINE Ints within(Floats bar) { return __builtin_convertvector(floors(bar), Ints); }

INLINE void neurons(Code code, const void *const *terms, const int32_t *lengths, const float *const *weights,
                    const float *start, const float *theta, const float *ceiling, SPIKE *spikes, Tally *tally,
                    int32_t *events, int64_t size, int64_t i, int64_t c, int64_t across, int width, int n) {
    const Mask there = first_lanes(n);
    const int32_t beta = (int32_t)code.beta;
    const Ints limit = (Ints){0} + (int32_t)code.limit;
    Ints u[PAIR], v[PAIR], fired[PAIR];
    Floats scale[PAIR];
    Mask open[PAIR];
    EACH_VECTOR {
        v[m] = whole(read_float(start + c + m * across, n));
        scale[m] = read_float(theta + c + m * across, n);
        open[m] = SIGNED ? first_lanes(LANES) : first_lanes(0);
        fired[m] = (Ints){0};
    }
    ALL_STEPS for (int t = 0; t < code.steps + code.silent; t++) {
        EACH_VECTOR u[m] = (Ints){0};
        EACH_VECTOR { ADD_TERMS }
        EACH_VECTOR u[m] += beta == 2 ? v[m] + v[m] : v[m] * beta;
        if (t >= code.silent) EACH_VECTOR {
            const int digit = t - code.silent;
            const Floats bar = (digit == code.steps - 1 ? code.last_bar : code.bar) * scale[m];
            const Ints top = whole(code.top * scale[m]), least = reaching(bar);
            const Mask up = whole_at_least(u[m], least), down = open[m] & whole_at_least(-least, u[m]);
            open[m] |= up;
            u[m] = whole_less(down, whole_less(up, u[m], top), -top);
            WRITE(SPIKE)(spikes + digit * size + i + m * LANES, up, down, n);
            if (COUNT) {
                const Ints most = within(bar);
                count(&tally->overloads[digit],
                      there & (whole_above(u[m], most) | (open[m] & whole_above(-most, u[m]))));
                fired[m] = one_more(up | down, fired[m]);
                count(&tally->up[digit], there & up), count(&tally->down[digit], there & down);
            }
        }
        EACH_VECTOR v[m] = whole_between(u[m], limit);
    }
    if (COUNT) EACH_VECTOR count_neurons(tally, events + m * LANES, fired[m], n);
}
