import signal
import threading
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxmlp
from jaxmlp import fit, TrainState
from jaxmlp._run import _run

from ..helpers import assert_close, ULPS_OF_A_NETWORK
from .problem import accuracy, assert_same, BATCH, MINIBATCHES, OPTIMIZER, OPTIONS, PARAMS, train


@pytest.mark.parametrize("options", ({}, MINIBATCHES), ids=("full batch", "minibatches"))
@pytest.mark.parametrize("chunk", (None, 4, 10), ids=str)
def test_is_fit_bit_for_bit_however_it_is_cut(options: dict[str, Any], chunk):
    result = train(steps=10, chunk=chunk, **options)
    state, losses = fit(PARAMS, BATCH, steps=10, **OPTIONS, **options)
    chex.assert_trees_all_equal(result.state, state)
    np.testing.assert_array_equal(result.history.losses, losses)
    assert (result.reason, result.history.steps, result.nonfinite, result.unsaved) == ("finished", 10, None, None)
    assert "finished after 10 steps" in str(result)


def test_another_training_is_told_apart():
    with pytest.raises(AssertionError):
        assert_same(train(steps=10), train(steps=10, optimizer=optax.sgd(0.5 * (1 + 1e-15), momentum=0.9)))


def test_two_programs_are_compiled_and_one_where_the_chunks_are_equal():
    shapes = []

    def watched(params, x, y):
        shapes.append(x.shape)
        return jaxmlp.loss_and_grads(params, x, y)

    def traces(steps):
        shapes.clear()
        train(steps=steps, chunk=4, loss_and_grads=lambda *args: watched(*args))
        return len(shapes)

    whole = traces(4)
    assert traces(12) == whole
    one_more = traces(15) - whole
    assert 0 < one_more < whole + 1  # the start is a program too


def test_evaluation_comes_back_as_arrays():
    result = train(steps=10, chunk=4, evaluate=accuracy)
    np.testing.assert_array_equal(result.history.evaluated_at, [4, 8, 10])
    assert result.history.evaluations["accuracy"].shape == (3,)
    assert result.history.evaluations["accuracy"][-1] == accuracy(result.state.params)["accuracy"]
    result = train(steps=4, chunk=4, evaluate=lambda params: 7)
    np.testing.assert_array_equal(result.history.evaluations["value"], [7.0])


def test_stops_early_by_what_the_history_says():
    seen = []

    def stop(history):
        seen.append((history.steps, len(history.evaluated_at)))
        return history.steps >= 8

    result = train(steps=40, chunk=4, stop=stop, evaluate=accuracy)
    assert (result.reason, result.state.step, seen) == ("stopped", 8, [(4, 1), (8, 2)])
    chex.assert_trees_all_equal(result.state, train(steps=8).state)


def test_continues_from_a_state():
    first = train(steps=4, **MINIBATCHES)
    second = jaxmlp.run(first.state, BATCH, **OPTIONS, steps=6, batch_size=2)
    assert isinstance(first.state, TrainState) and second.history.steps == 6
    chex.assert_trees_all_equal(second.state, train(steps=10, **MINIBATCHES).state)


def test_no_steps_give_the_start():
    result = train(steps=0)
    chex.assert_trees_all_equal(result.state.params, PARAMS)
    assert (result.reason, result.history.losses.shape) == ("finished", (0,))


@pytest.mark.usefixtures("usual_signals")
@pytest.mark.parametrize("number", (signal.SIGINT, signal.SIGTERM))
def test_a_signal_ends_it_after_the_chunk(number):
    handler = signal.getsignal(number)
    result = train(steps=40, chunk=4, evaluate=lambda params: signal.raise_signal(number) or 0.0)
    assert (result.reason, result.state.step, result.history.steps) == ("interrupted", 4, 4)
    assert signal.getsignal(number) is handler


@pytest.mark.usefixtures("usual_signals")
def test_a_second_signal_ends_it_at_once():
    with pytest.raises(KeyboardInterrupt):
        train(steps=40, chunk=4, evaluate=lambda params: [signal.raise_signal(signal.SIGINT) for _ in range(2)])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_the_caller_stays_in_charge():
    noted = []
    before = signal.signal(signal.SIGTERM, lambda *args: noted.append(args))
    try:
        result = train(steps=8, chunk=4, evaluate=lambda params: signal.raise_signal(signal.SIGTERM) or 0.0)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (result.reason, len(noted)) == ("finished", 2)


def test_runs_outside_the_main_thread():
    results = []
    thread = threading.Thread(target=lambda: results.append(train(steps=4)))
    thread.start()
    thread.join()
    assert results[0].reason == "finished"


def test_an_error_of_a_callback_is_raised():
    def evaluate(params):
        raise ZeroDivisionError("theirs")

    with pytest.raises(ZeroDivisionError, match="theirs"):
        train(steps=4, evaluate=evaluate)


@pytest.mark.parametrize("options", ({}, dict(batch_size=2)), ids=("full batch", "minibatches"))
def test_the_members_of_an_ensemble_train_as_they_would_alone(options: dict[str, Any]):
    keys = jax.random.split(jax.random.key(1), 2)
    params = jax.vmap(lambda key: jaxmlp.init_params(key, (2, 3, 1), dtype="float64"))(keys)
    own: Any = lambda i: dict(key=keys[i]) if options else {}
    evaluate = lambda params: params[0].w.sum(axis=(1, 2))
    many: dict[str, Any] = dict(key=keys) if options else {}
    result = jaxmlp.run(params, BATCH, **OPTIONS, steps=6, chunk=3, ensemble=True, evaluate=evaluate, **options, **many)
    assert result.history.losses.shape == (2, 6) and result.history.evaluations["value"].shape == (2, 2)
    for i in range(2):
        member = jax.tree.map(lambda leaf, i=i: leaf[i], (params, result.state.params))
        alone = jaxmlp.run(member[0], BATCH, **OPTIONS, steps=6, **options, **own(i))
        assert_close(member[1], alone.state.params, ulps=16 * ULPS_OF_A_NETWORK)
        np.testing.assert_allclose(result.history.losses[i], alone.history.losses, rtol=1e-12)


def test_a_python_number_among_the_parameters_gets_a_dtype_of_its_own():
    loss_and_grads = jax.value_and_grad(lambda params, x, y: (params["a"] * x.sum() - y.sum()) ** 2)
    result = jaxmlp.run({"a": 0.5}, BATCH, loss_and_grads=loss_and_grads, optimizer=OPTIMIZER, steps=2)
    assert not result.state.params["a"].weak_type


@pytest.mark.parametrize(
    ("steps", "size", "rows", "expected"),
    (
        (10_001, 9, 4, 10_001),  # a small network: all at once
        (2**20, 9, 4, 2**18),
        (1000, 85_002, 128, 50),  # at most 98, and 50 divides the steps
        (1000, 25_000_000, 512, 1),
        (997, 85_002, 128, 91),  # a prime: 11 chunks, the last is shorter
        (0, 9, 4, 1),
    ),
)
def test_a_chunk_is_some_tenths_of_a_second_long(steps, size, rows, expected):
    assert _run._chunk(steps, jnp.zeros(size, "int8"), np.zeros((rows, 1)), None) == expected


WRONG = {
    "steps": (dict(steps=2.5), TypeError, "`steps` must be a Python integer"),
    "chunk": (dict(chunk=0), ValueError, "`chunk` is 0, but must be at least 1"),
    "evaluate": (dict(evaluate=3), TypeError, "`evaluate` must be a function, got 3"),
    "stop": (dict(stop=True), TypeError, "`stop` must be a function, got True"),
    "as fit": (dict(batch_size=9, key=jax.random.key(0)), ValueError, "`batch_size` is 9, but `batch` has only 4"),
    "no members": (dict(ensemble=True), ValueError, "`ensemble` is True.*params.0.b.*(3,).*jax.random.split"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_argument_is_refused_with_a_reason(case):
    changes, error, message = WRONG[case]
    with pytest.raises(error, match=message):
        train(**(dict(steps=4) | changes))
