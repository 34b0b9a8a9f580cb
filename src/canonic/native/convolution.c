/* A convolution and the neurons behind it, after lists.c, dense.c or depthwise.c: currents never leave the first cache.

   convolution.py gives the macros WHOLE (whether all of a tile's lanes are channels) and TERMS, of the current of a neuron,
   with the convolution's own first. Before, there are

       part_of        what products read, made ready for a band
       currents_of    their currents
       weights_of     how many numbers of the type Weight a tile has */

/* The weights, and where neurons find and leave all that is theirs. */
typedef struct {
    const Weight *weight;
    const float *unit, *bias, *const *weights, *start, *theta, *ceiling;
    const void *terms[TERMS];
    SPIKE *spikes;
    int32_t *events;
    Current *currents;
} Place;

/* The neurons of one tile in n <= BLOCK neighbours of an image, which is one of the part. */
INLINE void neurons_of(const Shape *s, const Part *part, Place *at, Tally *tally, int64_t image, Pixel first, int64_t tile,
                       int n) {
    const int64_t pixels = s->out_height * s->out_width, c = tile * TILE;
    const Weight *weight = at->weight + tile * weights_of(s);
    const Current *currents = currents_of(s, part, first, n, weight, at->unit + c, at->bias + c, at->currents);
    const int together = NARROW ? n : 1, vectors = VECTORS * together;
#define NEURONS(width, lanes)                                                                           \
    neurons(CODE, at->terms, 0, at->weights, at->start, at->theta, at->ceiling, at->spikes, tally, events + m * LANES, \
            s->batch * pixels * s->out_channels, i + m * LANES, NARROW ? 0 : c + m * LANES, NARROW ? 0 : LANES, width, lanes)
    for (int p = 0; p < n; p += together) {
        const int64_t pixel = first.y * s->out_width + first.x + p, i = (image * pixels + pixel) * s->out_channels + c;
        int32_t *events = COUNT ? at->events + pixel * s->out_channels + c : at->events;
        for (int m = 0, width; m < vectors; m += width) {
            const int64_t left = NARROW ? (vectors - m) * LANES : s->out_channels - c - m * LANES;
            width = m + PAIR <= vectors && left >= PAIR * LANES ? PAIR : 1;
            at->terms[0] = currents + p * PIXEL_STEP + m * (NARROW ? PIXEL_STEP : VECTOR_STEP);
            if (width == PAIR) NEURONS(PAIR, LANES);
            else if (left >= LANES) NEURONS(1, LANES);
            else if (!WHOLE && left > 0) NEURONS(1, (int)left);
        }
    }
}

void convolve(const Shape *s, const INPUT *x, const Weight *weight, const float *unit, const float *bias,
              const void *const *others, const float *const *weights, const float *start, const float *theta,
              const float *ceiling, SPIKE *spikes, int64_t *counters, int32_t *events, Row *rows, int64_t rows_each,
              int32_t *scratch, int64_t scratch_each, int threads) {
    const int64_t tiles = (s->out_channels + TILE - 1) / TILE, neurons_each = s->out_height * s->out_width * s->out_channels;
    const int64_t bands = (s->out_height + s->band - 1) / s->band;
    const int64_t each = APART ? 1 : tiles, parts = (s->batch + s->images - 1) / s->images * bands * (tiles / each);
#pragma omp parallel num_threads(threads) reduction(+ : counters[:COUNTERS(CODE)])
    {
        const int64_t thread = omp_get_thread_num();
        Current currents[BLOCK * DIGITS * TILE] __attribute__((aligned(64)));
        Tally tally = {0};
        Place at = {weight, unit, bias, weights, start, theta, ceiling, {0}, spikes, events, currents};
        at.events += COUNT ? thread * neurons_each : 0;
        for (int i = 1; i < TERMS; i++) at.terms[i] = others[i];
        begin_work(s);
#pragma omp for schedule(dynamic)
        for (int64_t work = 0; work < parts; work++) {
            const int64_t own = work % (tiles / each), place = work / (tiles / each);
            const int64_t image = place / bands * s->images, first = place % bands * s->band;
            const int64_t images = s->batch - image < s->images ? s->batch - image : s->images;
            const int64_t last = s->out_height - first < s->band ? s->out_height : first + s->band;
            const Band band = {images, first, last, own * TILE};
            const Part part = part_of(s, x + image * s->height * s->width * s->channels, band, rows + thread * rows_each,
                                      scratch + thread * scratch_each);
            for (int64_t tile = own; tile < own + each; tile++)
                for (int64_t nth = 0; nth < images; nth++)
                    for (int64_t y = first; y < band.last; y++) {
                        int64_t to = 0;
                        for (; to + BLOCK <= s->out_width; to += BLOCK)
                            neurons_of(s, &part, &at, &tally, image + nth, (Pixel){nth, y, to}, tile, BLOCK);
                        if (to < s->out_width)
                            neurons_of(s, &part, &at, &tally, image + nth, (Pixel){nth, y, to}, tile, s->out_width - to);
                    }
        }
        end_work();
        add_up(CODE.steps, &tally, counters);
    }
}
