/* Times of spikes in closed form: an output fires for the k-th time at

       e = (C + a[k]) / (A - b[k]),   A = sum w[i],  C = sum w[i] e[i]   over the inputs that came before

   e being what its neuron makes of time (quotient.py). The inputs of a sample are walked in their order, A and C kept for
   BLOCK outputs at once; after each a spike lies before the next input where C + a <= next (A - b). Backward the same walk
   is gone back; a spike is passed where the last of its inputs is. Weights are [inputs, outputs]. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 64
#define EACH(o) _Pragma("omp simd") for (int o = 0; o < BLOCK; o++)

typedef struct {
    int64_t batch, inputs, outputs, spikes; /* outputs: a multiple of BLOCK */
} Shape;

/* The events of one sample: times [inputs], in the order of ``order``, of which the first ``count`` come at all. */
typedef struct {
    const float *times;
    const int32_t *order;
    int32_t count;
} Train;

/* Return until when no other input comes, and spikes are looked for. */
static inline float next_time(Train train, int32_t j, float horizon) {
    return j + 1 < train.count ? fminf(train.times[j + 1], horizon) : horizon;
}

/* Add an input to the sums of a block. */
static inline void arrive(float *A, float *C, const float *w, float e) {
    EACH(o) {
        A[o] += w[o];
        C[o] += w[o] * e;
    }
}

/* Say whether any output of a block fires before ``next``. */
static inline int fires(const float *A, const float *C, const float *a, const float *b, float next) {
    int any = 0;
#pragma omp simd reduction(| : any)
    for (int o = 0; o < BLOCK; o++) any |= (A[o] > b[o]) & (C[o] + a[o] <= next * (A[o] - b[o]));
    return any;
}

static void forward_block(const Shape *s, Train train, const float *w, const float *a, const float *b, float horizon,
                          float *e, float *slope, int32_t *causal) {
    float A[BLOCK] = {0}, C[BLOCK] = {0}, ak[BLOCK], bk[BLOCK];
    int32_t sent[BLOCK] = {0}, left = BLOCK;
    EACH(o) ak[o] = a[0], bk[o] = b[0];
    for (int32_t j = 0; j < train.count && left; j++) {
        const float now = train.times[j], next = next_time(train, j, horizon);
        arrive(A, C, w + train.order[j] * s->outputs, now);
        if (next <= now || !fires(A, C, ak, bk, next)) continue; /* equal times come together */
        for (int o = 0; o < BLOCK; o++)
            while (sent[o] < s->spikes && A[o] > bk[o] && C[o] + ak[o] <= next * (A[o] - bk[o])) {
                const int64_t at = sent[o] * s->outputs + o;
                slope[at] = A[o] - bk[o];
                e[at] = fmaxf((C[o] + ak[o]) / slope[at], now);
                causal[at] = j + 1;
                const int more = ++sent[o] < s->spikes;
                ak[o] = more ? a[sent[o]] : INFINITY; /* never again */
                bk[o] = more ? b[sent[o]] : 0;
                left -= !more;
            }
    }
}

void quotient_forward(const Shape *s, const float *times, const int32_t *order, const int32_t *counts, const float *w,
                      const float *a, const float *b, float horizon, float *e, float *slope, int32_t *causal, int threads) {
    const int64_t each = s->spikes * s->outputs;
#pragma omp parallel for num_threads(threads) schedule(dynamic)
    for (int64_t block = 0; block < s->outputs; block += BLOCK)
        for (int64_t n = 0; n < s->batch; n++) {
            const Train train = {times + n * s->inputs, order + n * s->inputs, counts[n]};
            const int64_t at = n * each + block;
            forward_block(s, train, w + block, a, b, horizon, e + at, slope + at, causal + at);
        }
}

/* With r = g / D of each spike that an input came before: dw += sum of r (e_in - e), de_in = w sum of r. Where an input
   counts e_in w instead of w (power 1; current_based.c): dw += e_in sum of r (e_in - e), de_in = w sum of r (2 e_in - e). ``first``
   and ``then`` chain the spikes of a block by the last of their inputs; ``times_back`` is NULL where no input wants a
   gradient. */
static void backward_block(const Shape *s, Train train, const float *w, const float *e, const float *slope,
                           const int32_t *causal, const float *grad, int power, float *weights_back, float *times_back,
                           int32_t *first, int32_t *then) {
    float R[BLOCK] = {0}, Q[BLOCK] = {0};
    int32_t last = 0;
    memset(first, 0, (train.count + 1) * sizeof *first);
    for (int k = 0; k < s->spikes; k++)
        for (int o = 0; o < BLOCK; o++) {
            const int32_t at = causal[k * s->outputs + o], id = 1 + k * BLOCK + o;
            then[id] = first[at];
            first[at] = id;
            last = at > last ? at : last;
        }
    for (int32_t j = last; j-- > 0;) {
        for (int32_t id = first[j + 1]; id; id = then[id]) {
            const int o = (id - 1) % BLOCK;
            const int64_t at = (id - 1) / BLOCK * s->outputs + o;
            R[o] += grad[at] / slope[at];
            Q[o] += grad[at] / slope[at] * e[at];
        }
        const float now = train.times[j], counted = power ? now : 1, twice = power ? 2 * now : 1;
        const float *row = w + train.order[j] * s->outputs;
        float *back = weights_back + train.order[j] * s->outputs, sum = 0;
        EACH(o) back[o] += counted * (now * R[o] - Q[o]);
        if (!times_back) continue;
#pragma omp simd reduction(+ : sum)
        for (int o = 0; o < BLOCK; o++) sum += row[o] * (twice * R[o] - power * Q[o]);
        times_back[train.order[j]] += sum;
    }
}

/* weights_back [inputs, outputs] begins at 0; times_back [blocks, batch, inputs] likewise, or NULL. */
void quotient_backward(const Shape *s, const float *times, const int32_t *order, const int32_t *counts, const float *w,
                       const float *e, const float *slope, const int32_t *causal, const float *grad, int power,
                       float *weights_back, float *times_back, int threads) {
    const int64_t each = s->spikes * s->outputs;
#pragma omp parallel num_threads(threads)
    {
        int32_t *first = malloc((s->inputs + 1) * sizeof *first), *then = malloc((1 + s->spikes * BLOCK) * sizeof *then);
#pragma omp for schedule(dynamic)
        for (int64_t block = 0; block < s->outputs; block += BLOCK)
            for (int64_t n = 0; n < s->batch; n++) {
                const Train train = {times + n * s->inputs, order + n * s->inputs, counts[n]};
                const int64_t at = n * each + block;
                float *back = times_back ? times_back + (block / BLOCK * s->batch + n) * s->inputs : NULL;
                backward_block(s, train, w + block, e + at, slope + at, causal + at, grad + at, power, weights_back + block,
                               back, first, then);
            }
        free(first);
        free(then);
    }
}
