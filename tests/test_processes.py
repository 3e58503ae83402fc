"""Several processes train as one; and when one of them dies, or never comes, the others end with an error in time."""

import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
from functools import partial

import jax
import numpy as np
import optax
import pytest

import jaxmlp

from .helpers import as_jax


pytestmark = pytest.mark.long


STEPS = 20
# Seconds without a sign of life after which a process is taken for dead: as few as a busy machine allows.
HEARTBEAT = 10
# Seconds until a test gives up on a process that ought to have ended: fewer than JAX's own 100 for the above.
PATIENCE = 60

# Every process runs the same; each has one device. It trains again and again until it is stopped.
PROGRAM = """
    import sys, jax, optax, numpy as np
    from functools import partial
    from jax.sharding import Mesh, NamedSharding, PartitionSpec as P
    import jaxmlp

    address, process, steps, heartbeat, timeout = sys.argv[1], *map(int, sys.argv[2:])
    jax.distributed.initialize(
        address, 2, process, initialization_timeout=timeout, heartbeat_timeout_seconds=heartbeat
    )
    assert len(jax.devices()) == 2 and len(jax.local_devices()) == 1
    mesh = Mesh(jax.devices(), ("batch",))
    rows, whole = NamedSharding(mesh, P("batch")), NamedSharding(mesh, P())
    batch = jax.device_put(jaxmlp.parity(3), rows)
    layer = lambda n, m: jaxmlp.Dense(np.eye(n, m, dtype="float32"), np.zeros(m, "float32"))
    params = jax.device_put((layer(3, 4), layer(4, 1)), whole)
    fit = partial(jaxmlp.fit, loss_and_grads=jaxmlp.loss_and_grads, optimizer=optax.sgd(0.5), steps=steps)
    train = jax.jit(fit)
    print("losses", *np.asarray(train(params, batch)[1]).tolist(), flush=True)
    while True:
        train(params, batch)[1].block_until_ready()
"""


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def start(address, process, timeout=120):
    own = os.environ | {"JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    arguments = map(str, (address, process, STEPS, HEARTBEAT, timeout))
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), *arguments]
    return subprocess.Popen(command, env=own, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def processes():
    """Starts processes, of which none is left when the test ends."""
    started = []

    def start_one(*args, **kwargs):
        started.append(start(*args, **kwargs))
        return started[-1]

    yield start_one
    for process in started:
        process.kill()
        process.communicate()


def losses_of(process):
    for line in process.stdout:  # Gloo prints there too
        if line.startswith("losses"):
            return np.array(line.split()[1:], float)
    pytest.fail(process.stderr.read())


def last_words(process):
    """What a process said before it ended, in time and not as if all were well."""
    _, words = process.communicate(timeout=PATIENCE)
    assert process.returncode != 0
    return words


def test_two_processes_train_as_one_and_neither_outlives_the_other(processes):
    """Two pairs side by side, for each end is a wait: one pair loses its coordinator, one the other process."""
    addresses = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    pairs = [[processes(address, number) for number in (0, 1)] for address in addresses]
    layer = lambda n, m: jaxmlp.Dense(as_jax(np.eye(n, m), "float32"), as_jax(np.zeros(m), "float32"))
    train = partial(jaxmlp.fit, loss_and_grads=jaxmlp.loss_and_grads, optimizer=optax.sgd(0.5), steps=STEPS)
    _, expected = jax.jit(train)((layer(3, 4), layer(4, 1)), jaxmlp.parity(3))
    for victim, pair in enumerate(pairs):
        losses = [losses_of(process) for process in pair]
        np.testing.assert_array_equal(losses[0], losses[1])
        np.testing.assert_allclose(losses[0], expected, rtol=1e-5)  # float32, sums over the batch in another order
        pair[victim].send_signal(signal.SIGKILL)

    words = {victim: last_words(pair[1 - victim]) for victim, pair in enumerate(pairs)}
    for said in words.values():
        assert "Terminating process because the JAX distributed service detected fatal errors" in said
    # The coordinator ends the others at once, and lives to see its own step fail.
    assert re.search("JaxRuntimeError: .*Gloo all-reduce failed", words[1])
    assert "Task 1 heartbeat timeout" in words[1]


def test_an_address_without_coordinator_and_a_process_that_never_comes_end_in_an_error(processes):
    waiting = [processes(f"127.0.0.1:{free_port()}", number, timeout=1) for number in (0, 1)]
    for words in map(last_words, waiting):
        assert "DEADLINE_EXCEEDED" in words and "RegisterTask" in words
