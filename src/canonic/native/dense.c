/* The currents of a convolution by products of all digits, after shape.c: for digits that fire often, and for processors
   that multiply whole tiles (AMX).

   Digits are laid out with the padding around them, [row, digit, pixel, channel], of 8 bits with 128 added, or if HALF of
   bfloat16. What one row of the kernel reads then lies in one piece where its taps are neighbours: a run. Products take 32
   bits of a run at a time. For LANES output channels: weights [1 + runs x room, LANES, 32 bits], where room is a multiple of
   16 and 0 beyond a run; ahead of them the LANES numbers of 32 bits that sums begin with:

       sum W s = -128 sum W + sum W (s + 128)

   convolution.py gives TILES: whether to multiply in tiles, of BLOCK neighbours by 64 bytes of a run by LANES channels. */
#define HALF (KIND == 4)
#define QUAD (4 * LANES)

#if HALF
typedef uint16_t Number;
typedef float Digit;
typedef Floats Sums;
#define EMPTY 0
INLINE Digit read_digit(INPUT x) {
    const uint32_t bits = (uint32_t)(uint16_t)x << 16;
    float digit;
    memcpy(&digit, &bits, sizeof digit);
    return sizeof x == 1 ? (float)x : digit;
}
INLINE Number laid(Digit digit) {
    uint32_t bits;
    memcpy(&bits, &digit, sizeof bits);
    return bits >> 16;
}
#else
typedef uint8_t Number;
typedef int Digit;
typedef Ints Sums;
#define EMPTY 128
INLINE Digit read_digit(INPUT x) { return x; }
INLINE Number laid(Digit digit) { return digit + EMPTY; }
#endif
#define APART 0
typedef int8_t Weight;
typedef struct { int32_t unused; } Row; /* lists have some */

/* The part of the input that a thread works on: its rows of each image, from those of the output row `first` on, and how
   many bytes rows and digits lie apart. */
typedef struct { const uint8_t *rows; int64_t first, height, row, digit; } Part;

INLINE int64_t pixel_of(const Shape *s) { return s->channels * sizeof(Number); }
INLINE int64_t quads_of(const Shape *s) { return (s->dilation[1] == 1 ? s->kernel[1] : 1) * pixel_of(s) / 4; }
INLINE int64_t runs_of(const Shape *s) { return s->kernel[0] * (s->dilation[1] == 1 ? 1 : s->kernel[1]); }
INLINE int64_t weights_each(const Shape *s) { return (1 + runs_of(s) * ((quads_of(s) + 15) / 16 * 16)) * QUAD; }
INLINE int64_t weights_of(const Shape *s) { return VECTORS * weights_each(s); }

INLINE const uint8_t *run_at(const Shape *s, const Part *part, const uint8_t *from, int64_t run) {
    const int64_t each = s->dilation[1] == 1 ? 1 : s->kernel[1];
    return from + run / each * s->dilation[0] * part->row + run % each * s->dilation[1] * pixel_of(s);
}

#if TILES
#define SUMS ((DIGITS + 5) / 6) /* times that the weights are read: six tiles hold sums, one digits, one weights */
#define AT_ONCE ((DIGITS + SUMS - 1) / SUMS)
#if HALF
#define MULTIPLY_TILES _tile_dpbf16ps
#else
#define MULTIPLY_TILES _tile_dpbusd
#endif
#define EACH_TILE(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5)

INLINE void begin_work(const Shape *s) {
    struct { uint8_t palette, start, reserved[14]; uint16_t bytes[16]; uint8_t rows[16]; } tiles = {1};
    const int pixels = s->out_width < BLOCK ? s->out_width : BLOCK;
    for (int i = 0; i < 8; i++) tiles.bytes[i] = 64, tiles.rows[i] = i < 7 ? pixels : 16;
    _tile_loadconfig(&tiles);
}
INLINE void end_work(void) { _tile_release(); }

/* The currents of the last n of `full` neighbours that read from `from` on, [digit, pixel, lane]. */
static __attribute__((noinline)) void currents_from(const Shape *s, const Part *part, const uint8_t *from, int full, int n,
                                                    const Weight *weight, Currents unit, Currents bias, Current *currents) {
    const int64_t apart = s->stride[1] * pixel_of(s), runs = runs_of(s), quads = quads_of(s);
    int32_t sums[DIGITS * DIGIT_STEP] __attribute__((aligned(64)));
    for (int t = 0; t < DIGITS; t += AT_ONCE) {
        const int digits = DIGITS - t < AT_ONCE ? DIGITS - t : AT_ONCE;
        const Weight *w = weight + QUAD;
#define BEGIN(j) if (j < digits) _tile_loadd(j, weight, 0);
        EACH_TILE(BEGIN)
        for (int64_t run = 0; run < runs; run++) {
            const uint8_t *x = run_at(s, part, from, run) + t * part->digit;
            for (int64_t q = 0; q < quads; q += 16, w += 16 * QUAD) {
                _tile_loadd(7, w, QUAD);
#define MULTIPLY(j) if (j < digits) { _tile_loadd(6, x + j * part->digit + 4 * q, apart); MULTIPLY_TILES(j, 6, 7); }
                EACH_TILE(MULTIPLY)
            }
        }
#define STORE(j) if (j < digits) _tile_stored(j, sums + (t + j) * DIGIT_STEP, 4 * LANES);
        EACH_TILE(STORE)
    }
    for (int t = 0; t < DIGITS; t++)
        for (int p = full - n; p < full; p++) {
            Sums sum;
            memcpy(&sum, sums + t * DIGIT_STEP + p * PIXEL_STEP, sizeof sum);
            const Currents current = AS_CURRENT(sum, unit, bias, t);
            memcpy(currents + t * DIGIT_STEP + p * PIXEL_STEP, &current, sizeof current);
        }
}
#else
#define ABREAST (2 * DIGITS > 16 ? 1 : 4 * DIGITS > 16 ? 2 : 4) /* pixels: each has a register of sums for each digit */

INLINE void begin_work(const Shape *s) {}
INLINE void end_work(void) {}

INLINE void currents_abreast(const Shape *s, const Part *part, const uint8_t *from, int pixels, const Weight *weight,
                             Currents unit, Currents bias, Current *currents) {
    const int64_t apart = s->stride[1] * pixel_of(s), runs = runs_of(s), quads = quads_of(s);
    __m512i sum[ABREAST][DIGITS];
    UNROLLED for (int p = 0; p < pixels; p++)
        UNROLLED for (int t = 0; t < DIGITS; t++) sum[p][t] = _mm512_loadu_si512(weight);
    const Weight *w = weight + QUAD;
    for (int64_t run = 0; run < runs; run++, w += (quads + 15) / 16 * 16 * QUAD) {
        const uint8_t *x = run_at(s, part, from, run);
        for (int64_t q = 0; q < quads; q++) {
            const __m512i four = _mm512_loadu_si512(w + q * QUAD);
            UNROLLED for (int p = 0; p < pixels; p++)
                UNROLLED for (int t = 0; t < DIGITS; t++) {
                    int32_t digits;
                    memcpy(&digits, x + p * apart + t * part->digit + 4 * q, sizeof digits);
                    sum[p][t] = _mm512_dpbusd_epi32(sum[p][t], _mm512_set1_epi32(digits), four);
                }
        }
    }
    UNROLLED for (int p = 0; p < pixels; p++)
        UNROLLED for (int t = 0; t < DIGITS; t++) {
            const Currents current = AS_CURRENT((Sums)sum[p][t], unit, bias, t);
            memcpy(currents + t * DIGIT_STEP + p * PIXEL_STEP, &current, sizeof current);
        }
}

/* The currents of n neighbours that read from `from` on, [digit, pixel, lane]. */
static __attribute__((noinline)) void currents_from(const Shape *s, const Part *part, const uint8_t *from, int full, int n,
                                                    const Weight *weight, Currents unit, Currents bias, Current *currents) {
    const int64_t apart = s->stride[1] * pixel_of(s);
    int p = 0;
    for (; p + ABREAST <= n; p += ABREAST)
        currents_abreast(s, part, from + p * apart, ABREAST, weight, unit, bias, currents + p * PIXEL_STEP);
    for (; p < n; p++) currents_abreast(s, part, from + p * apart, 1, weight, unit, bias, currents + p * PIXEL_STEP);
}
#endif

/* The currents of n <= BLOCK neighbours. Tiles are always of as many: the last begins with neighbours of the one before. */
INLINE const Current *currents_of(const Shape *s, const Part *part, Pixel at, int n, const Weight *weight,
                                  const float *unit, const float *bias, Current *currents) {
    const int full = !TILES ? n : s->out_width < BLOCK ? (int)s->out_width : BLOCK;
    const uint8_t *from = part->rows + (at.image * part->height + (at.y - part->first) * s->stride[0]) * part->row +
                          (at.x + n - full) * s->stride[1] * pixel_of(s);
    for (int m = 0; m < VECTORS; m++) {
        const Currents units = IN_CURRENTS(read_float(unit + m * LANES, LANES));
        const Currents biases = IN_CURRENTS(read_float(bias + m * LANES, LANES));
        currents_from(s, part, from, full, n, weight + m * weights_each(s), units, biases, currents + m * VECTOR_STEP);
    }
    return currents + (full - n) * PIXEL_STEP;
}

/* Lay out the digits of a row of n numbers, of steps `plane` apart. */
INLINE void lay(const INPUT *restrict x, int64_t plane, int64_t n, Number *restrict to, int64_t digit) {
    for (int64_t j = 0; j < n; j++) {
        Digit first = 0;
        UNROLLED for (int t = 0; t <= CODE.silent; t++)
            first = first * (Digit)CODE.beta + read_digit(x[t * plane + j]);
        to[j] = laid(first);
    }
    for (int t = 1; t < DIGITS; t++)
        for (int64_t j = 0; j < n; j++) to[t * digit + j] = laid(read_digit(x[(t + CODE.silent) * plane + j]));
}

/* Lay out the rows that a band reads; x is where its first image begins. */
INLINE Part part_of(const Shape *s, const INPUT *x, Band band, Row *unused, int32_t *scratch) {
    const int64_t n = s->width * s->channels, pad = s->padding[1] * s->channels, digit = n + pad + s->margin * s->channels;
    const int64_t from = band.first * s->stride[0] - s->padding[0];
    const int64_t height = (band.last - 1 - band.first) * s->stride[0] + (s->kernel[0] - 1) * s->dilation[0] + 1;
    for (int64_t r = 0; r < band.images * height; r++) {
        const int64_t y = from + r % height;
        Number *to = (Number *)scratch + r * DIGITS * digit;
        memset(to, EMPTY, DIGITS * digit * sizeof *to);
        if (y >= 0 && y < s->height)
            lay(x + (r / height * s->height + y) * n, s->batch * s->height * n, n, to + pad, digit);
    }
    memset((Number *)scratch + band.images * height * DIGITS * digit, 0, 64); /* tiles end there: 0 x NaN is no 0 */
    __asm__ volatile("" ::: "memory"); /* tiles are read behind the compiler's back */
    const int64_t each = digit * sizeof(Number);
    return (Part){(const uint8_t *)scratch, band.first, height, DIGITS * each, each};
}
