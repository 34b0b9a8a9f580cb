/* How often each of size numbers is not zero in the samples of a batch [batch, size]. */
#include <stdint.h>

#define BLOCK 1024

void occurrences(const float *x, float *counts, int64_t batch, int64_t size, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t first = 0; first < size; first += BLOCK) {
        const int64_t n = size - first < BLOCK ? size - first : BLOCK;
        float own[BLOCK] = {0};
        for (int64_t sample = 0; sample < batch; sample++) {
            const float *restrict row = x + sample * size + first;
            for (int64_t i = 0; i < n; i++) own[i] += row[i] != 0;
        }
        for (int64_t i = 0; i < n; i++) counts[first + i] = own[i];
    }
}
