"""What `check_rule` says of the custom rules of JAX, optax, flax and equinox, at ordinary and at extreme points.

Every public function of the modules below is traced at a few kinds of inputs; those whose program holds a rule are
checked there, and then with every number of every floating input replaced by an extreme one: zeros of both signs, tiny,
large and infinite numbers, equal inputs. What is not "right" is printed with its first finding, or why it is undecided.
Flax and equinox are asked where they are installed. The table of the last run is kept in `rules.md`, with the defects
of the libraries that it led to; `tests/verify/rule/test_the_field.py` asserts that each is still there.

    python benchmarks/rules.py                                   float32, every module
    python benchmarks/rules.py --dtype float64 --module jax.nn   another dtype, one module
    python benchmarks/rules.py --ordinary                        no extreme points
"""

import argparse
import importlib
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp

from jaxmlp import check_rule
from jaxmlp.verify._program._primal import has_rules


MODULES = (
    *("jax.nn", "jax.numpy", "jax.numpy.linalg", "jax.scipy.special", "jax.lax"),
    *("optax.losses", "optax.projections", "optax"),
    *("flax.linen", "flax.nnx", "equinox", "equinox.internal"),
)

# What prints, stops on purpose, or is the same under another name.
SKIPPED = {"debug_backward_nan", "nondifferentiable", "assert_dce", "error_if", "branched_error_if"}

EXTREME = ("0", "-0", "1", "-1", "tiny", "100", "-100", "1e4", "-1e4", "huge", "inf", "-inf")
"""In every input at once, so that equal inputs are among them."""


def points(dtype: Any) -> Iterator[tuple[Any, ...]]:
    """Inputs that a public function may take."""
    x, y = jnp.asarray([0.3, 0.7], dtype), jnp.asarray([0.8, 0.4], dtype)
    matrix = jnp.asarray([[2.0, 0.3, 0.1], [0.2, 1.5, 0.4], [0.1, 0.3, 1.1]], dtype)
    larger = jnp.eye(4, dtype=dtype) + jnp.sqrt(jnp.arange(16, dtype=dtype)).reshape(4, 4) / 10
    scalars = tuple(jnp.asarray(value, dtype) for value in (0.3, 0.7, 1.4, 0.4))
    yield from ((x,), (x, y), scalars[:3], scalars, (matrix,), (larger,), (2, x), (x, 0.5))


def reached(module: str, dtype: Any) -> Iterator[tuple[str, Callable[..., Any], tuple[Any, ...]]]:
    """The public functions of a module that call a rule, and the first inputs at which they do."""
    try:
        namespace = vars(importlib.import_module(module))
    except ImportError:
        return
    for name, function in sorted(namespace.items()):
        if name.startswith("_") or name in SKIPPED or isinstance(function, type) or not callable(function):
            continue
        for inputs in points(dtype):
            try:
                found = has_rules(function, *inputs)
            except Exception:  # other inputs than these
                continue
            if found:
                yield f"{module}.{name}", function, inputs
                break


def extremes(inputs: tuple[Any, ...], dtype: Any) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """The inputs with all of their floating numbers replaced by an extreme one."""
    limits = jnp.finfo(dtype)
    values = {"tiny": 8 * float(limits.tiny), "huge": float(limits.max) / 8}
    is_matrix = any(getattr(value, "ndim", 0) > 1 for value in inputs)
    for extreme in EXTREME[:3] if is_matrix else EXTREME:
        value = values[extreme] if extreme in values else float(extreme)
        yield extreme, tuple(jnp.full_like(leaf, value) if hasattr(leaf, "dtype") else leaf for leaf in inputs)


def said(function: Callable[..., Any], inputs: tuple[Any, ...]) -> tuple[str, str]:
    """The verdict, and what is said beside it."""
    try:
        report = check_rule(function, *inputs)
    except Exception as error:
        return "refused", f"{type(error).__name__}: {error}"
    told = [f"{finding.cause}: {finding.message}" for finding in report.findings] or list(report.reasons)
    return report.verdict, told[0] if told else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dtype", choices=("bfloat16", "float32", "float64"), default="float32")
    parser.add_argument("--module", action="append", choices=MODULES)
    parser.add_argument("--ordinary", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    jax.config.update("jax_enable_x64", options.dtype == "float64")
    counts: Counter[str] = Counter()
    seen: set[int] = set()
    print("| function | inputs | verdict | said |\n|---|---|---|---|")
    for module in options.module or MODULES:
        for name, function, inputs in reached(module, options.dtype):
            if id(function) in seen:
                continue
            seen.add(id(function))
            others = () if options.ordinary else extremes(inputs, options.dtype)
            for label, at in (("ordinary", inputs), *others):
                verdict, told = said(function, at)
                counts[verdict] += 1
                if label == "ordinary" or verdict in ("wrong", "refused") or "precision" in told:
                    told = " ".join(told.split()).replace("|", "/")
                    print(f"| `{name}` | {label} | {verdict} | {told[:160]} |", flush=True)
    print(f"\n{len(seen)} functions, " + ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
