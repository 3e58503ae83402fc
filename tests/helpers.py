"""Tables and comparisons that several test modules share."""

from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxmlp


DTYPES = ("float16", "bfloat16", "float32", "float64")

EPS = {dtype: float(jnp.finfo(dtype).eps) for dtype in DTYPES}
TINY = {dtype: float(jnp.finfo(dtype).tiny) for dtype in DTYPES}

# What rounding may cost, in multiples of eps of a leaf's largest element: one for each operation on the way.
ULPS_OF_AN_OPERATION = 8
ULPS_OF_A_NETWORK = 32

# Central differences in float64 with h = eps^(1/3) = 6e-6: h² of truncation and eps/h of rounding are both about
# 4e-11 times derivatives of order 1 to 10.
STEP = float(jnp.finfo("float64").eps) ** (1 / 3)
DIFFERENCE_TOLERANCE = 2e-9

ELEMENTWISE = (
    jaxmlp.identity,
    jaxmlp.sigmoid,
    jaxmlp.tanh,
    jaxmlp.relu,
    jaxmlp.leaky_relu,
    jaxmlp.elu,
    jaxmlp.softplus,
    jaxmlp.silu,
    jaxmlp.gelu,
    jaxmlp.gelu_tanh,
)
ACTIVATIONS = (*ELEMENTWISE, jaxmlp.softmax)

LOSSES = (
    jaxmlp.bce,
    jaxmlp.bce_with_logits,
    jaxmlp.half_squared_error,
    jaxmlp.mean_squared_error,
    jaxmlp.softmax_cross_entropy,
)


def platforms() -> list[str]:
    """The platforms that JAX offers here, the CPU first."""
    found = []
    for name in ("cpu", "gpu", "tpu"):
        try:
            jax.devices(name)
        except RuntimeError:
            continue
        found.append(name)
    return found


def make_gap_from_zero(z):
    """`z` moved away from 0, where relu and leaky_relu have a kink: a difference across it is no derivative."""
    return jnp.where(z >= 0, z + 0.1, z - 0.1)


def astype(tree: Any, dtype: Any) -> Any:
    """`tree` with every floating leaf in `dtype`; integer leaves are labels and stay."""
    cast = lambda leaf: as_jax(leaf, dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf
    return jax.tree.map(cast, tree)


def assert_close(actual: Any, expected: Any, *, ulps: float, scale: Any = None) -> None:
    """Each leaf of `actual` is within `ulps` of its own dtype of `expected`, relative to the leaf's largest element.

    `scale`, a tree of numbers, stands in for that largest element where the terms of a sum are larger than the sum.
    Structure and shape are compared first, and dtype too unless `expected` is the float64 truth. Non-finite elements
    must be the same on both sides. What is below the smallest normal number may be flushed to 0 by the hardware.
    """
    chex.assert_trees_all_equal_structs(actual, expected)
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree.leaves_with_path(actual)]
    scales = [0.0] * len(paths) if scale is None else jax.tree.leaves(scale)
    for path, one, other, least in zip(paths, jax.tree.leaves(actual), jax.tree.leaves(expected), scales, strict=True):
        assert one.shape == other.shape, f"{path}: shape {one.shape}, expected {other.shape}"
        assert other.dtype in (one.dtype, jnp.float64), f"{path}: dtype {one.dtype}, expected {other.dtype}"
        found, truth = np.asarray(one, np.float64), np.asarray(other, np.float64)
        finite = np.isfinite(truth)
        np.testing.assert_array_equal(found[~finite], truth[~finite], err_msg=f"{path}: non-finite elements")
        found, truth = found[finite], truth[finite]
        dtype = one.dtype.name
        allowed = ulps * EPS[dtype] * np.abs(truth).max(initial=least) + TINY[dtype]
        error = np.abs(found - truth).max(initial=0)
        assert error <= allowed, f"{path}: off by {error:.3g}, allowed {allowed:.3g} ({ulps} ulps)"  # NaN fails


def as_custom_vjp(fwd, bwd):
    """The pair handed to `jax.custom_vjp` as it is."""
    f = jax.custom_vjp(lambda *inputs: fwd(*inputs)[0])
    f.defvjp(fwd, bwd)
    return f


def central_difference(f, inputs, direction):
    """The derivative of the scalar `f` along `direction`, in float64."""
    ahead = jax.tree.map(lambda leaf, leaf_dot: leaf + STEP * leaf_dot, inputs, direction)
    behind = jax.tree.map(lambda leaf, leaf_dot: leaf - STEP * leaf_dot, inputs, direction)
    return (f(*ahead) - f(*behind)) / (2 * STEP)


def generator(key) -> np.random.Generator:
    """NumPy's generator seeded by a key: unlike JAX's it compiles nothing for a new shape, which saves seconds here."""
    return np.random.default_rng(np.asarray(jax.random.key_data(key)))


def as_jax(numbers: Any, dtype: Any) -> jax.Array:
    """An array of JAX; `jnp.asarray` compiles a program for each new shape and dtype, this none."""
    return jax.device_put(np.asarray(numbers, dtype))


def normal(key, shape, dtype: Any = "float64") -> jax.Array:
    """Standard normal numbers."""
    return as_jax(generator(key).normal(size=shape), dtype)


def random_like(key, tree):
    """A tree like `tree` of standard normal numbers."""
    random = generator(key)
    return jax.tree.map(lambda leaf: as_jax(random.normal(size=leaf.shape), leaf.dtype), tree)


def inner(one, other):
    """`<one, other>`, summed over all leaves."""
    return sum(jnp.vdot(u, v) for u, v in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True))


def network(sizes, *leading, seed=1, dtype: Any = "float32") -> jaxmlp.Params:
    """Parameters distributed as `init_params` draws them, which would be compiled for each network; `leading` axes."""
    random = np.random.default_rng(seed)
    draw = lambda n_in, *shape: as_jax(random.uniform(-1, 1, (*leading, *shape)) / np.sqrt(n_in), dtype)
    return tuple(
        jaxmlp.Dense(draw(n_in, n_in, n_out), draw(n_in, n_out))
        for n_in, n_out in zip(sizes[:-1], sizes[1:], strict=True)
    )


def problem(
    key, sizes=(2, 3, 1), *, batch=4, loss=jaxmlp.bce, bias=True, dtype: Any = "float64"
) -> tuple[jaxmlp.Params, jax.Array, jax.Array]:
    """A network's parameters, inputs, and targets that suit `loss`."""
    random = generator(key)
    numbers = lambda *shape: as_jax(random.normal(size=shape), dtype)
    params = tuple(
        jaxmlp.Dense(numbers(n_in, n_out), numbers(n_out) if bias else None)
        for n_in, n_out in zip(sizes[:-1], sizes[1:], strict=True)
    )
    x, shape = numbers(batch, sizes[0]), (batch, sizes[-1])
    if loss in (jaxmlp.bce, jaxmlp.bce_with_logits):
        return params, x, as_jax(random.integers(0, 2, shape), dtype)
    if loss is jaxmlp.softmax_cross_entropy:
        return params, x, as_jax(np.eye(shape[1])[random.integers(0, shape[1], batch)], dtype)
    return params, x, numbers(*shape)


def with_standard_promotion(optimizer: optax.GradientTransformation) -> optax.GradientTransformation:
    """`optimizer` under ordinary promotion: optax's Adam raises a float to an integer count, which strict bars."""

    def update(updates, state, params=None):
        with jax.numpy_dtype_promotion("standard"):
            return optimizer.update(updates, state, params)

    return optax.GradientTransformation(optimizer.init, update)
