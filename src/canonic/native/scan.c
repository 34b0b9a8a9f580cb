/* The scan of a population whose currents are in memory, after population.c and a rule.

   One program for all codes of a rule: terms are streams of `lengths` steps. Elements are rows of `size`; weights, start and theta
   belong to the elements of a row. events[j] is how often neuron j of a sample fired, for each thread by itself. */
#define BLOCK (PAIR * LANES)

void scan(const Code *code, const void *const *terms, const int32_t *lengths, const float *const *weights,
          const float *start, const float *theta, const float *ceiling, SPIKE *spikes, int64_t *counters,
          int32_t *events, int64_t neurons_, int64_t rows, int64_t size, int threads) {
    const int64_t count = rows * size, blocks = (size + BLOCK - 1) / BLOCK;
#pragma omp parallel num_threads(threads) reduction(+ : counters[:COUNTERS(*code)])
    {
        Tally tally = {0};
#pragma omp for schedule(static)
        for (int64_t b = 0; b < rows * blocks; b++) {
            const int64_t c = b % blocks * BLOCK, i = b / blocks * size + c, left = size - c;
            int32_t *mine = COUNT ? events + omp_get_thread_num() * neurons_ + i % neurons_ : events;
#define NEURONS(j, width, n) \
    neurons(*code, terms, lengths, weights, start, theta, ceiling, spikes, &tally, mine + j, count, i + j, c + j, LANES, \
            width, n)
            if (left >= BLOCK)
                NEURONS(0, PAIR, LANES);
            else
                for (int j = 0; j < left; j += LANES)
                    if (left - j >= LANES) NEURONS(j, 1, LANES);
                    else NEURONS(j, 1, (int)(left - j));
        }
        add_up(code->steps, &tally, counters);
    }
}
