/* Max pooling of a stream, all steps of a window in one pass, after vectors.c. With the prefixes of its pixels in units of
   the last digit, P[m] = sum_{i <= m} beta^(m - i) s[i], the digits of the maximum are (apply.telescope)

       D[m] = max P[m] - beta max P[m-1]

   each between the digits of the two pixels whose prefixes are the largest. pooling.py gives the macros STEPS, BETA,
   WINDOW (pixels of a window) and STREAM, the type of the digits. */
typedef struct {
    int64_t batch, height, width, channels, out_height, out_width;
    int64_t kernel[2], stride[2], padding[2], dilation[2];
} Shape;

/* Where the pixels of a window lie; one that is inside stands for those that are not, which leaves the maximum. */
INLINE void find_pixels(const Shape *s, int64_t image, int64_t y, int64_t x, int64_t *pixels) {
    int64_t inside = -1;
    for (int w = 0; w < WINDOW; w++) {
        const int64_t row = y * s->stride[0] - s->padding[0] + w / s->kernel[1] * s->dilation[0];
        const int64_t column = x * s->stride[1] - s->padding[1] + w % s->kernel[1] * s->dilation[1];
        const int there = row >= 0 && row < s->height && column >= 0 && column < s->width;
        pixels[w] = there ? ((image * s->height + row) * s->width + column) * s->channels : -1;
        inside = there ? pixels[w] : inside;
    }
    for (int w = 0; w < WINDOW; w++) pixels[w] = pixels[w] < 0 ? inside : pixels[w];
}

/* The first n channels of one output; x is where they begin in the first pixel of the stream, y in that of the output. */
INLINE void maximum(const STREAM *x, STREAM *y, const int64_t *pixels, int64_t plane, int64_t size, int n) {
    Floats prefixes[WINDOW] = {0}, before = {0};
    UNROLLED for (int t = 0; t < STEPS; t++) {
        Floats best;
        UNROLLED for (int w = 0; w < WINDOW; w++) {
            prefixes[w] = BETA * prefixes[w] + READ(STREAM)(x + t * plane + pixels[w], n);
            best = w == 0 ? prefixes[0] : either(above(prefixes[w], best), prefixes[w], best);
        }
        PUT(STREAM)(y + t * size, best - BETA * before, n);
        before = best;
    }
}

void pool(const Shape *s, const STREAM *x, STREAM *y, int threads) {
    const int64_t rows = s->batch * s->out_height, plane = s->batch * s->height * s->width * s->channels;
    const int64_t size = rows * s->out_width * s->channels;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t output = 0; output < rows * s->out_width; output++) {
        const int64_t row = output / s->out_width;
        int64_t pixels[WINDOW], c = 0;
        find_pixels(s, row / s->out_height, row % s->out_height, output % s->out_width, pixels);
        STREAM *to = y + output * s->channels;
        for (; c + LANES <= s->channels; c += LANES) maximum(x + c, to + c, pixels, plane, size, LANES);
        if (c < s->channels) maximum(x + c, to + c, pixels, plane, size, (int)(s->channels - c));
    }
}
