/* Vectors of LANES numbers, as GCC and Clang know them: one register, or several where registers are narrower. What their
   operators do badly with AVX-512, masks above all, is written for it, and with AVX2, whose comparisons and conversions of
   two registers GCC takes apart lane by lane; everything else is left to the compiler. */
#ifdef __AVX2__
#include <immintrin.h>
#endif
#include <math.h>
#include <stdint.h>
#include <string.h>

#define LANES 16
#define INLINE static inline __attribute__((always_inline))
#define UNROLLED _Pragma("GCC unroll 64")
#define PASTE(a, b) a##b
#define READ(type) PASTE(read_, type)
#define WHOLE_OF(type) PASTE(whole_, type)
#define WRITE(type) PASTE(write_, type)
#define PUT(type) PASTE(put_, type)

typedef float Floats __attribute__((vector_size(4 * LANES)));
typedef int32_t Ints __attribute__((vector_size(4 * LANES)));
typedef int8_t Bytes __attribute__((vector_size(LANES)));
typedef uint16_t Halves __attribute__((vector_size(2 * LANES)));

#ifdef __AVX512BW__
typedef __mmask16 Mask;
typedef int64_t Count;
INLINE Mask first_lanes(int n) { return (Mask)((1u << n) - 1); }
INLINE Mask at_least(Floats x, Floats y) { return _mm512_cmp_ps_mask((__m512)x, (__m512)y, _CMP_GE_OQ); }
INLINE Mask above(Floats x, Floats y) { return _mm512_cmp_ps_mask((__m512)x, (__m512)y, _CMP_GT_OQ); }
INLINE Floats either(Mask where, Floats x, Floats y) {
    return (Floats)_mm512_mask_blend_ps(where, (__m512)y, (__m512)x);
}
INLINE Floats less(Mask where, Floats x, Floats y) {
    return (Floats)_mm512_mask_sub_ps((__m512)x, where, (__m512)x, (__m512)y);
}
INLINE Ints one_more(Mask where, Ints x) {
    return (Ints)_mm512_mask_add_epi32((__m512i)x, where, (__m512i)x, _mm512_set1_epi32(1));
}
INLINE Floats between(Floats x, Floats limit) {
    return (Floats)_mm512_max_ps(_mm512_min_ps((__m512)x, (__m512)limit), -(__m512)limit);
}
INLINE Floats larger(Floats x, Floats y) { return (Floats)_mm512_max_ps((__m512)x, (__m512)y); }
INLINE Floats smaller(Floats x, Floats y) { return (Floats)_mm512_min_ps((__m512)x, (__m512)y); }
INLINE Floats floors(Floats x) { return (Floats)_mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_NEG_INF); }
INLINE Floats rounded(Floats x) { return (Floats)_mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_NEAREST_INT); }
INLINE Mask whole_at_least(Ints x, Ints y) { return _mm512_cmpge_epi32_mask((__m512i)x, (__m512i)y); }
INLINE Mask whole_above(Ints x, Ints y) { return _mm512_cmpgt_epi32_mask((__m512i)x, (__m512i)y); }
INLINE Ints whole_less(Mask where, Ints x, Ints y) {
    return (Ints)_mm512_mask_sub_epi32((__m512i)x, where, (__m512i)x, (__m512i)y);
}
INLINE Ints whole_between(Ints x, Ints limit) {
    return (Ints)_mm512_max_epi32(_mm512_min_epi32((__m512i)x, (__m512i)limit), -(__m512i)limit);
}
INLINE void count(Count *counted, Mask where) { *counted += __builtin_popcount(where); }
INLINE int64_t total(const Count *counted) { return *counted; }
INLINE Ints wide_bytes(Bytes x) { return (Ints)_mm512_cvtepi8_epi32((__m128i)x); }
INLINE Ints wide_halves(Halves x) { return (Ints)_mm512_cvtepu16_epi32((__m256i)x); }
INLINE Bytes bytes(Ints x) { return (Bytes)_mm512_cvtepi32_epi8((__m512i)x); }
INLINE Bytes signs(Mask up, Mask down) {
    return (Bytes)_mm_mask_set1_epi8(_mm_maskz_set1_epi8(up, 1), down, -1);
}
#else
typedef Ints Mask; /* -1 where it holds */
typedef Ints Count; /* for each lane */
INLINE Mask first_lanes(int n) {
    Mask lanes = {0};
    for (int l = 0; l < n; l++) lanes[l] = -1;
    return lanes;
}
#ifdef __AVX2__
/* Two registers of eight lanes. */
INLINE __m256i low(Ints x) { return (__m256i)__builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7); }
INLINE __m256i high(Ints x) { return (__m256i)__builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15); }
INLINE Ints both(__m256i x, __m256i y) {
    const __m256i halves[2] = {x, y};
    Ints z;
    memcpy(&z, halves, sizeof z);
    return z;
}
#define LOW_FLOATS(x) (__m256)low((Ints)(x))
#define HIGH_FLOATS(x) (__m256)high((Ints)(x))
#define COMPARED(x, y, how) \
    both((__m256i)_mm256_cmp_ps(LOW_FLOATS(x), LOW_FLOATS(y), how), \
         (__m256i)_mm256_cmp_ps(HIGH_FLOATS(x), HIGH_FLOATS(y), how))
#define TO_WHOLE(x, way) \
    (Floats)both((__m256i)_mm256_round_ps(LOW_FLOATS(x), way), (__m256i)_mm256_round_ps(HIGH_FLOATS(x), way))
INLINE Mask at_least(Floats x, Floats y) { return COMPARED(x, y, _CMP_GE_OQ); }
INLINE Mask above(Floats x, Floats y) { return COMPARED(x, y, _CMP_GT_OQ); }
INLINE Floats floors(Floats x) { return TO_WHOLE(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
INLINE Floats rounded(Floats x) { return TO_WHOLE(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
INLINE Mask whole_above(Ints x, Ints y) {
    return both(_mm256_cmpgt_epi32(low(x), low(y)), _mm256_cmpgt_epi32(high(x), high(y)));
}
INLINE Mask whole_at_least(Ints x, Ints y) { return ~whole_above(y, x); }
INLINE Ints wide_bytes(Bytes x) {
    return both(_mm256_cvtepi8_epi32((__m128i)x), _mm256_cvtepi8_epi32(_mm_srli_si128((__m128i)x, 8)));
}
INLINE Ints wide_halves(Halves x) {
    const __m256i all = (__m256i)x;
    return both(_mm256_cvtepu16_epi32(_mm256_castsi256_si128(all)),
                _mm256_cvtepu16_epi32(_mm256_extracti128_si256(all, 1)));
}
INLINE Bytes bytes(Ints x) { /* of numbers that they hold */
    const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(low(x), high(x)), 0xD8);
    return (Bytes)_mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}
#else
INLINE Mask at_least(Floats x, Floats y) { return x >= y; }
INLINE Mask above(Floats x, Floats y) { return x > y; }
INLINE Floats floors(Floats x) {
    for (int l = 0; l < LANES; l++) x[l] = floorf(x[l]);
    return x;
}
INLINE Floats rounded(Floats x) {
    for (int l = 0; l < LANES; l++) x[l] = rintf(x[l]);
    return x;
}
INLINE Mask whole_at_least(Ints x, Ints y) { return x >= y; }
INLINE Mask whole_above(Ints x, Ints y) { return x > y; }
INLINE Ints wide_bytes(Bytes x) { return __builtin_convertvector(x, Ints); }
INLINE Ints wide_halves(Halves x) { return __builtin_convertvector(x, Ints); }
INLINE Bytes bytes(Ints x) { return __builtin_convertvector(x, Bytes); }
#endif
INLINE Floats either(Mask where, Floats x, Floats y) { return (Floats)((where & (Ints)x) | (~where & (Ints)y)); }
INLINE Floats less(Mask where, Floats x, Floats y) { return x - (Floats)(where & (Ints)y); }
INLINE Ints one_more(Mask where, Ints x) { return x - where; }
INLINE Floats between(Floats x, Floats limit) {
    return either(above(x, limit), limit, either(above(-limit, x), -limit, x));
}
INLINE Floats larger(Floats x, Floats y) { return either(above(x, y), x, y); }
INLINE Floats smaller(Floats x, Floats y) { return either(above(y, x), x, y); }
INLINE Ints whole_less(Mask where, Ints x, Ints y) { return x - (where & y); }
INLINE Ints whole_between(Ints x, Ints limit) {
    const Mask over = whole_above(x, limit), under = whole_above(-limit, x);
    return (over & limit) | (under & -limit) | (~(over | under) & x);
}
INLINE void count(Count *counted, Mask where) { *counted -= where; }
INLINE int64_t total(const Count *counted) {
    int64_t sum = 0;
    for (int l = 0; l < LANES; l++) sum += (*counted)[l];
    return sum;
}
INLINE Bytes signs(Mask up, Mask down) { return bytes(down - up); }
#endif

INLINE Ints whole(Floats x) { return __builtin_convertvector(x, Ints); }
INLINE Floats size_of(Floats x) { return (Floats)((Ints)x & 0x7FFFFFFF); }

/* The first n numbers at p, 0 beyond them. */
INLINE Floats read_float(const float *p, int n) {
    Floats x = {0};
    memcpy(&x, p, n * sizeof *p);
    return x;
}
INLINE Floats read_int8_t(const int8_t *p, int n) {
    Bytes x = {0};
    memcpy(&x, p, n * sizeof *p);
    return __builtin_convertvector(wide_bytes(x), Floats);
}
INLINE Floats read_uint16_t(const uint16_t *p, int n) {
    Halves x = {0};
    memcpy(&x, p, n * sizeof *p);
    return (Floats)(wide_halves(x) << 16);
}

/* The first n numbers of a stream of whole ones. */
INLINE Ints whole_int32_t(const int32_t *p, int n) {
    Ints x = {0};
    memcpy(&x, p, n * sizeof *p);
    return x;
}
INLINE Ints whole_float(const float *p, int n) { return whole(read_float(p, n)); }
INLINE Ints whole_uint16_t(const uint16_t *p, int n) { return whole(read_uint16_t(p, n)); }
INLINE Ints whole_int8_t(const int8_t *p, int n) {
    Bytes x = {0};
    memcpy(&x, p, n * sizeof *p);
    return wide_bytes(x);
}

/* The first n of +1 where up, -1 where down, 0 elsewhere. */
INLINE void write_int8_t(int8_t *p, Mask up, Mask down, int n) {
    const Bytes x = signs(up, down);
    memcpy(p, &x, n * sizeof *p);
}
INLINE void write_float(float *p, Mask up, Mask down, int n) {
    const Floats one = (Floats){0} + 1.0f, x = either(up, one, either(down, -one, (Floats){0}));
    memcpy(p, &x, n * sizeof *p);
}
INLINE void write_uint16_t(uint16_t *p, Mask up, Mask down, int n) {
    const Floats one = (Floats){0} + 1.0f, x = either(up, one, either(down, -one, (Floats){0}));
    const Halves half = __builtin_convertvector((Ints)x >> 16, Halves);
    memcpy(p, &half, n * sizeof *p);
}

/* The first n numbers of x, which the type holds. */
INLINE void put_float(float *p, Floats x, int n) { memcpy(p, &x, n * sizeof *p); }
INLINE void put_int8_t(int8_t *p, Floats x, int n) {
    const Bytes small = bytes(__builtin_convertvector(x, Ints));
    memcpy(p, &small, n * sizeof *p);
}
INLINE void put_uint16_t(uint16_t *p, Floats x, int n) {
    const Halves half = __builtin_convertvector((Ints)x >> 16, Halves);
    memcpy(p, &half, n * sizeof *p);
}
