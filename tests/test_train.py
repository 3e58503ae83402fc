"""`fit` is a plain loop of optax updates, compiled as one program."""

from functools import cache, partial
from types import SimpleNamespace
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxmlp
from jaxmlp import fit, TrainState

from .helpers import (
    as_jax,
    assert_close,
    DTYPES,
    normal,
    problem,
    ULPS_OF_A_NETWORK,
    with_standard_promotion,
)


OPTIMIZERS = {
    "sgd": lambda rate: optax.sgd(rate),
    "momentum": lambda rate: optax.sgd(rate, momentum=0.9),
    "adam": lambda rate: with_standard_promotion(optax.adam(rate)),
}


def plain_loop(params, batch, optimizer, steps, loss_and_grads=jaxmlp.loss_and_grads):
    opt_state, losses = optimizer.init(params), []

    @jax.jit
    def step(params, opt_state):
        loss, grads = loss_and_grads(params, *batch)
        updates, opt_state = optimizer.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state, loss

    for _ in range(steps):
        params, opt_state, loss = step(params, opt_state)
        losses.append(loss)
    return params, opt_state, jnp.stack(losses)


SGD = optax.sgd(0.5)
MOMENTUM = optax.sgd(0.5, momentum=0.9)


@cache
def compiled(*, steps, loss_and_grads=jaxmlp.loss_and_grads, optimizer=SGD, batch_size=None):
    """`fit` with its static arguments bound; equal ones share what was compiled."""
    bound: Any = dict(steps=steps, loss_and_grads=loss_and_grads, optimizer=optimizer, batch_size=batch_size)
    return jax.jit(partial(fit, **bound))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_equals_a_plain_loop_of_optax_updates(getkey, optimizer):
    params, *batch = problem(getkey())
    optimizer = OPTIMIZERS[optimizer](0.1)
    state, losses = compiled(optimizer=optimizer, steps=5)(params, tuple(batch))
    expected_params, expected_opt_state, expected_losses = plain_loop(params, batch, optimizer, 5)
    # Five steps, each with the rounding of a network; adam's division by √v magnifies it where v is small.
    assert_close(state.params, expected_params, ulps=16 * ULPS_OF_A_NETWORK)
    chex.assert_trees_all_close(state.opt_state, expected_opt_state, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-12)
    assert state.step == 5 and state.key is None


def test_a_loop_with_another_rate_is_told_apart(getkey):
    params, *batch = problem(getkey())
    state, _ = compiled(optimizer=optax.sgd(0.1), steps=5)(params, tuple(batch))
    wrong, *_ = plain_loop(params, batch, optax.sgd(0.1 * (1 + 1e-9)), 5)
    with pytest.raises(AssertionError):
        assert_close(state.params, wrong, ulps=16 * ULPS_OF_A_NETWORK)


def test_losses_are_those_before_the_update(getkey):
    params, x, y = problem(getkey())
    loss_value = jax.jit(jaxmlp.loss_value)
    _, losses = compiled(steps=2)(params, (x, y))
    np.testing.assert_allclose(losses[0], loss_value(params, x, y), rtol=1e-14)
    once, _ = compiled(steps=1)(params, (x, y))
    np.testing.assert_allclose(losses[1], loss_value(once.params, x, y), rtol=1e-14)


def test_no_steps_change_nothing(getkey):
    params, x, y = problem(getkey())
    state, losses = compiled(steps=0)(params, (x, y))
    chex.assert_trees_all_equal(state.params, params)
    assert losses.shape == (0,) and state.step == 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_keeps_the_dtype_of_the_parameters(getkey, dtype):
    params, x, y = problem(getkey(), dtype=dtype)
    train = partial(
        fit, loss_and_grads=jaxmlp.loss_and_grads, optimizer=with_standard_promotion(optax.adam(0.1)), steps=3
    )
    state, losses = jax.eval_shape(train, params, (x, y))
    chex.assert_trees_all_equal_shapes_and_dtypes(state.params, params)
    assert losses.dtype == dtype and losses.shape == (3,)


def test_takes_value_and_grad_and_any_pytree_of_parameters(getkey):
    params = {"slope": jnp.zeros(()), "offset": (jnp.zeros(()),)}
    t = normal(getkey(), (20,))

    def loss(params, t, y):
        return jnp.mean((params["slope"] * t + params["offset"][0] - y) ** 2)

    train = compiled(loss_and_grads=jax.value_and_grad(loss), optimizer=optax.sgd(0.3), steps=200)
    state, losses = train(params, (t, 3 * t + 1))
    np.testing.assert_allclose(state.params["slope"], 3, rtol=1e-6)
    np.testing.assert_allclose(state.params["offset"][0], 1, rtol=1e-6)
    assert losses[-1] < 1e-10


def test_by_hand_and_by_autodiff_train_alike(getkey):
    params, x, y = problem(getkey())
    by_autodiff = jax.value_and_grad(jaxmlp.loss_value)
    actual, expected = (
        compiled(loss_and_grads=f, steps=5)(params, (x, y)) for f in (jaxmlp.loss_and_grads, by_autodiff)
    )
    assert_close((actual[0].params, actual[1]), (expected[0].params, expected[1]), ulps=16 * ULPS_OF_A_NETWORK)


def test_maps_over_seeds_and_learning_rates(getkey):
    _, x, y = problem(getkey(), batch=6)
    keys = jax.random.split(getkey(), 2)

    def train(key, rate):
        params_key, order_key = jax.random.split(key)
        params = jaxmlp.init_params(params_key, (2, 3, 1), dtype="float64")
        options: dict[str, Any] = dict(loss_and_grads=jaxmlp.loss_and_grads, steps=4, batch_size=2, key=order_key)
        return fit(params, (x, y), optimizer=with_standard_promotion(optax.adam(rate)), **options)

    rates = jnp.asarray([0.1, 0.3])
    over_rates = jax.vmap(train, in_axes=(None, 0))
    state, losses = jax.jit(jax.vmap(over_rates, in_axes=(0, None)))(keys, rates)
    assert losses.shape == (2, 2, 4)
    one_by_one = jax.jit(train)
    for i, j in ((0, 0), (0, 1), (1, 0)):
        alone, losses_alone = one_by_one(keys[i], rates[j])
        np.testing.assert_allclose(losses[i, j], losses_alone, rtol=1e-12)
        picked = jax.tree.map(lambda leaf, i=i, j=j: leaf[i, j], state.params)
        assert_close(picked, alone.params, ulps=16 * ULPS_OF_A_NETWORK)


# Minibatches, watched through a loss that says which rows it was given.


def rows_seen(params, rows):
    """The rows as the bits of a whole number, in the place of the loss."""
    return jnp.sum(2.0**rows), jax.tree.map(jnp.zeros_like, params)


def sets_of_rows(losses):
    return [{i for i in range(64) if int(loss) >> i & 1} for loss in np.asarray(losses)]


def visits(key, n, batch_size, steps, *, start=None, params=0.0):
    train = compiled(loss_and_grads=rows_seen, steps=steps, batch_size=batch_size)
    rows = (jnp.arange(n, dtype=jnp.float64),)
    first = start if start is not None else jnp.asarray(params)
    state, losses = train(first, rows) if start is not None else train(first, rows, key=key)
    return state, sets_of_rows(losses)


@pytest.mark.parametrize(("n", "batch_size"), ((6, 2), (7, 2), (5, 5), (4, 1)))
def test_an_epoch_visits_every_example_once_but_those_left_over(getkey, n, batch_size):
    an_epoch = n // batch_size
    _, seen = visits(getkey(), n, batch_size, 3 * an_epoch)
    for epoch in (seen[:an_epoch], seen[an_epoch : 2 * an_epoch], seen[2 * an_epoch :]):
        assert all(len(rows) == batch_size for rows in epoch)
        assert len(set.union(*epoch)) == an_epoch * batch_size  # none twice


def test_the_order_is_the_documented_permutation(getkey):
    key = getkey()
    _, seen = visits(key, 7, 2, 6)
    for epoch in range(2):
        order = np.asarray(jax.random.permutation(jax.random.fold_in(key, epoch), 7))
        assert seen[3 * epoch : 3 * epoch + 3] == [set(order[i : i + 2].tolist()) for i in (0, 2, 4)]


def test_the_order_is_drawn_in_one_place_of_the_program(getkey):
    params, *batch = problem(getkey())
    train = partial(fit, loss_and_grads=jaxmlp.loss_and_grads, optimizer=SGD, steps=2, batch_size=2)
    program = jax.make_jaxpr(train)(params, tuple(batch), key=getkey())
    assert str(program).count("name=_shuffle") == 1  # what `jax.random.permutation` calls


def test_the_order_depends_on_key_and_step_only(getkey):
    key, other = getkey(), getkey()
    _, seen = visits(key, 12, 3, 8)
    assert visits(key, 12, 3, 8, params=5.0)[1] == seen
    assert visits(other, 12, 3, 8)[1] != seen
    assert seen[:4] != seen[4:]  # each epoch has its own


@pytest.mark.parametrize("stop", (4, 5), ids=("between epochs", "within an epoch"))
def test_continuing_equals_not_stopping_bit_for_bit(getkey, stop):
    params, x, y = problem(getkey(), batch=5)
    key = getkey()
    options: dict[str, Any] = dict(optimizer=MOMENTUM, batch_size=2)
    whole, losses = compiled(steps=10, **options)(params, (x, y), key=key)
    first, first_losses = compiled(steps=stop, **options)(params, (x, y), key=key)
    second, second_losses = compiled(steps=10 - stop, **options)(first, (x, y))
    assert isinstance(first, TrainState) and first.step == stop
    chex.assert_trees_all_equal((second.params, second.opt_state, second.step), (whole.params, whole.opt_state, 10))
    np.testing.assert_array_equal(jnp.concatenate([first_losses, second_losses]), losses)


def test_continuing_with_full_batches_equals_not_stopping_bit_for_bit(getkey):
    params, x, y = problem(getkey())
    whole, losses = compiled(steps=10)(params, (x, y))
    first, first_losses = compiled(steps=4)(params, (x, y))
    second, second_losses = compiled(steps=6)(first, (x, y))
    chex.assert_trees_all_equal(second, whole)
    np.testing.assert_array_equal(jnp.concatenate([first_losses, second_losses]), losses)


def test_numpy_data_and_parameters_train_as_jax_arrays_do(getkey):
    params, x, y = problem(getkey(), batch=6)
    options: dict[str, Any] = dict(
        loss_and_grads=jaxmlp.loss_and_grads, optimizer=optax.sgd(0.1), steps=3, batch_size=2, key=getkey()
    )
    actual = fit(*jax.tree.map(np.asarray, (params, (x, y))), **options)
    assert_close(actual[0].params, fit(params, (x, y), **options)[0].params, ulps=1)


def test_the_whole_batch_as_one_minibatch_equals_no_minibatches(getkey):
    params, x, y = problem(getkey())
    (one, _), (other, _) = (
        compiled(steps=4)(params, (x, y)),
        compiled(steps=4, batch_size=4)(params, (x, y), key=getkey()),
    )
    assert_close(one.params, other.params, ulps=16 * ULPS_OF_A_NETWORK)


def test_compiles_once(getkey):
    @chex.assert_max_traces(n=1)
    def train(params, x, y):
        return fit(params, (x, y), loss_and_grads=jaxmlp.loss_and_grads, optimizer=optax.sgd(0.1), steps=3)

    compiled_train = jax.jit(train)
    for _ in range(2):
        compiled_train(*problem(getkey()))


def test_a_training_that_goes_nonfinite_says_so_in_its_losses(getkey):
    params, x, y = problem(getkey())
    _, losses = compiled(steps=3)(params, (x.at[0, 0].set(jnp.nan), y))
    assert jnp.isnan(losses).all()


# Errors. Each is read, and each names what is wrong and what to do.

_params = (jaxmlp.Dense(as_jax(np.zeros((2, 1)), float), as_jax([0.0], float)),)
_batch = (as_jax(np.zeros((4, 2)), float), as_jax(np.zeros((4, 1)), float))
_key = lambda: jax.random.key(0)

WRONG = {
    "no key": (dict(batch_size=2), ValueError, "`batch_size` is given, but no `key`.*pass jax.random.key"),
    "key without batch_size": (dict(key=_key), ValueError, "`key` orders minibatches, but `batch_size` is None"),
    "key is a number": (dict(batch_size=2, key=0), TypeError, "`key` must be a random key, got a int: pass jax.random"),
    "batch too small": (dict(batch_size=5, key=_key), ValueError, "`batch_size` is 5, but `batch` has only 4 row"),
    "batch_size 0": (dict(batch_size=0, key=_key), ValueError, "`batch_size` is 0, but must be at least 1"),
    "batch_size a float": (
        dict(batch_size=2.0, key=_key),
        TypeError,
        "`batch_size` must be a Python integer, got a fl",
    ),
    "steps a float": (dict(steps=3.0), TypeError, "`steps` must be a Python integer, got a float.*static"),
    "steps negative": (dict(steps=-1), ValueError, "`steps` is -1, but must be at least 0"),
    "steps a bool": (dict(steps=True), TypeError, "`steps` must be a Python integer, got a bool"),
    "no optimizer": (
        dict(optimizer=optax.adam),
        TypeError,
        "`optimizer` must be an optax transformation such as optax",
    ),
    "half an optimizer": (
        dict(optimizer=SimpleNamespace(init=lambda params: ())),
        TypeError,
        "`optimizer` must be an optax transformation such as optax",
    ),
    "no function": (dict(loss_and_grads=3.0), TypeError, "`loss_and_grads` must be a function, got 3.0"),
    "a vector of losses": (
        dict(loss_and_grads=lambda params, x, y: (x[:, 0], params)),
        ValueError,
        r"the loss must be a scalar of shape \(\), got shape \(4,\): take its mean",
    ),
    "jax.grad": (
        dict(loss_and_grads=jax.grad(jaxmlp.loss_value)),
        TypeError,
        r"must return a pair \(loss, grads\), got tuple: with jax.grad use jax.value_and_grad",
    ),
    "jax.grad of two": (
        dict(loss_and_grads=lambda params, x, y: (params[0], params[0])),
        TypeError,
        "with a scalar loss, got a Dense in its place: with jax.grad use jax.value_and_grad",
    ),
    "another structure": (
        dict(loss_and_grads=lambda params, x, y: (0.0 * x[0, 0], list(params))),
        ValueError,
        "the gradient must be a tree like `params`: got .*, expected ",
    ),
    "another shape": (
        dict(loss_and_grads=lambda params, x, y: (x[0, 0], (params[0]._replace(w=params[0].w.T),))),
        ValueError,
        r"the gradient of `0\.w` has shape \(1, 2\) .* but the parameter has shape \(2, 1\)",
    ),
    "another dtype": (
        dict(loss_and_grads=lambda params, x, y: (x[0, 0], jax.tree.map(lambda leaf: leaf.astype("float32"), params))),
        ValueError,
        r"the gradient of `0\.w` has .* dtype float32, but the parameter has .* dtype float64",
    ),
    "rows differ": (
        dict(batch=(np.zeros((4, 2)), np.zeros((3, 1)))),
        ValueError,
        r"different numbers of rows.*batch\[0\].*\(4, 2\).*batch\[1\].*\(3, 1\)",
    ),
    "no rows": (dict(batch=(np.zeros((0, 2)), np.zeros((0, 1)))), ValueError, "`batch` is empty.*mean is not defined"),
    "no arrays": (dict(batch=()), ValueError, "`batch` must hold arrays with one row an example"),
    "a scalar": (dict(batch=(np.zeros((4, 2)), np.zeros(()))), ValueError, "must hold arrays with one row an example"),
    "an array": (dict(batch=np.zeros((4, 2))), TypeError, r"`batch` must be a tuple of arrays such as \(x, y\)"),
    "lists": (
        dict(batch=([[0.0]], [[1.0]])),
        TypeError,
        r"`batch\[0\]\[0\]\[0\]` must be an array, got a float: convert",
    ),
}


def test_targets_that_are_none_are_refused_where_they_are_known():
    options: dict[str, Any] = dict(loss_and_grads=jaxmlp.loss_and_grads, optimizer=optax.sgd(0.1), steps=2)
    with pytest.raises(ValueError, match=r"`y\[\(0, 0\)\]` is 2.0, but targets of binary cross-entropy lie in 0 ... 1"):
        fit(_params, (_batch[0], _batch[1] + 2), **options)


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_argument_is_refused_with_a_reason(case):
    changes, error, message = WRONG[case]
    arguments: dict[str, Any] = dict(
        params=_params, batch=_batch, loss_and_grads=jaxmlp.loss_and_grads, optimizer=optax.sgd(0.1), steps=2
    )
    arguments |= {name: value() if value is _key else value for name, value in changes.items()}
    with pytest.raises(error, match=message):
        fit(arguments.pop("params"), arguments.pop("batch"), **arguments)


def test_steps_must_be_static_under_jit():
    train = lambda steps: fit(
        _params, _batch, loss_and_grads=jaxmlp.loss_and_grads, optimizer=optax.sgd(0.1), steps=steps
    )
    with pytest.raises(TypeError, match="`steps` must be a Python integer.*under jit make it static"):
        jax.jit(train)(3)


def test_a_continued_training_takes_no_second_key():
    options: dict[str, Any] = dict(loss_and_grads=jaxmlp.loss_and_grads, optimizer=SGD, steps=1)
    state, _ = compiled(steps=1, batch_size=2)(_params, _batch, key=_key())
    with pytest.raises(ValueError, match="`key` is given, but `params` is a TrainState that carries its own: leave"):
        fit(state, _batch, batch_size=2, key=_key(), **options)
    without_key, _ = compiled(steps=1)(_params, _batch)
    with pytest.raises(ValueError, match="`batch_size` is given, but no `key`"):
        fit(without_key, _batch, batch_size=2, **options)
