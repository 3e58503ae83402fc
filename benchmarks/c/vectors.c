/* The same trainings in hand-written vectors: one 2-2-1 network, one with layers of up to 16 units, and many 2-2-1.
 *
 * Compiled without -ffast-math, which would undo the rounding in `exp`. A loss is kept as the product of the four
 * probabilities; its logarithm is taken at the end, or for 16 networks at once.
 */
#include <math.h>
#include <string.h>

typedef float v4 __attribute__((vector_size(16)));
typedef float v8 __attribute__((vector_size(32)));
typedef float v16 __attribute__((vector_size(64)));
typedef int i4 __attribute__((vector_size(16)));
typedef int i8 __attribute__((vector_size(32)));
typedef int i16 __attribute__((vector_size(64)));

/* The exponential of Cephes' expf, and what is made of it. */
#define FUNCTIONS(V, I)                                                                                     \
    static inline V pick_##V(I mask, V a, V b) { return (V)(((I)a & mask) | ((I)b & ~mask)); }             \
    static inline V sigmoid_##V(V z)                                                                        \
    {                                                                                                       \
        V x = -z;                                                                                           \
        x = pick_##V(x < -87.f, (V){} - 87.f, x);                                                           \
        x = pick_##V(x > 87.f, (V){} + 87.f, x);                                                            \
        V k = (x * 1.44269504f + 12582912.f) - 12582912.f;                                                  \
        V r = x - k * 0.693359375f + k * 2.12194440e-4f;                                                    \
        V p = (V){} + 1.9875691500e-4f;                                                                     \
        p = p * r + 1.3981999507e-3f;                                                                       \
        p = p * r + 8.3334519073e-3f;                                                                       \
        p = p * r + 4.1665795894e-2f;                                                                       \
        p = p * r + 1.6666665459e-1f;                                                                       \
        p = p * r + 5.0000001201e-1f;                                                                       \
        p = p * r * r + r + 1.f;                                                                            \
        V scale = (V)((__builtin_convertvector(k, I) + 127) << 23);                                         \
        return 1.f / (1.f + p * scale);                                                                     \
    }
FUNCTIONS(v4, i4)
FUNCTIONS(v8, i8)
FUNCTIONS(v16, i16)

/* The logarithm of Cephes' logf, of normal positive numbers. */
static inline v16 log_v16(v16 x)
{
    i16 bits = (i16)x, e = ((bits >> 23) & 0xff) - 126;
    v16 m = (v16)((bits & 0x007fffff) | 0x3f000000);
    i16 low = m < 0.70710678f;
    v16 q = m - 1.f + (v16)((i16)m & low), k = __builtin_convertvector(e + low, v16), z = q * q;
    v16 y = (v16){} + 7.0376836292e-2f;
    y = y * q - 1.1514610310e-1f;
    y = y * q + 1.1676998740e-1f;
    y = y * q - 1.2420140846e-1f;
    y = y * q + 1.4249322787e-1f;
    y = y * q - 1.6668057665e-1f;
    y = y * q + 2.0000714765e-1f;
    y = y * q - 2.4999993993e-1f;
    y = y * q + 3.3333331174e-1f;
    return q + (y * q * z + k * -2.12194440e-4f - 0.5f * z) + k * 0.693359375f;
}

static inline v8 sum_of_fours(v8 v)
{
    v += __builtin_shuffle(v, (i8){1, 0, 3, 2, 5, 4, 7, 6});
    return v + __builtin_shuffle(v, (i8){2, 3, 0, 1, 6, 7, 4, 5});
}

static inline v4 sum_of_four(v4 v)
{
    v += __builtin_shuffle(v, (i4){1, 0, 3, 2});
    return v + __builtin_shuffle(v, (i4){2, 3, 0, 1});
}

static void logarithms(float *products, int steps)
{
    for (int step = 0; step < steps; step++) products[step] = logf(products[step]) * -0.25f;
}

/* parameters: w1 by rows, b1, w2, b2. Eight lanes: four examples for the first hidden unit, four for the second. */
void train_one(float q[9], const float x[4][2], const float y[4], float rate, int steps, float *losses)
{
    v8 x0, x1, w0, w1, b, u;
    v4 c = (v4){} + q[8], target;
    for (int i = 0; i < 8; i++) {
        x0[i] = x[i % 4][0], x1[i] = x[i % 4][1];
        w0[i] = q[i / 4], w1[i] = q[2 + i / 4], b[i] = q[4 + i / 4], u[i] = q[6 + i / 4];
    }
    memcpy(&target, y, sizeof target);
    for (int step = 0; step < steps; step++) {
        v8 a = sigmoid_v8(x0 * w0 + x1 * w1 + b), au = a * u;
        v4 p = sigmoid_v4(__builtin_shufflevector(au, au, 0, 1, 2, 3) + __builtin_shufflevector(au, au, 4, 5, 6, 7) + c);
        v4 right = pick_v4(target > 0.5f, p, 1.f - p);
        right *= __builtin_shuffle(right, (i4){1, 0, 3, 2});
        losses[step] = right[0] * right[2];
        v4 dz = (p - target) * 0.25f;
        v8 both = __builtin_shufflevector(dz, dz, 0, 1, 2, 3, 0, 1, 2, 3), d = both * u * a * (1.f - a);
        w0 -= rate * sum_of_fours(d * x0);
        w1 -= rate * sum_of_fours(d * x1);
        b -= rate * sum_of_fours(d);
        u -= rate * sum_of_fours(both * a);
        c -= rate * sum_of_four(dz);
    }
    for (int j = 0; j < 2; j++) q[j] = w0[4 * j], q[2 + j] = w1[4 * j], q[4 + j] = b[4 * j], q[6 + j] = u[4 * j];
    q[8] = c[0];
    logarithms(losses, steps);
}

/* w[l] by rows of 16, with its transpose beside it; the 16 units of a layer in a vector, an example at a time. */
enum { MOST = 8 };
void train_wide(int layers, const int *n, float w[][16][16], float b[][16], const float x[4][16], const float y[4],
                float rate, int steps, float *losses)
{
    static v16 rows[MOST][16], columns[MOST][16];
    v16 bias[MOST], a[MOST + 1][4], dz[4];
    for (int l = 0; l < layers; l++) {
        memcpy(&bias[l], b[l], sizeof(v16));
        for (int k = 0; k < 16; k++)
            for (int j = 0; j < 16; j++) rows[l][k][j] = columns[l][j][k] = w[l][k][j];
    }
    for (int i = 0; i < 4; i++) memcpy(&a[0][i], x[i], sizeof(v16));
    for (int step = 0; step < steps; step++) {
        for (int l = 0; l < layers; l++) {
            v16 z[4] = {bias[l], bias[l], bias[l], bias[l]};
            for (int k = 0; k < n[l]; k++)
                for (int i = 0; i < 4; i++) z[i] += a[l][i][k] * rows[l][k];
            for (int i = 0; i < 4; i++) a[l + 1][i] = sigmoid_v16(z[i]);
        }
        float product = 1;
        for (int i = 0; i < 4; i++) {
            float p = a[layers][i][0];
            product *= y[i] > 0.5f ? p : 1 - p;
            dz[i] = (v16){(p - y[i]) * 0.25f};
        }
        losses[step] = product;
        for (int l = layers - 1; l >= 0; l--) {
            v16 da[4] = {0};
            if (l)
                for (int j = 0; j < n[l + 1]; j++)
                    for (int i = 0; i < 4; i++) da[i] += dz[i][j] * columns[l][j];
            for (int k = 0; k < n[l]; k++)
                rows[l][k] -= rate * (a[l][0][k] * dz[0] + a[l][1][k] * dz[1] + a[l][2][k] * dz[2] + a[l][3][k] * dz[3]);
            if (l)
                for (int j = 0; j < n[l + 1]; j++)
                    columns[l][j] -= rate * (dz[0][j] * a[l][0] + dz[1][j] * a[l][1] + dz[2][j] * a[l][2] + dz[3][j] * a[l][3]);
            bias[l] -= rate * (dz[0] + dz[1] + dz[2] + dz[3]);
            for (int i = 0; l && i < 4; i++) dz[i] = da[i] * a[l][i] * (1.f - a[l][i]);
        }
    }
    for (int l = 0; l < layers; l++) {
        memcpy(b[l], &bias[l], sizeof(v16));
        memcpy(w[l], rows[l], sizeof rows[l]);
    }
    logarithms(losses, steps);
}

/* count networks, a multiple of 16: parameter k of all of them at q[k * count]; losses by steps, or NULL for none. */
void train_many(float *q, int count, const float x[4][2], const float y[4], float rate, int steps, float *losses)
{
    for (int first = 0; first < count; first += 16) {
        v16 w[9], g[9];
        for (int k = 0; k < 9; k++) memcpy(&w[k], q + (long)k * count + first, sizeof(v16));
        for (int step = 0; step < steps; step++) {
            v16 product = (v16){} + 1.f;
            memset(g, 0, sizeof g);
            for (int i = 0; i < 4; i++) {
                v16 a0 = sigmoid_v16(w[0] * x[i][0] + w[2] * x[i][1] + w[4]);
                v16 a1 = sigmoid_v16(w[1] * x[i][0] + w[3] * x[i][1] + w[5]);
                v16 p = sigmoid_v16(w[6] * a0 + w[7] * a1 + w[8]), dz = (p - y[i]) * 0.25f;
                if (losses) product *= y[i] > 0.5f ? p : 1.f - p;
                v16 d0 = dz * w[6] * a0 * (1.f - a0), d1 = dz * w[7] * a1 * (1.f - a1);
                g[0] += d0 * x[i][0], g[1] += d1 * x[i][0], g[2] += d0 * x[i][1], g[3] += d1 * x[i][1];
                g[4] += d0, g[5] += d1, g[6] += dz * a0, g[7] += dz * a1, g[8] += dz;
            }
            for (int k = 0; k < 9; k++) w[k] -= rate * g[k];
            if (losses) {
                v16 loss = log_v16(product) * -0.25f;
                memcpy(losses + (long)step * count + first, &loss, sizeof loss);
            }
        }
        for (int k = 0; k < 9; k++) memcpy(q + (long)k * count + first, &w[k], sizeof(v16));
    }
}
