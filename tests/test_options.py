"""Compiler options: those that XLA knows, and no other."""

import jax
import jax.numpy as jnp
import pytest

from jaxmlp import _options, small_network_options


@pytest.fixture
def asked_anew():
    _options._known.cache_clear()
    yield
    _options._known.cache_clear()


def test_a_program_compiles_with_them():
    assert jax.jit(jnp.sin, compiler_options=small_network_options())(0.0) == 0


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="elsewhere than on a CPU there are none")
def test_an_option_that_xla_does_not_know_is_left_out(monkeypatch, asked_anew):
    options = {"xla_cpu_prefer_vector_width": 512, "xla_cpu_of_another_year": 1, "xla_cpu_use_fusion_emitters": "many"}
    monkeypatch.setattr(_options, "_ON_A_CPU", options)
    assert small_network_options() == {"xla_cpu_prefer_vector_width": 512}


def test_elsewhere_than_on_a_cpu_there_are_none(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert small_network_options() == {}


def test_the_callers_copy_is_his_own():
    small_network_options().clear()
    assert small_network_options() or jax.default_backend() != "cpu"
