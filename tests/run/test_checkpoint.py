import os
import random
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxmlp
from jaxmlp._run import _contents, _run

from .problem import accuracy, assert_same, BATCH, MINIBATCHES, OPTIONS, PARAMS, steps_in, train


pytestmark = pytest.mark.long


pytest.importorskip("orbax.checkpoint")

ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}

watched = partial(train, chunk=4, evaluate=accuracy, **MINIBATCHES)


@pytest.mark.parametrize("first", (8, 10), ids=("whole chunks", "within a chunk"))
def test_resumed_it_ends_as_if_it_had_not_been_interrupted(tmp_path, first):
    watched(steps=first, checkpoint_dir=tmp_path)
    resumed = train(steps=20, chunk=4, checkpoint_dir=tmp_path, **MINIBATCHES)
    assert resumed.resumed_from == first and resumed.history.steps == 20
    whole = train(steps=20, chunk=4, **MINIBATCHES)
    for one, other in zip(jax.tree.leaves(resumed.state.params), jax.tree.leaves(whole.state.params), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(resumed.history.losses, whole.history.losses)


@pytest.mark.usefixtures("usual_signals")
def test_interrupted_by_a_signal_it_goes_on_bit_for_bit(tmp_path):
    def evaluate(params):
        if not evaluated:
            signal.raise_signal(signal.SIGTERM)
        evaluated.append(params)
        return accuracy(params)

    evaluated: list = []
    stopped = watched(steps=20, evaluate=evaluate, checkpoint_dir=tmp_path)
    assert (stopped.reason, stopped.history.steps, stopped.unsaved, steps_in(tmp_path)) == ("interrupted", 4, None, [4])
    resumed = watched(steps=20, checkpoint_dir=tmp_path)
    assert resumed.resumed_from == 4
    assert_same(resumed, watched(steps=20))
    again = watched(steps=20, checkpoint_dir=tmp_path)  # all is done
    assert again.resumed_from == 20
    assert_same(again, resumed)


def test_a_stopped_training_stays_stopped(tmp_path):
    stop = lambda history: history.steps >= 8
    for resumed_from in (0, 8):
        result = train(steps=20, chunk=4, stop=stop, checkpoint_dir=tmp_path)
        assert (result.reason, result.history.steps, result.resumed_from) == ("stopped", 8, resumed_from)


def test_the_two_latest_stay_and_all_that_is_written_is_whole(tmp_path):
    train(steps=40, chunk=4, checkpoint_dir=tmp_path, checkpoint_seconds=0)
    kept = steps_in(tmp_path)
    assert len(kept) == 2 and kept[-1] == 40
    assert not [path for path in tmp_path.iterdir() if not path.name.isdigit()]


def test_no_more_often_than_asked(tmp_path):
    train(steps=40, chunk=4, checkpoint_dir=tmp_path, checkpoint_seconds=600)
    assert steps_in(tmp_path) == [40]


def test_what_a_training_needs_comes_back_whatever_it_is(tmp_path):
    params = {"w": jnp.ones((2, 1), "bfloat16"), "b": (jnp.zeros(1, "bfloat16"), None)}
    batch = tuple(leaf.astype("bfloat16") for leaf in BATCH)

    def loss(params, x, y):
        return jnp.mean((x @ params["w"] + params["b"][0][None, :] - y) ** 2)

    optimizer = optax.chain(optax.add_noise(0.1, 0.5, key=jax.random.key(0)), optax.sgd(0.1, momentum=0.9))
    with jax.numpy_dtype_promotion("standard"):
        run = partial(
            jaxmlp.run, params, batch, loss_and_grads=jax.value_and_grad(loss), optimizer=optimizer, chunk=2,
            evaluate=lambda params: {"w": np.asarray(params["w"], "float32")[:, 0], "nan": np.nan},
        )  # fmt: skip
        run(steps=2, checkpoint_dir=tmp_path)
        resumed = run(steps=6, checkpoint_dir=tmp_path)
        assert resumed.resumed_from == 2 and resumed.history.losses.dtype == "bfloat16"
        assert_same(resumed, run(steps=6))


@pytest.mark.parametrize("ensemble", (False, True))
def test_arrays_come_back_where_they_were(tmp_path, ensemble):
    mesh = jax.make_mesh((1,), ("members",), axis_types=(jax.sharding.AxisType.Auto,))
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("members" if ensemble else None))
    params = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), PARAMS) if ensemble else PARAMS
    run = partial(jaxmlp.run, jax.device_put(params, sharding), BATCH, **OPTIONS, ensemble=ensemble)
    run(steps=4, checkpoint_dir=tmp_path)
    resumed = run(steps=4, checkpoint_dir=tmp_path)
    assert resumed.resumed_from == 4 and resumed.state.params[0].w.sharding.is_equivalent_to(sharding, 2 + ensemble)


SCRIPT = """
import sys, time
import jax
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_default_matmul_precision", "highest")
from problem_of_run import accuracy, MINIBATCHES, train

def evaluate(params):
    time.sleep(0.01)
    return accuracy(params)

train(steps=200, chunk=4, evaluate=evaluate, checkpoint_dir=sys.argv[1], checkpoint_seconds=0, **MINIBATCHES)
"""


def test_killed_at_any_moment_it_ends_as_if_it_had_not_been(tmp_path, request):
    folder, script = tmp_path / "checkpoints", tmp_path / "script.py"
    shutil.copy(Path(__file__).parent / "problem.py", tmp_path / "problem_of_run.py")
    script.write_text(SCRIPT, encoding="utf-8")
    command = [sys.executable, "-W", "error", str(script), str(folder)]
    moments, reached = random.Random(request.node.name), [0]
    for while_it_writes in (False, True, True):
        child = subprocess.Popen(command, env=ENVIRONMENT)
        while child.poll() is None and not (folder.is_dir() and max(steps_in(folder), default=0) > reached[-1]):
            time.sleep(0.005)
        while child.poll() is None and while_it_writes and not list(folder.glob("*tmp*")):
            time.sleep(0.0005)
        time.sleep(moments.uniform(0, 0.02 if while_it_writes else 0.2))
        assert child.poll() is None, "the training ended before it could be killed"
        child.kill()
        child.wait()
        reached.append(max(steps_in(folder)))
    assert 0 < reached[1] < reached[2] < reached[3] < 200
    resumed = watched(steps=200, checkpoint_dir=folder)  # by this process, as it would be by one more of those
    assert resumed.resumed_from == reached[-1]
    assert_same(resumed, watched(steps=200))


# Another training in the folder.

OTHER = {
    "data": (
        dict(batch=(BATCH[0], np.subtract(1, BATCH[1]))),
        "holds another training: `batch` is .* here, but was .* there",
    ),
    "parameters": (
        dict(params=jax.tree.map(lambda leaf: np.multiply(2, leaf), PARAMS)),
        "another training: `params` is",
    ),
    "key": (dict(key=jax.random.key(4)), "another training: `key` is"),
    "batch size": (dict(batch_size=1), "another training: `batch_size` is 1 here, but was 2 there. Name another"),
    "learning rate": (
        dict(optimizer=optax.sgd(0.4, momentum=0.9)),
        "holds a training whose steps compute something else: .*, or another number in one of them, such as the learn",
    ),
    "activation": (
        dict(loss_and_grads=partial(jaxmlp.loss_and_grads, hidden=jaxmlp.tanh)),
        "holds a training whose steps compute something else: with another activation, loss or optimizer",
    ),
    "optimizer": (
        dict(optimizer=optax.sgd(0.5)),
        r"another optimizer or another dtype: `opt_state.0.trace.0.w` is not there here, but was float64\[2, 3\] there",
    ),
    "fewer steps": (dict(steps=2), "holds a training of 4 steps already, but `steps` is 2"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    train(steps=4, checkpoint_dir=folder, **MINIBATCHES)
    return folder


@pytest.mark.parametrize("case", OTHER)
def test_another_training_is_refused(case, folder):
    changes, message = OTHER[case]
    arguments = dict(params=PARAMS, batch=BATCH, steps=8, **OPTIONS, **MINIBATCHES) | changes
    with pytest.raises(ValueError, match=message):
        jaxmlp.run(**arguments, checkpoint_dir=folder)


def test_a_training_that_is_there_is_not_written_over(folder):
    with pytest.raises(FileExistsError, match="holds a training of 4 steps: pass resume=True to go on with it, or"):
        train(steps=8, checkpoint_dir=folder, resume=False, **MINIBATCHES)
    assert steps_in(folder) == [4]


def test_of_other_versions_it_goes_on_with_a_warning(folder, tmp_path, monkeypatch):
    shutil.copytree(folder, tmp_path / "folder")
    monkeypatch.setattr(_contents, "version", lambda name: "0.0.1" if name == "optax" else version(name))
    monkeypatch.setattr(_run, "fingerprint", lambda step, start: "written in another way")
    with pytest.warns(
        RuntimeWarning, match=rf"was made with optax {version('optax')} \(here 0.0.1\). The training goes"
    ) as warned:
        assert train(steps=8, checkpoint_dir=tmp_path / "folder", **MINIBATCHES).resumed_from == 4
    assert [warning.filename for warning in warned] == [__file__]


def test_of_another_schema_it_is_refused(folder, monkeypatch):
    monkeypatch.setattr(_contents, "_SCHEMA", 99)
    with pytest.raises(ValueError, match=r"of another version of jaxmlp: its checkpoints have the schema 2 \(version "):
        train(steps=8, checkpoint_dir=folder, **MINIBATCHES)
    assert steps_in(folder) == [4]


def test_two_trainings_do_not_share_a_folder(tmp_path):
    def evaluate(params):
        with pytest.raises(BlockingIOError, match="cannot be written to: .* is in use by another training"):
            train(steps=8, checkpoint_dir=tmp_path)
        return 0.0

    for steps in (4, 8):
        assert train(steps=steps, chunk=4, evaluate=evaluate, checkpoint_dir=tmp_path).unsaved is None


def test_orbax_is_an_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "orbax.checkpoint", None)
    with pytest.raises(
        ImportError, match=r"`checkpoint_dir` needs orbax-checkpoint: pip install 'jaxmlp\[checkpoint\]'"
    ):
        train(steps=4, checkpoint_dir=tmp_path)


def test_it_is_imported_only_where_it_is_used():
    code = "import sys, jaxmlp; sys.exit('orbax' in sys.modules or 'tensorstore' in sys.modules)"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        ).returncode
        == 0
    )
