"""A dense layer's three derivatives as matrices, against sums written index by index.

The shapes: X is (batch, n_in), W is (n_in, n_out), Z = X W + b is (batch, n_out), and so is dZ.
"""

from collections.abc import Iterator
from functools import partial
from itertools import product

import numpy as np

from .._dense import dense_bwd
from .._types import Dense
from ._claim import Claim
from ._program import layer, program


claim = partial(Claim, "formulas")

_DW = (
    "dW = Xᵀ dZ. Weight W[k, j] carries input k to unit j, in every example i: z[i, j] = ... + x[i, k] W[k, j]. So its "
    "slope is Σ_i x[i, k] dz[i, j], what came in times what came back, added up over the batch. As a matrix: row k of "
    "Xᵀ times column j of dZ. Shapes: (n_in, batch)(batch, n_out) = (n_in, n_out), that of W."
)
_DB = (
    "db = Σ over the batch of dZ. The bias b[j] is added to z[i, j] in every example i, with slope 1: its own slope is "
    "Σ_i dz[i, j]. Shapes: (batch, n_out) summed over its rows is (n_out,), that of b."
)
_DX = (
    "dX = dZ Wᵀ. Input x[i, k] feeds every unit j of its example, through W[k, j]. So its slope is "
    "Σ_j dz[i, j] W[k, j], added up over the units. Row i of dZ times row k of W, which is column k of Wᵀ. Shapes: "
    "(batch, n_out)(n_out, n_in) = (batch, n_in), that of X. This is what the layer before gets as its dA."
)
_FITS = (
    "You need not remember which one is transposed. A gradient has the shape of its variable, and with batch, n_in "
    "and n_out all different only one product of the two matrices fits."
)


def claims() -> Iterator[Claim]:
    """An example to do on paper, random matrices against loops, and the shapes."""
    yield from _on_paper()
    yield from _against_sums()
    yield from _only_one_fits()


@program
def _backward(weights: Dense, x, dz):
    dlayer, dx = dense_bwd((weights, x), dz)
    return dlayer.w, dlayer.b, dx


def _on_paper() -> Iterator[Claim]:
    """Three examples, two inputs, one unit; small integers, so that the answers are exact."""
    x, w, dz = [[1, 2], [3, 4], [5, 6]], [[2], [7]], [[1], [0], [2]]
    x, w, dz = (np.array(values, np.float32) for values in (x, w, dz))
    dw, db, dx = (_as_integers(values) for values in _backward(layer(w, np.zeros(1, np.float32)), x, dz))
    given = "Three examples x = [1 2], [3 4], [5 6], weights W = [2], [7], and dZ = [1], [0], [2]. "
    text = given + "dW[0] = 1·1 + 3·0 + 5·2 = 11, dW[1] = 2·1 + 4·0 + 6·2 = 14: columns of X times the column of dZ."
    yield claim("on paper: dW = Xᵀ dZ", ((11,), (14,)), dw, 0, "exact: small integers", text)
    yield claim("on paper: db = Σ dZ", (3,), db, 0, "exact: small integers", given + "db = 1 + 0 + 2 = 3.")
    text = given + "dX[0] = 1·[2 7], dX[1] = 0·[2 7], dX[2] = 2·[2 7]: each example gets W, times what came back to it."
    yield claim("on paper: dX = dZ Wᵀ", ((2, 7), (0, 0), (4, 14)), dx, 0, "exact: small integers", text)


def _against_sums() -> Iterator[Claim]:
    rng, (batch, n_in, n_out) = np.random.default_rng(0), (5, 3, 2)
    x, w, dz = rng.normal(size=(batch, n_in)), rng.normal(size=(n_in, n_out)), rng.normal(size=(batch, n_out))
    dw, db, dx = np.zeros((n_in, n_out)), np.zeros(n_out), np.zeros((batch, n_in))
    for i, k, j in product(range(batch), range(n_in), range(n_out)):
        dw[k, j] += x[i, k] * dz[i, j]
        dx[i, k] += dz[i, j] * w[k, j]
    for i, j in product(range(batch), range(n_out)):
        db[j] += dz[i, j]

    matrices = _backward(layer(w, np.zeros(n_out)), x, dz)
    source = "float64 rounding of sums of up to five terms near 1"
    rows = zip(("dW = Xᵀ dZ", "db = Σ dZ", "dX = dZ Wᵀ"), (dw, db, dx), matrices, (_DW, _DB, _DX), strict=True)
    for name, sums, matrix, text in rows:
        yield claim(f"shape of {name}", sums.shape, matrix.shape, 0, "batch 5, n_in 3, n_out 2", text)
        off = float(np.abs(matrix - sums).max())
        yield claim(f"{name} and its sums, index by index, differ by", 0.0, off, 1e-14, source, text)


def _only_one_fits() -> Iterator[Claim]:
    """Of all products of the two matrices and their transposes, those with the right shape."""
    x, w, dz = np.zeros((5, 3)), np.zeros((3, 2)), np.zeros((5, 2))
    yield claim(
        "products of X and dZ with the shape of W", ("Xᵀ dZ",), _fitting("X", x, "dZ", dz, w.shape), 0, "shapes", _FITS
    )
    yield claim(
        "products of dZ and W with the shape of X", ("dZ Wᵀ",), _fitting("dZ", dz, "W", w, x.shape), 0, "shapes", _FITS
    )


def _fitting(left: str, a: np.ndarray, right: str, b: np.ndarray, shape: tuple[int, int]) -> tuple[str, ...]:
    options = [{left: a, f"{left}ᵀ": a.T}, {right: b, f"{right}ᵀ": b.T}]
    pairs = [*product(*(option.items() for option in options)), *product(*(option.items() for option in options[::-1]))]
    return tuple(
        f"{first} {second}" for (first, m), (second, n) in pairs if m.shape[1] == n.shape[0] and (m @ n).shape == shape
    )


def _as_integers(values: np.ndarray) -> tuple:
    """Nested tuples of ints."""
    return tuple(_as_integers(row) if row.ndim else int(row) for row in values)
