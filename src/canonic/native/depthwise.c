/* The currents of a depthwise convolution, after shape.c: an output channel reads one input channel, so that the TILE
   channels of a tile are products side by side, in 16 bits, which products.py knows to hold all sums.

   Digits of a tile's channels are laid out with the padding around them, [row, digit, pixel, TILE]; weights are
   [tile, row and column of the kernel, TILE]. */
#define APART 1 /* a tile reads its own channels */
typedef int16_t Shorts __attribute__((vector_size(2 * TILE)));
typedef Shorts Weight;
typedef struct { int32_t unused; } Row; /* lists have some */

/* The part of the input that a thread works on: its rows of each image, from those of the output row `first` on, and how
   many numbers rows and digits lie apart. */
typedef struct { const int16_t *rows; int64_t first, height, row, digit; } Part;

INLINE int64_t weights_of(const Shape *s) { return s->kernel[0] * s->kernel[1]; }

INLINE void begin_work(const Shape *s) {}
INLINE void end_work(void) {}

INLINE Shorts read_shorts(const int16_t *p) {
    Shorts x;
    memcpy(&x, p, sizeof x);
    return x;
}

/* The currents of one output pixel, which reads from `from` on. */
INLINE void currents_from(const Shape *s, const Part *part, const int16_t *from, const Weight *weight,
                          const Currents *units, const Currents *biases, Current *currents) {
    Shorts sums[DIGITS] = {0};
    for (int64_t a = 0; a < s->kernel[0]; a++)
        for (int64_t b = 0; b < s->kernel[1]; b++, weight++) {
            const int16_t *x = from + a * s->dilation[0] * part->row + b * s->dilation[1] * TILE;
            UNROLLED for (int t = 0; t < DIGITS; t++) sums[t] += *weight * read_shorts(x + t * part->digit);
        }
    UNROLLED for (int t = 0; t < DIGITS; t++)
        UNROLLED for (int m = 0; m < VECTORS; m++) {
            const __m512i both = (__m512i)sums[t];
            const __m256i half = m ? _mm512_extracti64x4_epi64(both, 1) : _mm512_castsi512_si256(both);
            const Ints sum = (Ints)_mm512_cvtepi16_epi32(half);
            const Currents current = AS_CURRENT(sum, units[m], biases[m], t);
            memcpy(currents + m * VECTOR_STEP + t * DIGIT_STEP, &current, sizeof current);
        }
}

/* The currents of n <= BLOCK neighbours. */
static __attribute__((noinline)) const Current *currents_of(const Shape *s, const Part *part, Pixel at, int n,
                                                            const Weight *weight, const float *unit, const float *bias,
                                                            Current *currents) {
    const int16_t *from = part->rows + (at.image * part->height + (at.y - part->first) * s->stride[0]) * part->row +
                          at.x * s->stride[1] * TILE;
    Currents units[VECTORS], biases[VECTORS];
    UNROLLED for (int m = 0; m < VECTORS; m++) {
        units[m] = IN_CURRENTS(read_float(unit + m * LANES, LANES));
        biases[m] = IN_CURRENTS(read_float(bias + m * LANES, LANES));
    }
    for (int p = 0; p < n; p++)
        currents_from(s, part, from + p * s->stride[1] * TILE, weight, units, biases, currents + p * PIXEL_STEP);
    return currents;
}

/* Lay out the digits of n channels of a row of pixels, of steps `plane` apart. */
INLINE void lay(const Shape *s, const INPUT *x, int64_t plane, int n, int16_t *to, int64_t digit) {
    for (int64_t j = 0; j < s->width; j++, x += s->channels, to += TILE) {
        Shorts first = {0};
        UNROLLED for (int t = 0; t < CODE.steps; t++) {
            __m256i spikes = {0};
            memcpy(&spikes, x + t * plane, n);
            const Shorts now = (Shorts)_mm512_cvtepi8_epi16(spikes);
            if (t <= CODE.silent) first = first * (int16_t)CODE.beta + now;
            const int at = t <= CODE.silent ? 0 : t - CODE.silent;
            if (t >= CODE.silent) memcpy(to + at * digit, t == CODE.silent ? &first : &now, sizeof now);
        }
    }
}

/* Lay out the rows that a band reads; x is where its first image begins. */
INLINE Part part_of(const Shape *s, const INPUT *x, Band band, Row *unused, int32_t *scratch) {
    const int64_t pad = s->padding[1] * TILE, digit = (s->width + s->padding[1] + s->margin) * TILE;
    const int64_t from = band.first * s->stride[0] - s->padding[0], plane = s->batch * s->height * s->width * s->channels;
    const int64_t height = (band.last - 1 - band.first) * s->stride[0] + (s->kernel[0] - 1) * s->dilation[0] + 1;
    const int64_t left = s->channels - band.channel;
    for (int64_t r = 0; r < band.images * height; r++) {
        const int64_t y = from + r % height;
        int16_t *to = (int16_t *)scratch + r * DIGITS * digit;
        const int there = y >= 0 && y < s->height;
        for (int t = 0; t < DIGITS; t++) {
            memset(to + t * digit, 0, (there ? pad : digit) * sizeof *to);
            memset(to + (t + 1) * digit - s->margin * TILE, 0, s->margin * TILE * sizeof *to);
        }
        if (!there) continue;
        const INPUT *row = x + (r / height * s->height + y) * s->width * s->channels + band.channel;
        if (left >= TILE) lay(s, row, plane, TILE, to + pad, digit);
        else lay(s, row, plane, (int)left, to + pad, digit);
    }
    return (Part){(const int16_t *)scratch, band.first, height, DIGITS * digit, digit};
}
