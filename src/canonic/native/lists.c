/* The currents of a convolution by lists of events, after shape.c and events.c: what does not fire costs nothing.

   For TILE output channels at a time: weights [tile, row and column of the kernel, group, TILE, GROUP], 0 beyond the last
   channel, in float32 or bfloat16; in int8 as uint8 with 128 added, as those products want them:

       sum (W + 128) s = sum W s + 128 sum s */
#define APART 0
#if KIND == 2
typedef Ints Sums;
#else
typedef Floats Sums;
#endif
typedef Sums Weight;

/* Sums as registers hold them: where these are narrower, GCC would keep whole sums in memory, between all products. */
#if defined(__AVX512F__)
#define REGISTERS 1
typedef Sums Register;
#else
#ifdef __AVX__
#define REGISTERS 2
#else
#define REGISTERS 4
#endif
typedef float Register __attribute__((vector_size(4 * LANES / REGISTERS)));
#endif

INLINE Register product(Register sums, Register weight, int32_t digits) {
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

/* Sums of products as currents: those of int8 are multiplied by the units of their weights, powers of two. */
INLINE Currents in_units(Sums sums, const float *unit) {
#if KIND == 2 && INTEGER
    return sums * whole(read_float(unit, LANES));
#elif KIND == 2
    return __builtin_convertvector(sums, Floats) * read_float(unit, LANES);
#else
    return IN_CURRENTS(sums);
#endif
}

INLINE int64_t weights_of(const Shape *s) { return VECTORS * s->kernel[0] * s->kernel[1] * (s->channels / GROUP); }

INLINE void begin_work(const Shape *s) {}
INLINE void end_work(void) {}

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

/* The currents of one output pixel. */
static __attribute__((noinline)) void currents_from(const Shape *s, const Part *part, Corner from, const Weight *weight,
                                                    const float *unit, const float *bias, Current *currents) {
    const int64_t groups = s->channels / GROUP, run = s->dilation[1] == 1 ? s->kernel[1] : 1;
    Sums sums[DIGITS][VECTORS];
    begin(s, part, from, sums);
#if REGISTERS > 1
    Register held[DIGITS][VECTORS * REGISTERS];
    memcpy(held, sums, sizeof held);
#else
    Register(*const held)[VECTORS] = sums;
#endif
    for (int64_t a = 0; a < s->kernel[0]; a++) {
        const Row *row = row_at(s, part, from, a);
        for (int64_t b = 0; row && b < s->kernel[1]; b += run) {
            const int64_t x = from.x + b * s->dilation[1], end = x + run < s->width ? x + run : s->width;
            if (end <= 0 || x >= s->width) continue;
            const Sums *tap = weight + (a * s->kernel[1] + b - x) * groups * VECTORS;
            const int32_t *entry = row->entries + row->starts[x < 0 ? 0 : x] * ENTRY;
            for (const int32_t *last = row->entries + row->starts[end] * ENTRY; entry < last; entry += ENTRY) {
                const Register *w = (const Register *)(tap + (int64_t)entry[ENTRY - 1] * VECTORS);
                UNROLLED for (int t = 0; t < DIGITS; t++)
                    UNROLLED for (int r = 0; r < VECTORS * REGISTERS; r++)
                        held[t][r] = product(held[t][r], w[r], entry[t]);
            }
        }
    }
#if REGISTERS > 1
    memcpy(sums, held, sizeof held);
#endif
    UNROLLED for (int m = 0; m < VECTORS; m++)
        UNROLLED for (int t = 0; t < DIGITS; t++) {
            Currents current = in_units(sums[t][m], unit + m * LANES);
            if (t == 0) current += IN_CURRENTS(read_float(bias + m * LANES, LANES));
            memcpy(currents + m * VECTOR_STEP + t * DIGIT_STEP, &current, sizeof current);
        }
}

/* The currents of n <= BLOCK neighbours. */
INLINE const Current *currents_of(const Shape *s, const Part *part, Pixel at, int n, const Weight *weight,
                                  const float *unit, const float *bias, Current *currents) {
    const int64_t y = at.y * s->stride[0] - s->padding[0];
    for (int p = 0; p < n; p++) {
        const Corner from = {at.image, y, (at.x + p) * s->stride[1] - s->padding[1]};
        currents_from(s, part, from, weight, unit, bias, currents + p * PIXEL_STEP);
    }
    return currents;
}

/* List the events of the rows that a band reads; x is where its first image begins. */
INLINE Part part_of(const Shape *s, const INPUT *x, Band band, Row *rows, int32_t *scratch) {
    const int64_t groups = s->channels / GROUP, room = s->width * (groups * ENTRY + ENTRY + 1) + 1;
    const int64_t from = band.first * s->stride[0] - s->padding[0], reach = (s->kernel[0] - 1) * s->dilation[0];
    const int64_t to = (band.last - 1) * s->stride[0] - s->padding[0] + reach + 1;
    const int64_t top = from < 0 ? 0 : from, bottom = to < s->height ? to : s->height;
    const Part part = {rows, top, bottom > top ? bottom - top : 0};
    for (int64_t r = 0; r < band.images * part.height; r++) {
        const int64_t y = r / part.height * s->height + top + r % part.height;
        int32_t *entries = scratch + r * room, *sums = entries + s->width * groups * ENTRY;
        rows[r] = (Row){entries, sums + s->width * ENTRY, sums, (int32_t)groups, 0};
        find_events(rows + r, x + y * s->width * s->channels, s->batch * s->height * s->width * s->channels, s->width);
    }
    return part;
}
