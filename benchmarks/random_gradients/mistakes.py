"""Mistakes put into a right gradient: one number off by a part in 100,000 up to a leaf that is another."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .cases import Case
from .forms import ACTIVATIONS
from .passes import Pieces


@dataclass(frozen=True)
class Mistake:
    """A wrong gradient, and what is wrong with it in words."""

    kind: str
    what: str
    grads: Callable[..., Any]


def mistakes(case: Case) -> Iterator[Mistake]:
    """Random mistakes for a case, kind after kind; each may turn out to change nothing at this point."""
    random = np.random.default_rng([case.seed, 1])
    in_pieces = list(IN_PIECES) if case.pieces is not None else []
    while True:
        kinds = in_pieces if in_pieces and random.random() < 0.55 else list(IN_LEAVES)
        kind = kinds[random.integers(len(kinds))]
        if kind in IN_LEAVES:
            found = _in_leaf(case, random, kind)
        else:
            found = _in_pieces(case, random, kind)
        if found is not None:
            yield found


# In what the gradient returns.


def _entry(change: Callable[[Any, float], Any]) -> Callable[..., Any]:
    def made(random: np.random.Generator, leaf: Any) -> Any:
        at = np.unravel_index(random.integers(leaf.size), leaf.shape)
        by = float(10 ** random.uniform(-5, -1) * random.choice([-1, 1]))
        one = np.zeros(leaf.shape, bool)
        one[at] = True
        return f"{by:.1e} at {tuple(map(int, at))}", lambda g: jnp.where(one, change(g, by), g)

    return made


def _whole(name: str, change: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda random, leaf: (name, change)


def _scaled(random: np.random.Generator, leaf: Any) -> Any:
    factor = float(random.choice([2, 0.5, 1.001, 1 + 1e-5, 0.1, 1 + 1e-6, leaf.shape[-1], 1 / leaf.shape[0], -2]))
    return f"times {factor:g}", lambda g: g * factor


def _row_scaled(random: np.random.Generator, leaf: Any) -> Any:
    factor, at = float(random.choice([0, -1, 2, 1.0001])), int(random.integers(leaf.shape[0]))
    rows = np.ones((leaf.shape[0], *[1] * (leaf.ndim - 1)))
    rows[at] = factor
    return f"row {at} times {factor:g}", lambda g: g * jnp.asarray(rows, g.dtype)


def _turned(random: np.random.Generator, leaf: Any) -> Any:
    if leaf.ndim == 2 and leaf.shape[0] == leaf.shape[1]:
        return "transposed", jnp.transpose
    if leaf.ndim == 2 and random.random() < 0.5:
        return "transposed and folded", lambda g: g.T.reshape(g.shape)
    return "in reverse", lambda g: g[::-1]


def _added(random: np.random.Generator, leaf: Any) -> Any:
    by = float(10 ** random.uniform(-5, -1))
    return f"{by:.1e} of its norm added", lambda g: g + by * jnp.sqrt(jnp.sum(g * g))


IN_LEAVES: dict[str, Callable[..., Any]] = {
    "an entry by a fraction": _entry(lambda g, by: g * (1 + by)),
    "an entry 0": _entry(lambda g, by: 0 * g),
    "the sign of an entry": _entry(lambda g, by: -g),
    "an entry of another": _entry(lambda g, by: jnp.roll(g.ravel(), 1).reshape(g.shape)),
    "a row": _row_scaled,
    "the sign of a leaf": _whole("", jnp.negative),
    "a leaf by a factor": _scaled,
    "a leaf turned": _turned,
    "a leaf 0": _whole("", lambda g: 0 * g),
    "a constant added": _added,
    "decay added": lambda random, leaf: ("", None),
    "leaves swapped": lambda random, leaf: ("", None),
}


def _in_leaf(case: Case, random: np.random.Generator, kind: str) -> Mistake | None:
    leaves, structure = jax.tree.flatten(case.params)
    i = int(random.integers(len(leaves)))
    alike = [j for j, leaf in enumerate(leaves) if leaf.shape == leaves[i].shape and j != i]
    if kind == "leaves swapped":
        if not alike:
            return None
        j = alike[random.integers(len(alike))]
        order = list(range(len(leaves)))
        order[i], order[j] = j, i
        change = lambda grads, params: [grads[k] for k in order]
        what = f"{i} and {j}"
    elif kind == "decay added":
        by = float(10 ** random.uniform(-4, -1))
        change = lambda grads, params: [
            g + by * p if k == i else g for k, (g, p) in enumerate(zip(grads, params, strict=True))
        ]
        what = f"{by:.1e} of the parameter, leaf {i}"
    else:
        text, of_leaf = IN_LEAVES[kind](random, leaves[i])
        change = lambda grads, params: [of_leaf(g) if k == i else g for k, g in enumerate(grads)]
        what = f"leaf {i}: {text}" if text else f"leaf {i}"

    def wrong(params: Any, *args: Any) -> Any:
        result = case.grads(params, *args)
        value, grads = result if case.has_value else (None, result)
        changed = change(
            list(map(jnp.asarray, jax.tree.leaves(grads))), list(map(jnp.asarray, jax.tree.leaves(params)))
        )
        tree = jax.tree.unflatten(structure, changed)
        return (value, tree) if case.has_value else tree

    return Mistake(kind, what, (lambda *args: jax.tree.map(np.asarray, wrong(*args))) if case.is_black_box else wrong)


# In the backward pass.


def _at(pieces: Pieces, name: str, i: int, piece: Any) -> Pieces:
    return replace(pieces, **{name: (*getattr(pieces, name)[:i], piece, *getattr(pieces, name)[i + 1 :])})


def _no_slope(pieces: Pieces, i: int, random: np.random.Generator) -> Any:
    return "", _at(pieces, "backs", i, lambda z, a, da: da)


def _other_slope(pieces: Pieces, i: int, random: np.random.Generator) -> Any:
    names = [name for name, forms in ACTIVATIONS.items() if forms.columns == 1]
    name = names[random.integers(len(names))]
    forms = ACTIVATIONS[name]
    return f"of {name}", _at(pieces, "backs", i, lambda z, a, da: forms.backs[0](z, forms.values[0](z), da))


def _slope_at_a(pieces: Pieces, i: int, random: np.random.Generator) -> Any:
    return "", _at(pieces, "backs", i, lambda z, a, da, back=pieces.backs[i]: back(a, pieces.values[i](a), da))


def _slope_twice(pieces: Pieces, i: int, random: np.random.Generator) -> Any:
    return "", _at(pieces, "backs", i, lambda z, a, da, back=pieces.backs[i]: back(z, a, back(z, a, da)))


def _slope_epsilon(pieces: Pieces, i: int, random: np.random.Generator) -> Any:
    eps = float(10 ** random.uniform(-5, -1))
    return f"{eps:.1e}", _at(
        pieces,
        "backs",
        i,
        lambda z, a, da, back=pieces.backs[i]: back(z, a, da) + eps * da,
    )


def _dout(change: Callable[..., Any], text: Callable[[float], str] = lambda by: "") -> Callable[..., Any]:
    def made(pieces: Pieces, i: int, random: np.random.Generator) -> Any:
        by = float(10 ** random.uniform(-5, -1))
        right = pieces.dout
        return text(by), replace(pieces, dout=lambda out, y: change(right, out, y, by))

    return made


def _back_through(change: Callable[[Any, float], Any]) -> Callable[..., Any]:
    def made(pieces: Pieces, i: int, random: np.random.Generator) -> Any:
        by = float(10 ** random.uniform(-5, -1))
        return f"{by:.1e}", replace(
            pieces, weights=lambda j, params: change(params[j][0], by) if j == i else params[j][0]
        )

    return made


def _off_by_one(pieces: Pieces, i: int, random: np.random.Generator) -> Any:
    def reads(j: int, inputs: Any, zs: Any) -> Any:
        fits = j == i and j + 1 < len(inputs) and inputs[j + 1].shape == inputs[j].shape
        return inputs[j + 1] if fits else inputs[j]

    return "", replace(pieces, reads=reads)


def _before_activation(pieces: Pieces, i: int, random: np.random.Generator) -> Any:
    def reads(j: int, inputs: Any, zs: Any) -> Any:
        return zs[j - 1] if j == i and j and zs[j - 1].shape == inputs[j].shape else inputs[j]

    return "", replace(pieces, reads=reads)


def _share(change: Callable[[int], float]) -> Callable[..., Any]:
    return lambda pieces, i, random: ("", replace(pieces, share=lambda n: pieces.share(n) * change(n)))


def _penalty(change: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def made(pieces: Pieces, i: int, random: np.random.Generator) -> Any:
        right = pieces.penalty
        return None if right is None else ("", replace(pieces, penalty=lambda w: change(right, w)))

    return made


def _other_value(pieces: Pieces, i: int, random: np.random.Generator) -> Any:
    by = float(10 ** random.uniform(-5, -1))
    return f"{by:.1e}", _at(pieces, "values", i, lambda z, value=pieces.values[i]: value(z * (1 + by)))


def _no_bias(pieces: Pieces, i: int, random: np.random.Generator) -> Any:
    return "", replace(pieces, forward=lambda j, params: (params[j][0], None) if j == i else params[j])


def _last_left_out(right: Callable[..., Any], out: Any, y: Any, by: float) -> Any:
    return right(out, y) * jnp.asarray(np.arange(len(out)) < max(1, len(out) - 1), out.dtype)[:, None]


IN_PIECES: dict[str, Callable[..., Any]] = {
    "no slope": _no_slope,
    "another slope": _other_slope,
    "the slope at a": _slope_at_a,
    "the slope twice": _slope_twice,
    "an epsilon in the slope": _slope_epsilon,
    "the sign of dout": _dout(lambda right, out, y, by: -right(out, y)),
    "dout of out alone": _dout(lambda right, out, y, by: out * jnp.ones_like(right(out, y))),
    "dout next to its own": _dout(lambda right, out, y, by: right(out * (1 + by), y), "{:.1e}".format),
    "an epsilon in dout": _dout(lambda right, out, y, by: right(out, y) / (1 + by), "{:.1e}".format),
    "an example left out": _dout(_last_left_out),
    "other weights": _back_through(lambda w, by: w * (1 + by)),
    "a stale row of weights": _back_through(
        lambda w, by: w * jnp.asarray(np.where(np.arange(len(w)) == 0, 1 - by, 1), w.dtype)[:, None]
    ),
    "weights turned": _back_through(lambda w, by: w.T if w.shape[0] == w.shape[1] else w[::-1]),
    "off by one layer": _off_by_one,
    "z for a": _before_activation,
    "a sum for a mean": _share(lambda n: n),
    "a mean twice": _share(lambda n: 1 / n),
    "biases averaged": lambda pieces, i, random: ("", replace(pieces, summed=lambda dz: dz.mean(axis=0))),
    "no penalty": _penalty(lambda right, w: jnp.zeros_like(w)),
    "a penalty twice": _penalty(lambda right, w: 2 * right(w)),
    "another forward value": _other_value,
    "no bias in the forward half": _no_bias,
}


def _in_pieces(case: Case, random: np.random.Generator, kind: str) -> Mistake | None:
    assert case.pieces is not None and case.gradient is not None
    i = int(random.integers(len(case.pieces.backs)))
    if "slope" in kind and ACTIVATIONS[case.about["activations"][i]].columns > 1:
        return None
    made = IN_PIECES[kind](case.pieces, i, random)
    if made is None:
        return None
    text, pieces = made
    return Mistake(kind, f"layer {i}: {text}" if text else f"layer {i}", case.gradient(pieces))
