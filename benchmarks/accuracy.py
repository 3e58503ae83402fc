"""How many digits of a gradient are right, along a training on XOR from a loss of 0.1 to one in a million.

A 2-10-10-10-1 sigmoid network with cross-entropy, from several seeds. At each point the parameters are rounded to
float32 or bfloat16, and every candidate computes the gradient there in that type, in JAX under `jax.jit`. The truth is
the gradient in float64 at the same rounded parameters, by autodiff of the loss on logits and, the same, by hand.

The error of a leaf g is |g - truth| / (eps |truth|), in norms over the leaf: how many units in the last place of the
leaf's norm it is off, eps being the distance from 1 to the next number. The table shows the leaf that is worst, in the
median over the seeds. 1 / eps (8e6 in float32, 128 in bfloat16) means that no digit is right. The last line says what
can be expected: there the truth is compared with itself at parameters that were each moved by eps, up or down.

"sigmoid, then log" is the loss of a textbook, -y log p - (1 - y) log(1 - p). For the softmax losses the logit z is the
second of two, (0, z). torch is left out where it is not installed. Exit status 1 if the gradient of jaxmlp is off by
more than four times what that last line says.

    python benchmarks/accuracy.py
"""

import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import script
from points import SIZES, trained_points

import jaxmlp


DECADES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
DTYPES = ("float32", "bfloat16")
MOVED = "truth, parameters moved by eps"


def main() -> int:
    parser = script.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    options = parser.parse_args()
    seeds, decades = (2, (DECADES[0], DECADES[-1])) if options.smoke else (options.seeds, DECADES)
    with jax.enable_x64(True):
        points = trained_points(seeds, decades)
    figures, far = {}, False
    for dtype in DTYPES:
        errors = errors_along(points, seeds, decades, dtype)
        figures[dtype] = {
            name: {str(decade): script.finite(ulps) for decade, ulps in zip(decades, of, strict=True)}
            for name, of in errors.items()
        }
        print_table(dtype, decades, errors)
        far |= any(ours > 4 * moved for ours, moved in zip(errors["jaxmlp, by hand"], errors[MOVED], strict=True))
    script.write(options.json, figures)
    return int(far)


def errors_along(points: Any, seeds: int, decades: Any, dtype: str) -> dict[str, list[float]]:
    """For each candidate the error at each decade, in the median over the seeds."""
    gradients, eps = candidates(dtype), float(jnp.finfo(dtype).eps)
    errors: dict[str, list[list[float]]] = {name: [[] for _ in decades] for name in [*gradients, MOVED]}
    rng = np.random.default_rng(0)
    for i, decade in enumerate(decades):
        for seed in range(seeds):
            params = jax.tree.map(lambda leaf: np.asarray(jnp.asarray(leaf, dtype)), points[seed, decade])
            truth = true_gradient(params)
            for name, gradient in gradients.items():
                errors[name][i].append(error(gradient(params), truth) / eps)
            moved = jax.tree.map(lambda leaf: _wide(leaf) * (1 + rng.choice([-eps, eps], leaf.shape)), params)
            errors[MOVED][i].append(error(true_gradient(moved), truth) / eps)
    return {name: [float(np.median(of_seeds)) for of_seeds in of] for name, of in errors.items()}


def error(grads: Any, truth: Any) -> float:
    """The largest error of a leaf, relative to its norm; infinite where a number is not finite."""
    pairs = zip(jax.tree.leaves(grads), jax.tree.leaves(truth), strict=True)
    off = max(np.linalg.norm(_wide(leaf) - true) / np.linalg.norm(true) for leaf, true in pairs)
    return float(off) if np.isfinite(off) else float("inf")


def _wide(leaf: Any) -> np.ndarray:
    return np.asarray(leaf, np.float64)


def true_gradient(params: Any) -> Any:
    """In float64, in two ways."""
    with jax.enable_x64(True):
        wide, (x, y) = jax.tree.map(jnp.asarray, jax.tree.map(_wide, params)), jaxmlp.gate("xor", dtype="float64")
        _, by_hand = _by_hand(wide, x, y)
        by_autodiff = _of_optax(wide, x, y)
        assert error(by_autodiff, jax.device_get(by_hand)) < 1e-9, "float64 is not enough for a truth"
        return jax.device_get(by_autodiff)


_by_hand = jax.jit(jaxmlp.loss_and_grads)


def _logits(params: Any, x: Any) -> Any:
    for layer in params[:-1]:
        x = jax.nn.sigmoid(x @ layer.w + layer.b)
    return x @ params[-1].w + params[-1].b


def _two(z: Any) -> Any:
    return jnp.concatenate([jnp.zeros_like(z), z], axis=1)


def _textbook_loss(z: Any, y: Any) -> Any:
    p = jax.nn.sigmoid(z)
    return -y * jnp.log(p) - (1 - y) * jnp.log(1 - p)


def _labels_loss(z: Any, y: Any) -> Any:
    return optax.softmax_cross_entropy_with_integer_labels(_two(z), y[:, 0].astype(jnp.int32))


def _gradient_of(loss: Callable[..., Any]) -> Callable[..., Any]:
    """`jax.grad` of the mean of a loss of logits and targets."""
    return jax.jit(jax.grad(lambda params, x, y: loss(_logits(params, x), y).mean()))


_of_optax = _gradient_of(optax.sigmoid_binary_cross_entropy)


def candidates(dtype: str) -> dict[str, Callable[[Any], Any]]:
    """Gradients as functions of the parameters."""
    x, y = jaxmlp.gate("xor", dtype=dtype)
    in_jax: dict[str, Callable[..., Any]] = {
        "jaxmlp, by hand": lambda *args: _by_hand(*args)[1],
        "jax.grad, sigmoid, then log": _gradient_of(_textbook_loss),
        "jax.grad, optax.sigmoid_binary_cross_entropy": _of_optax,
        "jax.grad, optax.softmax_cross_entropy": _gradient_of(
            lambda z, y: optax.softmax_cross_entropy(_two(z), jnp.concatenate([1 - y, y], axis=1))
        ),
        "jax.grad, optax.softmax_cross_entropy_with_integer_labels": _gradient_of(_labels_loss),
    }
    bound = {name: lambda params, f=f: jax.device_get(f(params, x, y)) for name, f in in_jax.items()}
    return bound | in_torch(dtype)


def in_torch(dtype: str) -> dict[str, Callable[[Any], Any]]:
    try:
        import torch  # pyright: ignore[reportMissingImports]
        from torch.nn import functional as F  # pyright: ignore[reportMissingImports]
    except ImportError:
        return {}
    kind = getattr(torch, dtype)
    x, y = (torch.tensor(np.asarray(array, np.float32)).to(kind) for array in jaxmlp.gate("xor"))
    losses = {
        "torch, sigmoid, then log": lambda z: (
            -y * torch.sigmoid(z).log() - (1 - y) * (1 - torch.sigmoid(z)).log()
        ).mean(),
        "torch, BCELoss": lambda z: F.binary_cross_entropy(torch.sigmoid(z), y),
        "torch, BCEWithLogitsLoss": lambda z: F.binary_cross_entropy_with_logits(z, y),
        "torch, CrossEntropyLoss": lambda z: F.cross_entropy(
            torch.cat([torch.zeros_like(z), z], dim=1), y[:, 0].long()
        ),
    }

    def gradient(loss: Callable[..., Any], params: Any) -> list[np.ndarray]:
        leaves = [torch.tensor(np.asarray(leaf, np.float32)).to(kind) for leaf in jax.tree.leaves(params)]
        *hidden, w, b = (leaf.requires_grad_() for leaf in leaves)
        a = x
        for i in range(0, len(hidden), 2):
            a = torch.sigmoid(a @ hidden[i] + hidden[i + 1])
        return [leaf.float().numpy() for leaf in torch.autograd.grad(loss(a @ w + b), leaves)]

    return {name: lambda params, loss=loss: gradient(loss, params) for name, loss in losses.items()}


def print_table(dtype: str, decades: Any, errors: dict[str, list[float]]) -> None:
    sizes = "-".join(map(str, SIZES))
    print(f"\n**{dtype}**: ulps of a leaf's norm, {sizes} on XOR, at a loss of\n")
    print("| | " + " | ".join(f"{decade:.0e}" for decade in decades) + " |\n|---|" + "---:|" * len(decades))
    for name, of in errors.items():
        print(f"| {name} | " + " | ".join(f"{ulps:.0f}" if ulps < 1e4 else f"{ulps:.0e}" for ulps in of) + " |")


if __name__ == "__main__":
    sys.exit(main())
