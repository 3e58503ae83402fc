"""A batch spread over eight devices gives what one device gives."""

import os
import subprocess
import sys
import textwrap


# The number of devices is fixed when JAX starts, hence a process of its own.
PROGRAM = """
    import jax, numpy as np, optax
    from functools import partial
    from jax.sharding import Mesh, NamedSharding, PartitionSpec
    import jaxmlp

    assert len(jax.devices()) == 8
    x, y = jaxmlp.parity(4)
    params = jaxmlp.init_params(jax.random.key(0), (4, 5, 1))
    mesh = Mesh(np.asarray(jax.devices()), ("batch",))
    spread = NamedSharding(mesh, PartitionSpec("batch"))
    whole = NamedSharding(mesh, PartitionSpec())

    def all_results(params, x, y):
        train = partial(
            jaxmlp.fit, loss_and_grads=jaxmlp.loss_and_grads, optimizer=optax.adam(0.1), steps=5
        )
        state, losses = train(params, (x, y))
        by_minibatch, _ = train(params, (x, y), batch_size=8, key=jax.random.key(1))
        return jaxmlp.loss_and_grads(params, x, y), state.params, losses, by_minibatch.params

    args = jax.device_put(params, whole), jax.device_put(x, spread), jax.device_put(y, spread)
    assert len(args[1].sharding.device_set) == 8 and args[1].addressable_shards[0].data.shape == (2, 4)
    actual, expected = jax.jit(all_results)(*args), jax.jit(all_results)(params, x, y)
    for one, other in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        assert len(one.sharding.device_set) == 8 and len(other.sharding.device_set) == 1
        # Sums over the batch in another order, through five steps of adam in float32.
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    print("equal")
"""


def test_a_sharded_batch_gives_the_single_device_result():
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8"
    environment = os.environ | {
        "XLA_FLAGS": flags.strip(),
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM)], env=environment, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout) == (0, "equal\n"), result.stderr
