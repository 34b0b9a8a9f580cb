/* The events of an image: for each pixel the groups of channels of which any fires at any step, after shape.c.

   A group is as many channels as one product takes in: 1 in float32, 2 in bfloat16, 4 in int8. Its digits, 32 bits each,
   are what the products read. convolution.py gives the macro KIND (0, 1, 2 for the types above). */
#define ENTRY ((DIGITS + 8) / 8 * 8)
#define GROUP (1 << KIND)


/* LANES groups of one step; and beta times those before, added to these. */
#if KIND == 0
INLINE Ints read_groups(const INPUT *x, int n) { return (Ints)READ(INPUT)(x, n); }
INLINE Ints amplified(Ints before, Ints now) { return (Ints)(CODE.beta * (Floats)before + (Floats)now); }
#else
typedef int8_t Quads __attribute__((vector_size(4 * LANES)));
INLINE Ints read_groups(const INPUT *x, int n) {
    INPUT spikes[GROUP * LANES] = {0};
    memcpy(spikes, x, n * GROUP * sizeof *x);
    Ints groups;
#if KIND == 1
    if (sizeof *x == 1) { /* whole numbers that bfloat16 holds */
        const __m128i *halves = (const __m128i *)spikes;
        const __m512 low = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(halves)));
        const __m512 high = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(halves + 1)));
        return (Ints)_mm512_cvtne2ps_pbh(high, low);
    }
#endif
    memcpy(&groups, spikes, sizeof groups);
    return groups;
}
#if KIND == 1
INLINE Ints amplified(Ints before, Ints now) {
    const Floats low = CODE.beta * (Floats)(before << 16) + (Floats)(now << 16);
    const Floats high = CODE.beta * (Floats)(before & ~0xFFFF) + (Floats)(now & ~0xFFFF);
    return ((Ints)low >> 16 & 0xFFFF) | ((Ints)high & ~0xFFFF);
}
#else
INLINE Ints amplified(Ints before, Ints now) {
    const Quads twice = (Quads)before + (Quads)before; /* no product of bytes where it can be helped */
    return (Ints)((CODE.beta == 2 ? twice : (Quads)before * (int8_t)CODE.beta) + (Quads)now);
}
#endif
#endif

#ifdef __clang__
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (Ints){__VA_ARGS__})
#endif
#define LOW(a, b) SHUFFLE(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29)
#define HIGH(a, b) SHUFFLE(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31)
#define LOW_PAIRS(a, b) SHUFFLE(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)
#define HIGH_PAIRS(a, b) SHUFFLE(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31)
#define QUARTERS(a, b, q) \
    SHUFFLE(a, b, q, q + 1, q + 2, q + 3, q + 16, q + 17, q + 18, q + 19, 0, 0, 0, 0, 0, 0, 0, 0)

/* The first half of entries[l] = (digits[0][l], ..., digits[7][l]) */
INLINE void transpose(const Ints *digits, Ints *entries) {
    Ints quads[2][4];
    UNROLLED for (int h = 0; h < 2; h++) {
        const Ints *d = digits + 4 * h, a = LOW(d[0], d[1]), b = LOW(d[2], d[3]);
        const Ints e = HIGH(d[0], d[1]), f = HIGH(d[2], d[3]);
        quads[h][0] = LOW_PAIRS(a, b), quads[h][1] = HIGH_PAIRS(a, b);
        quads[h][2] = LOW_PAIRS(e, f), quads[h][3] = HIGH_PAIRS(e, f);
    }
    UNROLLED for (int r = 0; r < 4; r++) {
        entries[r] = QUARTERS(quads[0][r], quads[1][r], 0);
        entries[4 + r] = QUARTERS(quads[0][r], quads[1][r], 4);
        entries[8 + r] = QUARTERS(quads[0][r], quads[1][r], 8);
        entries[12 + r] = QUARTERS(quads[0][r], quads[1][r], 12);
    }
}

/* The entries of one row of pixels. Groups of a row are counted through, g of pixel p as p groups + g. */
typedef struct {
    int32_t *entries;  /* one after another: digits, and the group at the end */
    int32_t *starts;   /* where each pixel's begin, and the last one's end */
    int32_t *sums;     /* 128 times the sum of the digits of each pixel, in int8 */
    int32_t groups, count;
} Row;

/* Add the entries of n <= LANES groups from `at` on; x is where the row begins, in a stream of steps `plane` apart. */
INLINE void add_entries(Row *row, const INPUT *x, int64_t plane, int32_t at, int n) {
    const Ints order = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    Ints digits[ENTRY] = {0}, any = {0}, first = {0};
    Ints entries[ENTRY / 8][LANES];
    UNROLLED for (int t = 0; t < CODE.steps; t++) {
        const Ints spikes = read_groups(x + t * plane + GROUP * (int64_t)at, n);
        any |= spikes;
        if (t <= CODE.silent) first = amplified(first, spikes);
        else digits[t - CODE.silent] = spikes;
    }
    digits[0] = first, digits[ENTRY - 1] = order + at;
    for (int b = 0; b < ENTRY / 8; b++) transpose(digits + 8 * b, entries[b]);
    for (int l = 0; l < n; l++) {
        const int32_t pixel = (at + l) / row->groups;
        const int begins = (at + l) % row->groups == 0;
        if (begins) row->starts[pixel] = row->count;
        for (int b = 0; b < ENTRY / 8; b++) {
            memcpy(row->entries + row->count * ENTRY + 8 * b, &entries[b][l], 8 * sizeof *row->entries);
#if KIND == 2
            int32_t *sum = row->sums + pixel * ENTRY + 8 * b;
            const __m256i before = begins ? _mm256_setzero_si256() : _mm256_loadu_si256((const __m256i *)sum);
            const __m256i now = _mm256_dpbusd_epi32(before, _mm256_set1_epi8(-128),
                                                   _mm512_castsi512_si256((__m512i)entries[b][l]));
            _mm256_storeu_si256((__m256i *)sum, now);
#endif
        }
        row->count += any[l] != 0;
    }
}

INLINE void find_events(Row *row, const INPUT *x, int64_t plane, int64_t pixels) {
    const int32_t size = pixels * row->groups, whole = size / LANES * LANES;
    for (int32_t at = 0; at < whole; at += LANES) add_entries(row, x, plane, at, LANES);
    if (whole < size) add_entries(row, x, plane, whole, size - whole);
    row->starts[pixels] = row->count;
}
