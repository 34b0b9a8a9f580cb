/* Adaptive neurons (neurons/adaptive.py) over all steps from rest, and their exact backward pass; with a recurrence or without.

   Streams are [steps, batch, size]; alpha, rho, beta and base are [size]; `rows` of a stream are independent of each other. */
#include <stdint.h>
#include <stddef.h>

#define EACH for (int64_t i = 0; i < size; i++)

/* sum[i] = sum_j x[j] matrix[j][i]; what is 0 costs nothing. */
static inline void gather(const float *restrict matrix, const float *restrict x, float *restrict sum, int64_t size) {
    EACH sum[i] = 0;
    for (int64_t j = 0; j < size; j++)
        if (x[j] != 0) {
            const float *restrict row = matrix + j * size;
            EACH sum[i] += x[j] * row[i];
        }
}

static inline void step(const float *restrict current, const float *restrict alpha, const float *restrict rho,
                        const float *restrict beta, const float *restrict base, const float *restrict u_,
                        const float *restrict b_, const float *restrict s_, float *restrict u, float *restrict b,
                        float *restrict s, int64_t size) {
    EACH {
        b[i] = rho[i] * b_[i] + (1 - rho[i]) * s_[i];
        const float theta = base[i] + beta[i] * b[i];
        u[i] = alpha[i] * u_[i] + (1 - alpha[i]) * current[i] - theta * s_[i];
        s[i] = u[i] - theta >= 0;
    }
}

/* current[t] = given[t] + into^T s[t-1], written where there is a recurrence `into` [from, to]; nothing: [size] zeros. */
void adaptive_forward(const float *given, const float *into, const float *alpha, const float *rho, const float *beta,
                      const float *base, const float *nothing, float *current, float *u, float *b, float *s,
                      int64_t steps, int64_t batch, int64_t size, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t r = 0; r < batch; r++)
        for (int64_t t = 0; t < steps; t++) {
            const int64_t at = (t * batch + r) * size, before = at - batch * size;
            const float *u_ = t ? u + before : nothing, *b_ = t ? b + before : nothing, *s_ = t ? s + before : nothing;
            if (into) {
                float *restrict sum = current + at;
                gather(into, s_, sum, size);
                EACH sum[i] = given[at + i] + sum[i];
            }
            step((into ? current : given) + at, alpha, rho, beta, base, u_, b_, s_, u + at, b + at, s + at, size);
        }
}

/* What goes back through a step: du, db and ds hold what came from the step after it, and then what goes to the one before. */
static inline void back(const float *restrict current, const float *restrict alpha, const float *restrict rho,
                        const float *restrict beta, const float *restrict base, const float *restrict u_,
                        const float *restrict b_, const float *restrict s_, const float *restrict b,
                        const float *restrict slope, float *restrict du, float *restrict db, float *restrict ds,
                        float *restrict dcurrent, float *restrict fields, int64_t size) {
    float *restrict dalpha = fields, *restrict drho = fields + size, *restrict dbeta = fields + 2 * size,
                    *restrict dbase = fields + 3 * size;
    EACH {
        const float theta = base[i] + beta[i] * b[i], dv = ds[i] * slope[i], gu = du[i] + dv;
        const float dtheta = -dv - gu * s_[i], gb = db[i] + beta[i] * dtheta;
        dcurrent[i] = (1 - alpha[i]) * gu;
        dalpha[i] += gu * (u_[i] - current[i]);
        drho[i] += gb * (b_[i] - s_[i]);
        dbeta[i] += dtheta * b[i];
        dbase[i] += dtheta;
        du[i] = alpha[i] * gu;
        db[i] = rho[i] * gb;
        ds[i] = (1 - rho[i]) * gb - theta * gu;
    }
}

static inline void add(float *restrict sum, const float *restrict x, int64_t size) {
    EACH sum[i] += x[i];
}

/* given_u, given_b, given_s: gradients of the streams, or none. from [to, from]: the recurrence. carried [batch, 4, size]: zeros.
   fields [batch, 4, size]: zeros, to which the gradients of alpha, rho, beta and base are added. */
void adaptive_backward(const float *given_u, const float *given_b, const float *given_s, const float *slope,
                       const float *from, const float *alpha, const float *rho, const float *beta, const float *base,
                       const float *nothing, const float *current, const float *u, const float *b, const float *s,
                       float *dcurrent, float *carried, float *fields, int64_t steps, int64_t batch, int64_t size,
                       int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t r = 0; r < batch; r++) {
        float *du = carried + r * 4 * size, *db = du + size, *ds = db + size, *sum = ds + size;
        for (int64_t t = steps - 1; t >= 0; t--) {
            const int64_t at = (t * batch + r) * size, before = at - batch * size;
            const float *u_ = t ? u + before : nothing, *b_ = t ? b + before : nothing, *s_ = t ? s + before : nothing;
            if (given_u) add(du, given_u + at, size);
            if (given_b) add(db, given_b + at, size);
            if (given_s) add(ds, given_s + at, size);
            back(current + at, alpha, rho, beta, base, u_, b_, s_, b + at, slope + at, du, db, ds, dcurrent + at,
                 fields + r * 4 * size, size);
            if (from) {
                gather(from, dcurrent + at, sum, size);
                add(ds, sum, size);
            }
        }
    }
}
