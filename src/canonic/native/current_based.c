/* Times of spikes where currents and membranes leak (current_based.py in neurons): behind quotient.c, whose walk it goes. With the
   sums P = sum w e_in and C = sum w e_in^2 of a block of outputs, a spike is the smaller root of q e^2 - P e + C, and takes
   q e away from P. */

/* Say whether a root lies between ``now`` and ``next``, and the membrane rises there. */
static inline int crosses(float P, float C, float q, float now, float next) {
    const int rises = (C > 0) & (P > 2 * q * now) & (P * P > 4 * q * C);
    return rises & ((P <= 2 * q * next) | (next * (P - q * next) >= C));
}

static inline int any_crosses(const float *P, const float *C, float q, float now, float next) {
    int any = 0;
#pragma omp simd reduction(| : any)
    for (int o = 0; o < BLOCK; o++) any |= crosses(P[o], C[o], q, now, next);
    return any;
}

static void current_based_block(const Shape *s, Train train, const float *w, float q, float horizon, float *e, float *slope,
                        int32_t *causal) {
    float P[BLOCK] = {0}, C[BLOCK] = {0};
    int32_t sent[BLOCK] = {0}, left = BLOCK;
    for (int32_t j = 0; j < train.count && left; j++) {
        const float now = train.times[j], next = next_time(train, j, horizon), *row = w + train.order[j] * s->outputs;
        EACH(o) {
            P[o] += row[o] * now;
            C[o] += row[o] * now * now;
        }
        if (next <= now || !any_crosses(P, C, q, now, next)) continue; /* equal times come together */
        for (int o = 0; o < BLOCK; o++) {
            float last = now;
            while (sent[o] < s->spikes && crosses(P[o], C[o], q, last, next)) {
                const int64_t at = sent[o] * s->outputs + o;
                slope[at] = sqrtf(P[o] * P[o] - 4 * q * C[o]);
                e[at] = last = fmaxf(2 * C[o] / (P[o] + slope[at]), last);
                causal[at] = j + 1;
                P[o] -= q * last;
                if (++sent[o] == s->spikes) left--, P[o] = -INFINITY; /* never again */
            }
        }
    }
}

void current_based_forward(const Shape *s, const float *times, const int32_t *order, const int32_t *counts, const float *w, float q,
                   float horizon, float *e, float *slope, int32_t *causal, int threads) {
    const int64_t each = s->spikes * s->outputs;
#pragma omp parallel for num_threads(threads) schedule(dynamic)
    for (int64_t block = 0; block < s->outputs; block += BLOCK)
        for (int64_t n = 0; n < s->batch; n++) {
            const Train train = {times + n * s->inputs, order + n * s->inputs, counts[n]};
            const int64_t at = n * each + block;
            current_based_block(s, train, w + block, q, horizon, e + at, slope + at, causal + at);
        }
}
