"""Two steps have one fingerprint exactly if they compute the same; another process finds the same one."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmlp
from jaxmlp._run._fingerprint import fingerprint


Z = jnp.arange(3.0)


def scaled(factor):
    return lambda z: jax.jit(lambda z: factor * z)(z)


SAME = {
    "other names": (lambda z: jnp.sin(z) * z, lambda other: jnp.sin(other) * other),
    "a jitted function of another name": (jax.jit(lambda z: z + 1), jax.jit(lambda other: other + 1)),
    "the same constant": (scaled(2.0), scaled(2.0)),
    "the same array": (lambda z: z + np.arange(3.0), lambda z: z + np.arange(3.0)),
}
OTHER = {
    "operation": (jnp.sin, jnp.cos),
    "operands": (lambda z: z - z * z, lambda z: z * z - z),
    "constant": (scaled(2.0), scaled(3.0)),
    "array": (lambda z: z + np.arange(3.0), lambda z: z + np.arange(3.0)[::-1].copy()),
    "parameter": (lambda z: jnp.cumsum(z), lambda z: jax.lax.cumsum(z, reverse=True)),
    "length of a loop": tuple((lambda z, n=n: jax.lax.fori_loop(0, n, lambda i, z: jnp.sin(z), z)) for n in (3, 4)),
    "body of a loop": tuple(
        (lambda z, f=f: jax.lax.scan(lambda z, _: (f(z), None), z, length=3)[0]) for f in (jnp.sin, jnp.cos)
    ),
    "branch": tuple((lambda z, f=f: jax.lax.cond(z[0] > 0, f, jnp.tanh, z)) for f in (jnp.sin, jnp.cos)),
    "activation": (jaxmlp.tanh, jaxmlp.sigmoid),
    "result": (lambda z: (z, z + 1), lambda z: (z + 1, z)),
}


@pytest.mark.parametrize("case", SAME)
def test_the_same_computation_has_the_same_fingerprint(case):
    one, other = SAME[case]
    assert fingerprint(one, Z) == fingerprint(other, Z)


@pytest.mark.parametrize("case", OTHER)
def test_another_computation_has_another(case):
    one, other = OTHER[case]
    assert fingerprint(one, Z) != fingerprint(other, Z)


def test_arguments_that_change_places_are_told_apart():
    assert fingerprint(lambda a, b: a - b, Z, Z) != fingerprint(lambda a, b: b - a, Z, Z)


SCRIPT = """
import jax, jax.numpy as jnp, optax, jaxmlp
from jaxmlp._run._fingerprint import fingerprint
from jaxmlp._run._plain import plain_step

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_default_matmul_precision", "highest")
x, y = jaxmlp.gate("xor")
ones = lambda *shape: jnp.ones(shape, x.dtype)
params = jaxmlp.Dense(ones(2, 3), ones(3)), jaxmlp.Dense(ones(3, 1), ones(1))
optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(optax.cosine_decay_schedule(0.1, 100)))
state = jaxmlp.TrainState(params, optimizer.init(params), jnp.zeros((), "int32"), jax.random.key(1))
options = dict(loss_and_grads=jax.value_and_grad(jaxmlp.loss_value), optimizer=optimizer, batch_size=2)
found = fingerprint(lambda state: plain_step(state, (x, y), **options), state)
"""


def test_another_process_finds_the_same():
    here: dict[str, str] = {}
    with jax.numpy_dtype_promotion("standard"):
        exec(SCRIPT, here)
    environment = os.environ | {"PYTHONHASHSEED": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", f"{SCRIPT}\nprint(found)"]
    ended = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    assert ended.stdout.strip() == here["found"]
