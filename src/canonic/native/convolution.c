/* A convolution and the neurons behind it, after events.c: currents never leave the first cache, and what does not fire
   costs nothing.

   For TILE output channels at a time: weights [tile, row and column of the kernel, group, TILE, GROUP], 0 beyond the last
   channel, in float32 or bfloat16; in int8 as uint8 with 128 added, as those products want them:

       sum (W + 128) s = sum W s + 128 sum s

   convolution.py gives the macros VECTORS (a tile's width in vectors), WHOLE (whether all of a tile's lanes are channels),
   ABREAST (2 where one vector is all channels: two pixels are then worked on at once) and TERMS, of the current of a
   neuron, with the convolution's own first. */
#define TILE (VECTORS * LANES)

#if KIND == 2
typedef Ints Sums;
#else
typedef Floats Sums;
#endif

INLINE Sums product(Sums sums, Sums weight, int32_t digits) {
#if KIND == 0
    float digit;
    memcpy(&digit, &digits, sizeof digit);
    return sums + weight * digit;
#elif KIND == 1
    return (Sums)_mm512_dpbf16_ps((__m512)sums, (__m512bh)_mm512_set1_epi32(digits), (__m512bh)weight);
#else
    return (Sums)_mm512_dpbusd_epi32((__m512i)sums, (__m512i)weight, _mm512_set1_epi32(digits));
#endif
}

typedef struct {
    int64_t batch, height, width, channels, out_height, out_width, out_channels;
    int64_t kernel[2], stride[2], padding[2], dilation[2];
    int64_t images, band; /* a thread works on so many images at a time, and rows of each */
} Shape;

/* The part of the input that a thread works on: rows from `top` on, of each of its images. */
typedef struct { const Row *rows; int64_t top, height; } Part;

/* Where an output begins to read, in which image of the part. */
typedef struct { int64_t image, y, x; } Corner;

INLINE const Row *row_at(const Shape *s, const Part *part, Corner from, int64_t a) {
    const int64_t y = from.y + a * s->dilation[0];
    return y < 0 || y >= s->height ? NULL : part->rows + from.image * part->height + y - part->top;
}

/* What sums begin with: in int8 -128 times the sum of all digits that an output reads. */
INLINE void begin(const Shape *s, const Part *part, Corner from, Sums sums[DIGITS][VECTORS]) {
#if KIND == 2
    __m256i offsets[ENTRY / 8] = {0};
    for (int64_t a = 0; a < s->kernel[0]; a++) {
        const Row *row = row_at(s, part, from, a);
        for (int64_t b = 0; row && b < s->kernel[1]; b++) {
            const int64_t x = from.x + b * s->dilation[1];
            if (x < 0 || x >= s->width) continue;
            const __m256i *sum = (const __m256i *)(row->sums + x * ENTRY);
            for (int e = 0; e < ENTRY / 8; e++)
                offsets[e] = _mm256_sub_epi32(offsets[e], _mm256_loadu_si256(sum + e));
        }
    }
    int32_t offset[ENTRY];
    memcpy(offset, offsets, sizeof offset);
#endif
    UNROLLED for (int t = 0; t < DIGITS; t++)
        UNROLLED for (int m = 0; m < VECTORS; m++)
#if KIND == 2
            sums[t][m] = (Sums){0} + offset[t];
#else
            sums[t][m] = (Sums){0};
#endif
}

/* The currents of one output pixel, [vector, digit, lane]. */
static __attribute__((noinline)) void currents_of(const Shape *s, const Part *part, Corner from, const Sums *weight,
                                                  const float *unit, const float *bias, float *currents) {
    const int64_t groups = s->channels / GROUP, run = s->dilation[1] == 1 ? s->kernel[1] : 1;
    Sums sums[DIGITS][VECTORS];
    begin(s, part, from, sums);
    for (int64_t a = 0; a < s->kernel[0]; a++) {
        const Row *row = row_at(s, part, from, a);
        for (int64_t b = 0; row && b < s->kernel[1]; b += run) {
            const int64_t x = from.x + b * s->dilation[1], end = x + run < s->width ? x + run : s->width;
            if (end <= 0 || x >= s->width) continue;
            const Sums *tap = weight + (a * s->kernel[1] + b - x) * groups * VECTORS;
            const int32_t *entry = row->entries + row->starts[x < 0 ? 0 : x] * ENTRY;
            for (const int32_t *last = row->entries + row->starts[end] * ENTRY; entry < last; entry += ENTRY) {
                const Sums *w = tap + (int64_t)entry[ENTRY - 1] * VECTORS;
                UNROLLED for (int t = 0; t < DIGITS; t++)
                    UNROLLED for (int m = 0; m < VECTORS; m++) sums[t][m] = product(sums[t][m], w[m], entry[t]);
            }
        }
    }
    UNROLLED for (int m = 0; m < VECTORS; m++)
        UNROLLED for (int t = 0; t < DIGITS; t++) {
#if KIND == 2
            Floats current = __builtin_convertvector(sums[t][m], Floats) * read_float(unit + m * LANES, LANES);
#else
            Floats current = sums[t][m];
#endif
            if (t == 0) current += read_float(bias + m * LANES, LANES);
            memcpy(currents + (m * DIGITS + t) * LANES, &current, sizeof current);
        }
}

/* List the events of the rows that outputs from `first` to `last` read, of some images; x is where the first begins. */
INLINE Part listed(const Shape *s, const INPUT *x, int64_t images, int64_t first, int64_t last, Row *rows,
                   int32_t *scratch) {
    const int64_t groups = s->channels / GROUP, room = s->width * (groups * ENTRY + ENTRY + 1) + 1;
    const int64_t from = first * s->stride[0] - s->padding[0], reach = (s->kernel[0] - 1) * s->dilation[0];
    const int64_t to = (last - 1) * s->stride[0] - s->padding[0] + reach + 1;
    const int64_t top = from < 0 ? 0 : from, bottom = to < s->height ? to : s->height;
    const Part part = {rows, top, bottom > top ? bottom - top : 0};
    for (int64_t r = 0; r < images * part.height; r++) {
        const int64_t y = r / part.height * s->height + top + r % part.height;
        int32_t *entries = scratch + r * room, *sums = entries + s->width * groups * ENTRY;
        rows[r] = (Row){entries, sums + s->width * ENTRY, sums, (int32_t)groups, 0};
        find_events(rows + r, x + y * s->width * s->channels, s->batch * s->height * s->width * s->channels, s->width);
    }
    return part;
}

/* The weights, and where neurons find and leave all that is theirs. */
typedef struct {
    const Sums *weight;
    const float *unit, *bias, *const *weights, *start, *theta, *ceiling;
    const void *terms[TERMS];
    SPIKE *spikes;
    int32_t *events;
    float *currents;
} Place;

/* The neurons of one tile in one pixel, or in ABREAST. The image is the nth of the part. */
INLINE void neurons_of(const Shape *s, const Part *part, Place *at, Tally *tally, int64_t image, int64_t nth,
                       int64_t pixel, int64_t tile, int abreast) {
    const int64_t pixels = s->out_height * s->out_width, c = tile * TILE;
    const int64_t i = (image * pixels + pixel) * s->out_channels + c;
    const Sums *weight = at->weight + c / LANES * s->kernel[0] * s->kernel[1] * (s->channels / GROUP);
    for (int p = 0; p < abreast; p++) {
        const int64_t y = (pixel + p) / s->out_width, x = (pixel + p) % s->out_width;
        const Corner from = {nth, y * s->stride[0] - s->padding[0], x * s->stride[1] - s->padding[1]};
        currents_of(s, part, from, weight, at->unit + c, at->bias + c, at->currents + p * DIGITS * TILE);
    }
    int32_t *events = COUNT ? at->events + pixel * s->out_channels + c : at->events;
#define NEURONS(width, n)                                                                               \
    neurons(CODE, at->terms, 0, at->weights, at->start, at->theta, at->ceiling, at->spikes, tally, events + m * LANES, \
            s->batch * pixels * s->out_channels, i + m * LANES, c + m * LANES, ABREAST > 1 ? 0 : LANES, \
            width, n)
    for (int m = 0, width; m < VECTORS * abreast; m += width) {
        const int64_t left = ABREAST > 1 ? (abreast - m) * LANES : s->out_channels - c - m * LANES;
        width = m + PAIR <= VECTORS * abreast && left >= PAIR * LANES ? PAIR : 1;
        at->terms[0] = at->currents + m * DIGITS * LANES;
        if (width == PAIR) NEURONS(PAIR, LANES);
        else if (left >= LANES) NEURONS(1, LANES);
        else if (!WHOLE && left > 0) NEURONS(1, (int)left);
    }
}

void convolve(const Shape *s, const INPUT *x, const Sums *weight, const float *unit, const float *bias,
              const void *const *others, const float *const *weights, const float *start, const float *theta,
              const float *ceiling, SPIKE *spikes, int64_t *counters, int32_t *events, Row *rows, int64_t rows_each,
              int32_t *scratch, int64_t scratch_each, int threads) {
    const int64_t tiles = (s->out_channels + TILE - 1) / TILE, neurons_each = s->out_height * s->out_width * s->out_channels;
    const int64_t bands = (s->out_height + s->band - 1) / s->band;
    const int64_t parts = (s->batch + s->images - 1) / s->images * bands;
#pragma omp parallel num_threads(threads) reduction(+ : counters[:COUNTERS(CODE)])
    {
        const int64_t thread = omp_get_thread_num();
        float currents[ABREAST * DIGITS * TILE] __attribute__((aligned(64)));
        Tally tally = {0};
        Place at = {weight, unit, bias, weights, start, theta, ceiling, {0}, spikes, events, currents};
        at.events += COUNT ? thread * neurons_each : 0;
        for (int i = 1; i < TERMS; i++) at.terms[i] = others[i];
#pragma omp for schedule(dynamic)
        for (int64_t work = 0; work < parts; work++) {
            const int64_t image = work / bands * s->images, first = work % bands * s->band;
            const int64_t images = s->batch - image < s->images ? s->batch - image : s->images;
            const int64_t last = s->out_height - first < s->band ? s->out_height : first + s->band;
            const Part part = listed(s, x + image * s->height * s->width * s->channels, images, first, last,
                                     rows + thread * rows_each, scratch + thread * scratch_each);
            for (int64_t tile = 0; tile < tiles; tile++)
                for (int64_t nth = 0; nth < images; nth++) {
                    int64_t pixel = first * s->out_width;
                    for (; pixel + ABREAST <= last * s->out_width; pixel += ABREAST)
                        neurons_of(s, &part, &at, &tally, image + nth, nth, pixel, tile, ABREAST);
                    for (; pixel < last * s->out_width; pixel++)
                        neurons_of(s, &part, &at, &tally, image + nth, nth, pixel, tile, 1);
                }
        }
        add_up(CODE.steps, &tally, counters);
    }
}
