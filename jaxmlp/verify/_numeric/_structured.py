"""Every parameter of a network of dense layers at once, by differences at its pre-activations.

A weight acts on the loss through the pre-activations of its layer alone, and those are linear in it:

    z = x w + b,    so    dL/dw[i, j] = sum_n x[n, i] dL/dz[n, j],    dL/db[j] = sum_n dL/dz[n, j].

What is trusted is that line. All else, every dL/dz[n, j], is measured: differences of the rest of the network, which is
evaluated only. A layer of 256 x 256 weights with 4 samples takes 1024 slopes instead of 65,536.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._program._call import compiled, Same
from .._program._tree import named_leaves, widened
from ._differences import Along, ladder, Slopes, slopes
from ._gradient import LeafSlopes, Numeric, scale


_UNMEASURED = ("nonfinite", "kink", "rough")
_NUMBERS = 2**20
"""About how many pre-activations one compiled call evaluates."""


@dataclass(frozen=True)
class Unmeasured:
    """A pre-activation at which the loss has no slope that differences could find; `state` as in `Slopes`."""

    layer: int
    sample: int
    unit: int
    state: str


@dataclass(frozen=True)
class DenseNumeric(Numeric):
    """A gradient measured by differences, every leaf number by number; and the pre-activations that stood out."""

    unmeasured: tuple[Unmeasured, ...] = ()


def dense_differences(
    layers: Sequence[tuple[Any, Any]],
    activations: Sequence[Callable[[Any], Any]],
    loss_of_out: Callable[[Any], Any],
    x: Any,
) -> DenseNumeric:
    """The gradient of `loss_of_out(out)` for `out` of a network of dense layers, in float64, by all its parameters.

    Args:
      layers: pairs `(w, b)` of shapes (n_in, n_out) and (n_out,).
      activations: one for each layer, from its pre-activations (samples, n_out) to its outputs.
      loss_of_out: either from `out` (samples, n_out) to one loss for each sample, shape (samples,), whose sum is the
        loss, where no layer mixes samples: a unit is then moved in all samples at once. Or to the loss itself,
        a scalar: then each sample of each unit is moved by itself, which costs as many times more.
      x: the batch, shape (samples, n_in).

    Returns:
      What `opinion` compares a gradient with: the leaves by their paths in `layers`. The bars of a weight's samples
      add up.

    Raises:
      ValueError: the layers, activations and shapes do not fit together.
    """
    with jax.enable_x64(True):
        layers, x = jax.tree.map(jnp.asarray, widened((layers, x)))
        _check(layers, activations, x)
        acts, loss = tuple(map(Same, activations)), Same(loss_of_out)
        inputs, zs, out = compiled(_forward(acts), layers, x)
        losses = compiled(loss_of_out, out)
        if losses.shape not in ((), (len(x),)):
            raise ValueError(f"`loss_of_out` must return shape () or ({len(x)},), one a sample, got {losses.shape}.")
        apart = [_apart(act, z) for act, z in zip(acts, zs, strict=True)]
        if losses.shape:
            names = ("`loss_of_out`", *(f"activation {index}" for index in range(len(acts))))
            for name, (by_sample, _) in zip(names, (_apart(loss, out), *apart), strict=True):
                if not by_sample:
                    raise ValueError(f"{name} mixes samples: let `loss_of_out` return the whole loss, a scalar.")
        eps = float(jnp.finfo(losses.dtype).eps)
        names, leaves, unmeasured = iter(named_leaves(layers)), {}, []
        for index, (x_in, z) in enumerate(zip(map(np.asarray, inputs), zs, strict=True)):
            values_at = _values_at(acts[index:], loss, rank_one=apart[index][1] and index + 1 < len(layers))
            along = _along_units(values_at, layers[index + 1 :], z, by_sample=losses.shape != ())
            dz = slopes(along, ladder(max(1.0, scale(np.asarray(z)))), eps)
            for line in np.flatnonzero(np.isin(dz.states, _UNMEASURED)):
                sample, unit = divmod(int(line), z.shape[1])
                unmeasured.append(Unmeasured(index, sample, unit, str(dz.states[line])))
            for factor in (x_in, np.ones((len(x), 1))):
                leaf = _through(factor, dz, z.shape)
                shape = (z.shape[1],) if factor is not x_in else (x_in.shape[1], z.shape[1])
                leaves[next(names)] = LeafSlopes(shape, None, leaf)
        return DenseNumeric(float(losses.sum()), leaves, False, losses.dtype.name, tuple(unmeasured))


@lru_cache(maxsize=256)
def _forward(acts: tuple[Same, ...]) -> Callable[..., Any]:
    def forward(layers: Any, x: Any) -> tuple[list[Any], list[Any], Any]:
        inputs, zs = [], []
        for (w, b), activation in zip(layers, acts, strict=True):
            inputs.append(x)
            zs.append(x @ w + b[None, :])
            x = activation.value(zs[-1])
        return inputs, zs, x

    return forward


def _check(layers: Any, activations: Sequence[Any], x: Any) -> None:
    if len(layers) != len(activations):
        raise ValueError(f"`activations` must have one for each layer: {len(layers)} layers, {len(activations)} given.")
    width = x.shape[-1]
    for index, (w, b) in enumerate(layers):
        if w.ndim != 2 or w.shape[0] != width or b.shape != w.shape[1:]:
            raise ValueError(f"layer {index} must have shapes ({width}, n) and (n,), got {w.shape} and {b.shape}.")
        width = w.shape[1]


def _through(factor: np.ndarray, dz: Slopes, shape: tuple[int, ...]) -> Slopes:
    """The slopes of the parameters that `factor` carries to pre-activations of `shape` (samples, units)."""

    def carried(per_line: np.ndarray) -> np.ndarray:
        return (factor.T @ per_line.reshape(shape)).ravel()

    states = np.full(factor.shape[1] * shape[1], "ok", dtype=dz.states.dtype)
    touched = abs(factor)
    for state in ("constant", *_UNMEASURED[::-1]):
        at = (dz.states == state).reshape(shape).astype(float)
        every = (touched > 0).astype(float).T
        count = (every @ at).ravel()
        # One sample with a kink spoils a weight; it is constant only if it is so in all of them.
        states[count > 0 if state != "constant" else count == (every @ np.ones(shape)).ravel()] = state
    bars = np.where(np.isfinite(dz.bars), dz.bars, 0.0)
    bars = (touched.T @ bars.reshape(shape)).ravel()
    bars[np.isin(states, ("nonfinite",))] = np.inf
    jumps = (touched.T @ dz.jumps.reshape(shape)).ravel()
    return Slopes(carried(np.nan_to_num(dz.values)), bars, np.full(len(bars), np.nan), states, jumps)


def _along_units(values_at: Callable[..., Any], layers: Any, z: Any, *, by_sample: bool) -> Along:
    """The loss along every pre-activation: lines (sample, unit), in that order."""
    samples, units = z.shape
    widest = max([units, *(w.shape[1] for w, _ in layers)])
    chunk = min(units, max(1, _NUMBERS // (widest * samples)))  # the same for any number of distances: compiled once

    def along(distances: np.ndarray) -> np.ndarray:
        n = distances.shape[1]
        grid = np.broadcast_to(distances, (samples * units, n)).reshape(samples, units, n)
        if by_sample:  # a unit in all samples at once: points (unit, n), each with one distance a sample
            which, at = np.repeat(np.arange(units), n), grid.transpose(1, 2, 0).reshape(units * n, samples)
        else:  # points (sample, unit, n), each with one distance that is not 0
            which = np.tile(np.repeat(np.arange(units), n), samples)
            at = (grid.ravel()[:, None]) * np.repeat(np.eye(samples), units * n, axis=0)
        values = []
        for first in range(0, len(which), chunk):
            index = np.arange(first, first + chunk) % len(which)
            values.append(np.asarray(compiled(values_at, layers, z, which[index], at[index])))
        values = np.concatenate(values)[: len(which)]
        if by_sample:
            return values.reshape(units, n, samples).transpose(2, 0, 1).reshape(samples * units, n)
        return values.reshape(samples * units, n)

    return along


@lru_cache(maxsize=256)
def _values_at(acts: tuple[Same, ...], loss: Same, *, rank_one: bool) -> Callable[..., Any]:
    """From units (points,) and how far they are moved in each sample (points, samples), to the losses."""

    def rest(z: Any, layers: Any, acts: tuple[Same, ...]) -> Any:
        out = acts[0].value(z)
        for (w, b), activation in zip(layers, acts[1:], strict=True):
            out = activation.value(out @ w + b[None, :])
        return loss.value(out)

    def values(layers: Any, z: Any, which: Any, by: Any) -> Any:
        if not rank_one:
            return jax.vmap(lambda unit, by: rest(z.at[:, unit].add(by), layers, acts))(which, by)
        # One output of the layer changes, and with it the next pre-activations by a matrix of rank one.
        (w, b), *further = layers
        out = acts[0].value(z)
        next_z = out @ w + b[None, :]

        def value(unit: Any, by: Any) -> Any:
            change = acts[0].value(z + by[:, None])[:, unit] - out[:, unit]
            return rest(next_z + change[:, None] * w[unit][None, :], further, acts[1:])

        return jax.vmap(value)(which, by)

    return values


def _apart(function: Same, z: Any) -> tuple[bool, bool]:
    """Whether moving one sample moves the output of that sample alone; and one unit of one sample, that unit alone.

    Tried on every sample and every unit, at `z` and where nothing saturates.
    """
    by_sample, by_unit = np.asarray(compiled(_stays_apart(function), z))
    return bool(by_sample), bool(by_unit)


@lru_cache(maxsize=256)
def _stays_apart(function: Same) -> Callable[..., Any]:
    def others_stay(z: Any, out: Any, at: tuple[Any, ...]) -> Any:
        change = jnp.abs(function.value(z.at[at].add(0.5)) - out)
        stays = (change <= 8 * jnp.finfo(out.dtype).eps * jnp.abs(out)) | ~jnp.isfinite(out)
        return jnp.all(stays.at[at].set(True))

    def both(z: Any) -> Any:
        samples, units = jnp.arange(z.shape[0]), jnp.arange(z.shape[1])
        out = function.value(z)
        by_sample = jax.lax.map(lambda n: others_stay(z, out, (n,)), samples, batch_size=64).all()
        if out.shape != z.shape:
            return jnp.stack([by_sample, jnp.zeros_like(by_sample)])
        by_unit = jax.lax.map(lambda j: others_stay(z, out, (j % len(z), j)), units, batch_size=64).all()
        return jnp.stack([by_sample, by_unit])

    def apart(z: Any) -> Any:
        return both(z) & both(jnp.cos(jnp.arange(z.size, dtype=z.dtype)).reshape(z.shape))

    return apart
