/* What a convolution is, what a thread works on at a time, and how its currents lie. convolution.py gives the macros CODE,
   INPUT (the type of the spikes that are read), VECTORS (the vectors of a tile of output channels), NARROW (whether one is
   all channels), BLOCK (how many neighbours are computed at once), and DIGITS = T - k. Nothing fires before step k + 1, so that the first k + 1 digits only count together:

       u[k+1] = beta^(k+1) v[0] + W (sum_{m <= k+1} beta^(k+1-m) s[m])

   No sum of the first digits is beyond what its type holds. */
#define TILE (VECTORS * LANES)
#define PIXEL_STEP LANES
#define DIGIT_STEP (BLOCK * PIXEL_STEP)
#define VECTOR_STEP (DIGITS * DIGIT_STEP)

typedef struct {
    int64_t batch, height, width, channels, out_height, out_width, out_channels;
    int64_t kernel[2], stride[2], padding[2], dilation[2];
    int64_t margin;       /* columns of padding that are read behind a row */
    int64_t images, band; /* a thread works on so many images at a time, and rows of each */
} Shape;

/* The rows of outputs that a thread works on, of some images, and the first of the input channels where a tile reads its
   own; and the first of a few neighbours among them. */
typedef struct { int64_t images, first, last, channel; } Band;
typedef struct { int64_t image, y, x; } Pixel;

/* The sum of digit t as a current: times the unit of its weights, and with the bias where that is the first. */
#define AS_CURRENT(sum, unit, bias, t) \
    (__builtin_convertvector(sum, Currents) * (unit) + ((t) ? (Currents){0} : (bias)))
