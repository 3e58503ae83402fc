"""A training that cannot fit is refused from its sizes alone, and one that fits is not."""

import math
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest

import jaxmlp
from jaxmlp._run import _memory
from jaxmlp._run._memory import check_memory

from .problem import BATCH, OPTIONS, PARAMS, train


GIB = 2**30
HERE = jax.devices("cpu")[:1]


@pytest.fixture
def free(monkeypatch):
    """Sets how many bytes are free on this machine."""
    return lambda size: monkeypatch.setattr(_memory, "_free_here", lambda: size)


def shape(*axes, dtype=jnp.float32):
    return jax.ShapeDtypeStruct(axes, dtype)


def test_what_does_not_fit_is_refused_before_it_is_made(free):
    free(8 * GIB)
    state = {"w": shape(300_000, 300_000), "key": jax.eval_shape(lambda: jax.random.key(0))}
    with pytest.raises(MemoryError, match=r"at least 671 GiB of memory, and 8.0 GiB are free: 335 GiB are the param"):
        check_memory(state, shape(0), steps=1, devices=HERE)
    with pytest.raises(MemoryError, match="Make the ensemble smaller"):
        check_memory(state, shape(7, 0), steps=1, devices=HERE)
    with pytest.raises(MemoryError, match="64 GiB are what a layer computes of the batch. Make the batch smaller"):
        check_memory({"w": shape(1)}, shape(0), steps=1, devices=HERE, least=64 * GIB)
    with pytest.raises(MemoryError, match="losses of 1,000,000,000 steps take 26 GiB of memory.*make fewer steps"):
        check_memory({"w": shape(1)}, shape(7, 0), steps=10**9, devices=HERE)


def test_the_bound_is_exact(free):
    state = {"w": shape(10, dtype=jnp.float64)}
    for made, needed in ((), 160), ([shape(10, dtype=jnp.float64)], 80):
        free(needed)
        check_memory(state, shape(0), steps=20, devices=HERE, made=made)
        free(needed - 1)
        with pytest.raises(MemoryError, match="the training"):
            check_memory(state, shape(0), steps=1, devices=HERE, made=made)


def test_run_refuses_by_the_same_rule(free, monkeypatch):
    monkeypatch.setattr(_memory, "_free", lambda devices: _memory._free_here())  # wherever the state lies
    state = jaxmlp.fit(PARAMS, BATCH, steps=0, **OPTIONS)[0]
    held = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
    free(2 * held)
    assert train(steps=2).reason == "finished"
    free(10)
    with pytest.raises(MemoryError, match="Make the network smaller"):
        train(steps=2)
    free(2 * held)
    with pytest.raises(MemoryError, match="make fewer steps"):
        train(steps=10**6)


def test_each_accelerator_has_its_own_memory_and_all_of_the_cpu_share_one(free):
    free(5 * GIB)
    gpu = lambda **stats: SimpleNamespace(platform="gpu", memory_stats=lambda: stats)
    full = gpu(bytes_limit=4 * GIB, bytes_in_use=GIB)
    assert _memory._free([full, full]) == 6 * GIB
    assert _memory._free([gpu()]) == math.inf
    assert _memory._free(jax.devices("cpu")[:4]) == 5 * GIB


def test_a_container_says_its_limit_or_has_none(tmp_path):
    limit = tmp_path / "memory.max"
    assert _memory._of_a_container(limit) == math.inf
    limit.write_text("max\n")
    assert _memory._of_a_container(limit) == math.inf
    limit.write_text("1073741824\n")
    assert _memory._of_a_container(limit) == GIB


def test_this_machine_says_something_sensible():
    assert 2**20 < _memory._free_here() and _memory._said(_memory._of_the_machine())


@pytest.mark.parametrize(
    ("size", "said"), ((0, "0.0 B"), (999, "999 B"), (1536, "1.5 KiB"), (GIB, "1.0 GiB"), (2.0**60, "1,048,576 TiB"))
)
def test_a_size_is_said_in_the_largest_unit_that_fits(size, said):
    assert _memory._said(size) == said
