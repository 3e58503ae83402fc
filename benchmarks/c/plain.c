/* Gradient descent on a sigmoid network with binary cross-entropy, in loops as one writes them.
 *
 * The sizes are fixed when this is compiled: -DSIZES={2,2,1} -DLAYERS=2 -DWIDEST=2.
 * w[l][k][j] and b[l][j] feed unit j of layer l; rows of x and of w beyond a layer's own are not read.
 */
#include <math.h>

enum { BATCH = 4 };
static const int n[LAYERS + 1] = SIZES;

void train(float w[LAYERS][WIDEST][WIDEST], float b[LAYERS][WIDEST], const float x[BATCH][WIDEST], const float y[BATCH],
           float rate, int steps, float *losses)
{
    float a[LAYERS + 1][BATCH][WIDEST], dz[LAYERS][BATCH][WIDEST];
    for (int i = 0; i < BATCH; i++)
        for (int k = 0; k < n[0]; k++) a[0][i][k] = x[i][k];
    for (int step = 0; step < steps; step++) {
        for (int l = 0; l < LAYERS; l++)
            for (int i = 0; i < BATCH; i++)
                for (int j = 0; j < n[l + 1]; j++) {
                    float z = b[l][j];
                    for (int k = 0; k < n[l]; k++) z += a[l][i][k] * w[l][k][j];
                    a[l + 1][i][j] = 1 / (1 + expf(-z));
                }
        float loss = 0;
        for (int i = 0; i < BATCH; i++) {
            float p = a[LAYERS][i][0];
            loss -= y[i] * logf(p) + (1 - y[i]) * logf(1 - p);
            dz[LAYERS - 1][i][0] = (p - y[i]) / BATCH;
        }
        losses[step] = loss / BATCH;
        for (int l = LAYERS - 1; l > 0; l--)
            for (int i = 0; i < BATCH; i++)
                for (int k = 0; k < n[l]; k++) {
                    float da = 0;
                    for (int j = 0; j < n[l + 1]; j++) da += dz[l][i][j] * w[l][k][j];
                    dz[l - 1][i][k] = da * a[l][i][k] * (1 - a[l][i][k]);
                }
        for (int l = 0; l < LAYERS; l++)
            for (int j = 0; j < n[l + 1]; j++) {
                float db = 0;
                for (int i = 0; i < BATCH; i++) db += dz[l][i][j];
                b[l][j] -= rate * db;
                for (int k = 0; k < n[l]; k++) {
                    float dw = 0;
                    for (int i = 0; i < BATCH; i++) dw += a[l][i][k] * dz[l][i][j];
                    w[l][k][j] -= rate * dw;
                }
            }
    }
}
