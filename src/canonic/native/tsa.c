/* The ternary self-amplifying neuron, and that of several levels (tsa.py), after population.c. Further macros:
     SIGNED     whether the gate is open from the start
     THETA      whether thresholds are whole numbers
     CEILING    whether what is sent has a ceiling, with several levels */

/* A code: T, k, L, beta, phi beta^k, beta^k / 2 for the last digit, beta^k, and where whole membranes saturate. */
typedef struct { int32_t steps, silent, levels; float beta, bar, last_bar, top, limit; } Code;

#if GRADED
/* The digits of neurons whose membrane is u, in units of the threshold, and that may take back as much as the gate. */
INLINE Floats digits_of(Code code, Floats u, Floats gate, Floats cap) {
    const Floats size = smaller(floors(size_of(u) + 0.5f), (Floats){0} + (float)code.levels);
    const Floats digit = larger(either(above((Floats){0}, u), -size, size), -floors(gate));
    return CEILING ? smaller(digit, floors(cap - gate)) : digit;
}
#endif

INLINE void neurons(Code code, const void *const *terms, const int32_t *lengths, const float *const *weights,
                    const float *start, const float *theta, const float *ceiling, SPIKE *spikes, Tally *tally,
                    int32_t *events, int64_t size, int64_t i, int64_t c, int64_t across, int width, int n) {
    const Floats one = (Floats){0} + 1.0f, never = (Floats){0} - INFINITY;
    const Mask there = first_lanes(n);
    Floats u[PAIR], v[PAIR], scale[PAIR];
    Floats gate[PAIR]; /* -infinity while it is closed, then 0; with several levels beta N, infinite if SIGNED */
    Ints fired[PAIR];
    EACH_VECTOR {
        v[m] = read_float(start + c + m * across, n);
        scale[m] = THETA ? read_float(theta + c + m * across, n) : one;
        gate[m] = GRADED ? (SIGNED ? -never : (Floats){0}) : (SIGNED ? (Floats){0} : never);
        fired[m] = (Ints){0};
    }
    double power = 1;
    ALL_STEPS for (int t = 0; t < code.steps + code.silent; t++) {
        EACH_VECTOR u[m] = (Floats){0};
        EACH_VECTOR { ADD_TERMS }
        EACH_VECTOR u[m] += code.beta * v[m];
        if (t >= code.silent) EACH_VECTOR {
            const int digit = t - code.silent;
            const Floats bar = (digit == code.steps - 1 ? code.last_bar : code.bar) * scale[m];
            const Floats top = code.top * scale[m];
            SPIKE *to = spikes + digit * size + i + m * LANES;
#if GRADED
            const Floats cap = CEILING ? rounded(read_float(ceiling + c + m * across, n) * (float)power) : -never;
            const Floats s = digits_of(code, u[m] / top, gate[m], cap);
            const Mask up = above(s, (Floats){0}), down = above((Floats){0}, s);
            gate[m] = code.beta * (gate[m] + s);
            u[m] = u[m] - s * top;
            PUT(SPIKE)(to, s, n);
            const Mask more = above(u[m], bar) & (CEILING ? above(code.beta * cap, gate[m]) : there);
            const Mask back = above(-bar, u[m]) & at_least(gate[m], code.beta * one);
            if (COUNT) count(&tally->overloads[digit], there & (more | back));
            if (COUNT) fired[m] += __builtin_convertvector(size_of(s), Ints);
#else
            const Mask up = at_least(u[m], bar), down = at_least(gate[m] - bar, u[m]);
            gate[m] = either(up, (Floats){0}, gate[m]);
            u[m] = less(down, less(up, u[m], top), -top);
            WRITE(SPIKE)(to, up, down, n);
            if (COUNT) count(&tally->overloads[digit], there & (above(u[m], bar) | above(gate[m] - bar, u[m])));
            if (COUNT) fired[m] = one_more(up | down, fired[m]);
#endif
            if (COUNT) count(&tally->up[digit], there & up), count(&tally->down[digit], there & down);
        }
        power *= t >= code.silent ? code.beta : 1;
        EACH_VECTOR v[m] = THETA ? between(u[m], (Floats){0} + code.limit) : u[m];
    }
    if (COUNT) EACH_VECTOR count_neurons(tally, events + m * LANES, fired[m], n);
}
