import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp._placement import available_platforms, DTYPES, first_device, placed

from .helpers import platforms


TREE = {"jax": jnp.ones(3, "float32"), "numpy": np.ones(3, np.float32), "half": jnp.ones(2, "bfloat16")}
KEPT = {"labels": np.arange(3), "mask": jnp.array([True]), "count": 4, "name": "x", "rate": 0.5, "f": jnp.tanh}


@pytest.mark.parametrize("dtype", DTYPES)
def test_floating_arrays_are_converted_and_nothing_else(dtype):
    with placed((TREE, KEPT), dtype=dtype) as (tree, kept):
        assert {leaf.dtype for leaf in jax.tree.leaves(tree)} == {jnp.dtype(dtype)}
        assert isinstance(tree["numpy"], np.ndarray) and isinstance(tree["jax"], jax.Array)
        assert all(kept[name] is KEPT[name] for name in KEPT)


def test_float64_holds_where_64_bits_are_off():
    with jax.enable_x64(False), placed(TREE, dtype="float64") as tree:
        assert tree["jax"].dtype == jnp.zeros(()).dtype == jnp.float64


def test_nothing_asked_for_changes_nothing():
    with placed(TREE) as tree:
        assert all(tree[name] is TREE[name] for name in TREE)


@pytest.mark.parametrize("platform", platforms())
def test_arrays_old_and_new_lie_on_the_platform(platform):
    with placed(TREE, platform=platform) as tree:
        assert tree["jax"].devices() == jnp.zeros(()).devices() == {first_device(platform)}
        assert isinstance(tree["numpy"], np.ndarray)


def test_the_first_device_of_several_is_the_first():
    devices = jax.local_devices(backend="cpu")
    assert len(devices) > 1 and first_device("cpu") == devices[0]


def test_the_available_platforms_are_those_of_the_other_tests():
    assert available_platforms() == platforms()


def test_a_platform_that_is_not_there_is_a_sentence(monkeypatch):
    def no_devices(**asked):
        raise RuntimeError(f"Unknown backend {asked}")

    monkeypatch.setattr(jax, "local_devices", no_devices)
    with pytest.raises(LookupError, match="no gpu device here; for an NVIDIA GPU install"):
        first_device("gpu")
    with pytest.raises(LookupError, match="JAX finds no device: Unknown"):
        first_device(None)
    with pytest.raises(LookupError, match="no tpu device here.$"), placed(TREE, platform="tpu"):
        pass
    assert available_platforms() == []
