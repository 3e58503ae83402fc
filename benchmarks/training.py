"""How fast `fit` trains, beside the same training in C and beside a scan of `jax.grad`, in one run.

    W1  XOR, 2-2-1, 10,001 steps, the loss of each recorded
    W2  XOR, 2-10-10-10-1, 10,001 steps
    W3  64-256-256-10, softmax, batch 128, 1000 steps: by hand and by `jax.grad`
    W4  1024-4096-4096-1000, batch 512, one gradient: by hand, by `jax.grad`, and a product of matrices alone
    W5  10,000 networks 2-2-1, 2000 steps, and again with every loss recorded; on two devices too, given two cores

All candidates of a workload take turns, round by round; a ratio is the median over the rounds of the times in the same
round. C is compiled where a compiler is (loops with -O3 -march=native -ffast-math, and hand-written vectors), and left
out with a word where none is. The losses of all candidates are compared before anything is timed.

    python benchmarks/training.py                  every workload
    taskset -c 0 python benchmarks/training.py W5  one core only
    python benchmarks/training.py --smoke          that everything runs, at a hundredth of the steps
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import in_c
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import NamedSharding, PartitionSpec

import jaxmlp


RATE = 1.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", default=list(WORKLOADS), metavar="W", help=" ".join(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--smoke", action="store_true", help="few steps and rounds: that everything runs")
    options = parser.parse_args()
    print(f"jax {jax.__version__} on {jax.devices()[0]}")
    for name in options.workloads:
        title, unit, count, candidates = WORKLOADS[name](100 if options.smoke else 1)
        print(f"\n{name} {title}\n")
        table(unit, count, candidates, 2 if options.smoke else options.rounds)
    return 0


def table(unit: str, count: float, candidates: dict[str, Callable[[], Any]], rounds: int) -> None:
    """Times per `count` in the unit, and the ratio to the first candidate."""
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for turn in range(rounds):
        names = list(candidates) if turn % 2 else list(candidates)[::-1]
        for name in names:
            started = time.perf_counter()
            jax.block_until_ready(candidates[name]())
            times[name].append(time.perf_counter() - started)
    first = next(iter(candidates))
    scale = {"ns": 1e9, "us": 1e6, "ms": 1e3}[unit.split()[0]] / count
    print(f"| | min, {unit} | median | ratio to {first} |\n|---|---:|---:|---:|")
    for name, own in times.items():
        ratio = statistics.median(a / b for a, b in zip(own, times[first], strict=True))
        print(f"| {name} | {min(own) * scale:.4g} | {statistics.median(own) * scale:.4g} | {ratio:.2f} |")


def compiled(function: Callable[..., Any], *args: Any, options: dict[str, Any] | None = None) -> partial[Any]:
    """The function with its arguments, as a caller of `jax.jit` has it, run once."""
    program = jax.jit(function, compiler_options=options)
    jax.block_until_ready(program(*args))
    return partial(program, *args)


# The networks on XOR.


def xor_alone(sizes: tuple[int, ...], less: int) -> tuple[str, str, float, dict[str, Callable[[], Any]]]:
    steps, batch = 10_001 // less, jaxmlp.gate("xor")
    params = jaxmlp.init_params(jax.random.key(1), sizes)
    bound: Any = dict(optimizer=optax.sgd(RATE), steps=steps)
    by_hand = partial(jaxmlp.fit, loss_and_grads=jaxmlp.loss_and_grads, **bound)
    by_autodiff = partial(jaxmlp.fit, loss_and_grads=jax.value_and_grad(jaxmlp.loss_value), **bound)
    small = jaxmlp.small_network_options()
    candidates: dict[str, Callable[[], Any]] = dict(in_c.on_one_network(sizes, params, batch, RATE, steps))
    candidates["fit"] = compiled(by_hand, params, batch)
    candidates["fit, small_network_options"] = compiled(by_hand, params, batch, options=small)
    candidates["fit of jax.grad"] = compiled(by_autodiff, params, batch)
    candidates["scan of jax.grad"] = compiled(partial(plain_scan, steps=steps), params, batch)
    compare(candidates, "fit")
    return f"{'-'.join(map(str, sizes))} on XOR, {steps} steps", "ns a step", steps, candidates


def plain_scan(params: Any, batch: Any, steps: int) -> Any:
    """Written as in a tutorial: a scan of `jax.grad` of the cross-entropy of probabilities."""

    def loss(params: Any) -> Any:
        x, y = batch
        for layer in params:
            x = jax.nn.sigmoid(x @ layer.w + layer.b)
        return -(y * jnp.log(x) + (1 - y) * jnp.log(1 - x)).mean()

    def step(params: Any, _: Any) -> Any:
        value, grads = jax.value_and_grad(loss)(params)
        return jax.tree.map(lambda p, g: p - RATE * g, params, grads), value

    return jax.lax.scan(step, params, length=steps)


def population_on_xor(less: int, *, record: bool) -> tuple[str, str, float, dict[str, Callable[[], Any]]]:
    steps, count, batch = 2000 // less, 10_000, jaxmlp.gate("xor")
    params = jax.vmap(lambda key: jaxmlp.init_params(key, (2, 2, 1)))(jax.random.split(jax.random.key(0), count))
    options = jaxmlp.small_network_options()
    bound: Any = dict(loss_and_grads=jaxmlp.loss_and_grads, optimizer=optax.sgd(RATE), steps=steps)

    def train(params: Any, batch: Any) -> Any:
        state, losses = jaxmlp.fit(params, batch, **bound)
        return state.params, (losses if record else None)

    side_by_side = jaxmlp.population(train, in_axes=(0, None))
    one_by_one = jax.vmap(partial(plain_scan, steps=steps), (0, None))
    candidates = in_c.on_many_networks(params, batch, RATE, steps, record=record)
    candidates["population(fit)"] = compiled(side_by_side, params, batch, options=options)
    candidates["vmap of a scan of jax.grad"] = compiled(one_by_one, params, batch)
    if len(jax.devices()) > 1:
        mesh = jax.make_mesh((len(jax.devices()),), ("networks",))
        own, shared = PartitionSpec("networks"), PartitionSpec()
        everywhere = jax.shard_map(side_by_side, mesh=mesh, in_specs=(own, shared), out_specs=own, check_vma=False)
        args = jax.device_put((params, batch), (NamedSharding(mesh, own), NamedSharding(mesh, shared)))
        candidates[f"population(fit) on {len(jax.devices())} devices"] = compiled(everywhere, *args, options=options)
    if record:
        compare(candidates, "population(fit)")
    kept = "every loss recorded" if record else "the last parameters kept"
    title = f"{count:,} networks 2-2-1 on XOR, {steps} steps, {kept}"
    return title, "ns a network and step", count * steps, candidates


# Larger networks, relu and a softmax.


def large(sizes: tuple[int, ...], batch: int) -> tuple[Any, Any, dict[str, Any]]:
    x_key, y_key, params_key = jax.random.split(jax.random.key(0), 3)
    x = jax.random.normal(x_key, (batch, sizes[0]))
    y = jax.random.randint(y_key, (batch,), 0, sizes[-1])
    of_network = dict(hidden=jaxmlp.relu, output=jaxmlp.identity, loss=jaxmlp.softmax_cross_entropy)
    both = {
        "by hand": partial(jaxmlp.loss_and_grads, **of_network),
        "jax.grad": jax.value_and_grad(partial(jaxmlp.loss_value, **of_network)),
    }
    return jaxmlp.init_params(params_key, sizes, init="he"), (x, y), both


def digits_in_size(less: int) -> tuple[str, str, float, dict[str, Callable[[], Any]]]:
    steps = 1000 // less
    params, batch, both = large((64, 256, 256, 10), 128)
    candidates = {}
    for name, loss_and_grads in reversed(both.items()):
        train = partial(jaxmlp.fit, loss_and_grads=loss_and_grads, optimizer=optax.sgd(0.1), steps=steps)
        candidates[f"fit, {name}"] = compiled(train, params, batch)
    compare(candidates, "fit, by hand")
    return f"64-256-256-10, batch 128, {steps} steps", "ms a step", steps, candidates


def one_large_gradient(less: int) -> tuple[str, str, float, dict[str, Callable[[], Any]]]:
    sizes, rows = ((1024, 4096, 4096, 1000), 512) if less == 1 else ((64, 256, 256, 10), 128)
    params, batch, both = large(sizes, rows)
    candidates = {name: compiled(loss_and_grads, params, *batch) for name, loss_and_grads in reversed(both.items())}
    (loss, grads), (other_loss, other_grads) = (candidate() for candidate in candidates.values())
    np.testing.assert_allclose(loss, other_loss, rtol=1e-5)
    for one, other in zip(jax.tree.leaves(grads), jax.tree.leaves(other_grads), strict=True):
        assert np.linalg.norm(one - other) < 1e-5 * np.linalg.norm(other)
    analyses: dict[str, Any] = {
        name: jax.jit(loss_and_grads).lower(params, *batch).compile().memory_analysis()
        for name, loss_and_grads in reversed(both.items())
    }
    used = {name: analysis.temp_size_in_bytes / 2**20 for name, analysis in analyses.items()}
    memory = (f"{name} {size:.1f}" for name, size in used.items())
    title = f"{'-'.join(map(str, sizes))}, batch {rows}, one gradient; temporary memory in MiB: {', '.join(memory)}"
    outputs = [jax.random.normal(jax.random.key(n), (rows, n)) for n in sizes]
    candidates["its products of matrices alone"] = compiled(lambda *args: list(products_alone(*args)), params, outputs)
    return title, "ms", 1, candidates


def products_alone(params: Any, outputs: list[Any]) -> Iterator[Any]:
    """The products of a forward and a backward pass, on numbers of their shapes, with nothing between them."""
    for i, (layer, x, dz) in enumerate(zip(params, outputs[:-1], outputs[1:], strict=True)):
        yield from (x @ layer.w, x.T @ dz, *([dz @ layer.w.T] if i else []))


def compare(candidates: dict[str, Callable[[], Any]], reference: str) -> None:
    """The losses of the first tenth of the steps: later ones differ by more than rounding where digits are lost."""
    losses = {name: np.asarray(candidate()[1]) for name, candidate in candidates.items()}
    early = losses[reference].shape[-1] // 10 or 1
    for name, own in losses.items():
        np.testing.assert_allclose(own[..., :early], losses[reference][..., :early], rtol=1e-3, err_msg=name)


WORKLOADS: dict[str, Callable[[int], Any]] = {
    "W1": partial(xor_alone, (2, 2, 1)),
    "W2": partial(xor_alone, (2, 10, 10, 10, 1)),
    "W3": digits_in_size,
    "W4": one_large_gradient,
    "W5": partial(population_on_xor, record=False),
    "W5-losses": partial(population_on_xor, record=True),
}

if __name__ == "__main__":
    if len(os.sched_getaffinity(0)) > 1:
        jax.config.update("jax_num_cpu_devices", 2)  # a second device on the second core, for W5
    sys.exit(main())
