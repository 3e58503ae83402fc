"""The workloads of `training.py`: what is trained, and who trains it.

All candidates of a workload start from the same parameters. Those that take long make fewer steps of the same curve.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import in_c
import jax
import jax.numpy as jnp
import numpy as np
import optax
import peers
from jax.sharding import NamedSharding, PartitionSpec

import jaxmlp


RATE = 1.0


class Candidate(NamedTuple):
    """A program that gives what `fit` does, a pair with the losses of its steps in second place."""

    run: Callable[[], Any]
    steps: int


class Workload(NamedTuple):
    """Candidates that compute the same; the times are for one step of one network."""

    title: str
    unit: str
    ours: str
    candidates: dict[str, Candidate]
    networks: int = 1
    note: str = ""


def compiled(function: Callable[..., Any], *args: Any, options: dict[str, Any] | None = None) -> partial[Any]:
    """The function with its arguments, as a caller of `jax.jit` has it, run once."""
    program = jax.jit(function, compiler_options=options)
    jax.block_until_ready(program(*args))
    return partial(program, *args)


def in_numpy(params: Any, batch: Any, rate: float, *, classes: bool) -> peers.Problem:
    params, (x, y) = jax.tree.map(np.array, (params, batch))
    return peers.Problem(params, x, y, rate, classes)


# The networks on XOR.


def xor_alone(sizes: tuple[int, ...], less: int) -> Workload:
    steps, batch = 10_001 // less, jaxmlp.gate("xor")
    # A start that learns within the 500 steps of the slowest, and from which rounding moves no loss by more than 1e-5.
    params = jaxmlp.init_params(jax.random.key(4), sizes, init="normal")
    bound: Any = dict(optimizer=optax.sgd(RATE), steps=steps)
    by_hand = partial(jaxmlp.fit, loss_and_grads=jaxmlp.loss_and_grads, **bound)
    by_autodiff = partial(jaxmlp.fit, loss_and_grads=jax.value_and_grad(jaxmlp.loss_value), **bound)
    small = jaxmlp.small_network_options()
    programs = dict(in_c.on_one_network(sizes, params, batch, RATE, steps))
    programs["fit"] = compiled(by_hand, params, batch)
    programs["fit, small_network_options"] = compiled(by_hand, params, batch, options=small)
    programs["fit of jax.grad"] = compiled(by_autodiff, params, batch)
    programs["scan of jax.grad"] = compiled(partial(plain_scan, steps=steps), params, batch)
    if jax.default_backend() == "gpu":
        programs["fit in one kernel"] = compiled(partial(by_hand, kernel="gpu"), params, batch)
    else:
        print("no GPU: `fit` in one kernel is left out")
    candidates = {name: Candidate(run, steps) for name, run in programs.items()}
    problem = in_numpy(params, batch, RATE, classes=False)
    for name, train in peers.that_can("train").items():
        own = steps if name == "numba" else steps // 20  # compiled as a whole; the others take a call for each step
        candidates[name] = Candidate(train(problem, own), own)
    _check_losses(candidates, "fit")
    return Workload(f"{'-'.join(map(str, sizes))} on XOR, {steps} steps", "ns", "fit", candidates)


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


def population_on_xor(less: int, *, record: bool) -> Workload:
    steps, count, batch = 2000 // less, 10_000, jaxmlp.gate("xor")
    params = jax.vmap(lambda key: jaxmlp.init_params(key, (2, 2, 1)))(jax.random.split(jax.random.key(0), count))
    options = jaxmlp.small_network_options()
    bound: Any = dict(loss_and_grads=jaxmlp.loss_and_grads, optimizer=optax.sgd(RATE), steps=steps)

    def train(params: Any, batch: Any, **kernel: Any) -> Any:
        state, losses = jaxmlp.fit(params, batch, **bound, **kernel)
        return state.params, (losses if record else None)

    ours, few = "population(fit)", steps // 20
    side_by_side = jaxmlp.population(train, in_axes=(0, None))
    one_by_one = jax.vmap(partial(plain_scan, steps=few), (0, None))
    programs = in_c.on_many_networks(params, batch, RATE, steps, record=record)
    programs[ours] = compiled(side_by_side, params, batch, options=options)
    if jax.default_backend() == "gpu":
        in_a_kernel = jax.vmap(partial(train, kernel="gpu"), (0, None))
        programs[f"{ours} in one kernel"] = compiled(in_a_kernel, params, batch)
    else:
        print("no GPU: a population in one kernel is left out")
    if len(jax.devices()) > 1:
        mesh = jax.make_mesh((len(jax.devices()),), ("networks",))
        own, shared = PartitionSpec("networks"), PartitionSpec()
        everywhere = jax.shard_map(side_by_side, mesh=mesh, in_specs=(own, shared), out_specs=own, check_vma=False)
        args = jax.device_put((params, batch), (NamedSharding(mesh, own), NamedSharding(mesh, shared)))
        programs[f"{ours} on {len(jax.devices())} devices"] = compiled(everywhere, *args, options=options)
    candidates = {name: Candidate(run, steps) for name, run in programs.items()}
    candidates["vmap of a scan of jax.grad"] = Candidate(compiled(one_by_one, params, batch), few)
    problem = in_numpy(params, batch, RATE, classes=False)
    for name, population in peers.that_can("population").items():
        candidates[name] = Candidate(population(problem, few, record), few)
    if record:
        _check_losses(candidates, ours)
    else:
        _check_params(candidates, params, batch, steps)
    kept = "every loss recorded" if record else "the last parameters kept"
    return Workload(f"{count:,} networks 2-2-1 on XOR, {steps} steps, {kept}", "ns", ours, candidates, count)


# Larger networks, relu and a softmax.


def large(sizes: tuple[int, ...], batch: int) -> tuple[Any, Any, dict[str, Any]]:
    x_key, y_key, params_key = jax.random.split(jax.random.key(0), 3)
    x = jax.random.normal(x_key, (batch, sizes[0]))
    y = jax.random.randint(y_key, (batch,), 0, sizes[-1])
    of_network = dict(hidden=jaxmlp.relu, output=jaxmlp.identity, loss=jaxmlp.softmax_cross_entropy)
    both = {
        "jax.grad": jax.value_and_grad(partial(jaxmlp.loss_value, **of_network)),
        "by hand": partial(jaxmlp.loss_and_grads, **of_network),
    }
    return jaxmlp.init_params(params_key, sizes, init="he"), (x, y), both


def digits_in_size(less: int) -> Workload:
    steps, rate = 1000 // less, 0.1
    params, batch, both = large((64, 256, 256, 10), 128)
    candidates = {}
    for name, loss_and_grads in both.items():
        train = partial(jaxmlp.fit, loss_and_grads=loss_and_grads, optimizer=optax.sgd(rate), steps=steps)
        candidates[f"fit, {name}"] = Candidate(compiled(train, params, batch), steps)
    problem, few = in_numpy(params, batch, rate, classes=True), steps // 10
    for name, train in peers.that_can("train").items():
        if name != "numba":  # it would leave products of matrices to the library that NumPy calls
            candidates[name] = Candidate(train(problem, few), few)
    _check_losses(candidates, "fit, by hand")
    return Workload(f"64-256-256-10, batch 128, {steps} steps", "us", "fit, by hand", candidates)


def one_large_gradient(less: int) -> Workload:
    sizes, rows = ((1024, 4096, 4096, 1000), 512) if less == 1 else ((64, 256, 256, 10), 128)
    params, batch, both = large(sizes, rows)
    programs = {name: compiled(loss_and_grads, params, *batch) for name, loss_and_grads in both.items()}
    problem = in_numpy(params, batch, 0.0, classes=True)
    programs |= {name: gradient(problem) for name, gradient in peers.that_can("gradient").items()}
    _check_gradients(programs)
    analyses: dict[str, Any] = {
        name: jax.jit(loss_and_grads).lower(params, *batch).compile().memory_analysis()
        for name, loss_and_grads in both.items()
    }
    used = (f"{name} {analysis.temp_size_in_bytes / 2**20:.1f}" for name, analysis in analyses.items())
    outputs = [jax.random.normal(jax.random.key(n), (rows, n)) for n in sizes]
    programs["its products of matrices alone"] = compiled(lambda *args: list(products_alone(*args)), params, outputs)
    side = round(_multiplications(sizes, rows) ** (1 / 3))
    square = jax.random.normal(jax.random.key(0), (side, side))
    programs[f"one product of as many operations, {side} by {side}"] = compiled(jnp.matmul, square, square)
    candidates = {name: Candidate(run, 1) for name, run in programs.items()}
    title = f"{'-'.join(map(str, sizes))}, batch {rows}, one gradient"
    operations = f"{2e-9 * _multiplications(sizes, rows):.1f} billion operations"
    return Workload(
        title, "ms", "by hand", candidates, note=f"{operations}. Temporary memory in MiB: {', '.join(used)}."
    )


def _multiplications(sizes: tuple[int, ...], rows: int) -> int:
    """In the products of a gradient: three of each layer, but two of the first, whose input needs none."""
    return rows * sum((3 if i else 2) * n * m for i, (n, m) in enumerate(zip(sizes, sizes[1:], strict=False)))


def products_alone(params: Any, outputs: list[Any]) -> Iterator[Any]:
    """The products of a forward and a backward pass, on numbers of their shapes, with nothing between them."""
    for i, (layer, x, dz) in enumerate(zip(params, outputs[:-1], outputs[1:], strict=True)):
        yield from (x @ layer.w, x.T @ dz, *([dz @ layer.w.T] if i else []))


# That all candidates compute the same, to one in a thousand. Rounding moves the losses by 1e-5, and the logarithm of a
# rounded p that is nearly 1 is off by 4e-4 of a loss of 1e-4; a rate or a gradient that is 1 % off moves them by 1 %.
_RTOL = 1e-3


def _check_losses(candidates: dict[str, Candidate], ours: str) -> None:
    """The first, the middle and the last loss of each."""
    expected = np.asarray(candidates[ours].run()[1])
    for name, candidate in candidates.items():
        losses = np.asarray(candidate.run()[1])
        assert losses.shape[-1] == candidate.steps, f"{name}: {losses.shape[-1]} losses of {candidate.steps} steps"
        for step in (0, candidate.steps // 2, candidate.steps - 1):
            _check_close(losses[..., step], expected[..., step], f"the loss at step {step} by {name}")


def _check_params(candidates: dict[str, Candidate], params: Any, batch: Any, steps: int) -> None:
    """The losses of the last parameters of each."""
    train = partial(jaxmlp.fit, loss_and_grads=jaxmlp.loss_and_grads, optimizer=optax.sgd(RATE), steps=steps + 1)
    _, expected = jax.jit(jaxmlp.population(train, in_axes=(0, None)))(params, batch)
    loss_of = jax.jit(jax.vmap(lambda params: jaxmlp.loss_value(params, *batch)))
    for name, candidate in candidates.items():
        last = tuple(jaxmlp.Dense(*layer) for layer in jax.device_get(candidate.run()[0]))
        _check_close(loss_of(last), expected[:, candidate.steps], f"the loss after {candidate.steps} steps by {name}")


def _check_gradients(programs: dict[str, Callable[[], Any]]) -> None:
    """The loss and the norm of each leaf, which is the same for a leaf and its transpose.

    A relu whose input rounds to the other side of 0 is open for one and shut for another: that moves norms by 1e-5.
    """
    losses_and_norms = {
        name: [loss, *(np.linalg.norm(np.asarray(leaf, np.float64)) for leaf in jax.tree.leaves(grads))]
        for name, (loss, grads) in ((name, run()) for name, run in programs.items())
    }
    for name, own in losses_and_norms.items():
        np.testing.assert_allclose(own, losses_and_norms["by hand"], rtol=1e-4, err_msg=name)


def _check_close(actual: Any, expected: Any, what: str) -> None:
    """Of many networks one in a hundred may be at a point from where rounding grows."""
    off = np.quantile(np.abs(np.asarray(actual) / np.asarray(expected) - 1), 0.99)
    assert off < _RTOL, f"{what} is off by {off:.0e} of it"


WORKLOADS: dict[str, Callable[[int], Workload]] = {
    "W1": partial(xor_alone, (2, 2, 1)),
    "W2": partial(xor_alone, (2, 10, 10, 10, 1)),
    "W3": digits_in_size,
    "W4": one_large_gradient,
    "W5": partial(population_on_xor, record=False),
    "W5-losses": partial(population_on_xor, record=True),
}
