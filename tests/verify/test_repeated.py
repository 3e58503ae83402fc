"""A gradient that is no function of its arguments, and one that changes them: both are named, and nothing is harmed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp import assert_gradients, check, check_pair, check_rule, GradientError
from jaxmlp.verify._repeated import _changes, _loss_repeated
from jaxmlp.verify._verdict._evidence import Subject

from .gradients import grads, loss, problem


@pytest.fixture
def data(getkey):
    return problem(getkey(), "float64")


def in_numpy(params, x, y):
    """The right gradient of `loss` in NumPy."""
    a1 = np.tanh(x @ params["w1"] + params["b1"][None])
    dz2 = 2 * (a1 @ params["w2"] + params["b2"][None] - y) / len(y)
    dz1 = dz2 @ params["w2"].T * (1 - a1 * a1)
    return {"w1": x.T @ dz1, "b1": dz1.sum(axis=0), "w2": a1.T @ dz2, "b2": dz2.sum(axis=0)}


def noisy(right):
    def noisy_grads(params, x, y):
        found = right(params, x, y)
        noise = 1e-3 * np.random.default_rng().normal(size=(3, 4))
        return found | {"w1": found["w1"] + noise}

    return noisy_grads


def masked(right):
    def masked_grads(params, x, y):
        found = right(params, x, y)
        keep = (np.random.default_rng().random((3, 4)) > 0.5).astype(float)
        return found | {"w1": found["w1"] * keep}

    return masked_grads


def alternating(right):
    calls = []

    def alternating_grads(params, x, y):
        calls.append(None)
        return jax.tree.map(lambda leaf: leaf if len(calls) % 2 else -leaf, right(params, x, y))

    return alternating_grads


def tiring(right):
    calls = []

    def tiring_grads(params, x, y):
        calls.append(None)
        return jax.tree.map(lambda leaf: leaf / len(calls), right(params, x, y))

    return tiring_grads


def forgetful(right):
    calls = []

    def forgetful_grads(params, x, y):
        calls.append(None)
        found = right(params, x, y)
        return found if len(calls) % 2 else {"w1": found["w1"]}

    return forgetful_grads


@pytest.mark.parametrize(("right", "kind"), ((grads, jnp.asarray), (in_numpy, np.asarray)), ids=("JAX", "NumPy"))
@pytest.mark.parametrize("misbehaving", (noisy, masked, alternating, tiring, forgetful))
def test_another_gradient_at_each_call_is_undecided_and_said_to_be_so(data, right, misbehaving, kind):
    params, x, y = jax.tree.map(kind, data)
    function = misbehaving(right)
    report = check(loss, function, params, x, y)
    assert report.verdict == "undecided" and {leaf.verdict for leaf in report.leaves} == {"undecided"}
    assert f"Two calls of `{function.__name__}` with the same arguments gave different gradients" in report.reasons[0]
    assert all(finding.cause == "nondeterministic" for finding in report.findings)
    assert "nan" in str(report) and report.to_html() and report.to_json()


@pytest.mark.parametrize("right", (grads, in_numpy), ids=("JAX", "NumPy"))
def test_the_line_that_draws_random_numbers_is_named(data, right):
    (finding,) = check(loss, noisy(right), *data).findings
    assert finding.line and "+ noise" in finding.line.text and finding.line.source


def test_the_line_that_calls_what_is_random_is_named_with_that_in_it(data):
    def disturbed(leaf):
        noise = 1e-3 * np.random.default_rng().normal(size=leaf.shape)
        return leaf + noise

    def calling(params, x, y):
        found = grads(params, x, y)
        found["w1"] = disturbed(found["w1"])
        return found

    (finding,) = check(loss, calling, *data).findings
    assert finding.line and finding.line.text == 'found["w1"] = disturbed(found["w1"])'
    assert finding.line.within and finding.line.within.text == "return leaf + noise"


def test_a_value_that_varies_is_named_beside_a_gradient_that_does_not(data):
    varying = lambda *args: (loss(*args) * (1 + np.random.default_rng().random()), grads(*args))
    (reason,) = check(loss, varying, *data, has_value=True).reasons
    assert "`(value)` changed by up to" in reason and "w1" not in reason


def test_the_leaves_that_vary_are_named_and_by_how_much(data):
    (reason,) = check(loss, noisy(grads), *data).reasons
    assert "`w1` changed by up to 0.0" in reason and "b1" not in reason


def test_what_jit_remembers_is_not_believed(data):
    assert check(loss, jax.jit(noisy(grads)), *data).verdict == "undecided"
    inner = jax.jit(noisy(grads))
    assert check(loss, lambda *args: inner(*args), *data).verdict == "undecided"


def test_a_fixed_seed_and_a_key_among_the_arguments_are_welcome(data):
    def seeded(params, x, y):
        keep = jnp.asarray(np.random.default_rng(0).random((1, 4)).round())
        return grads(params, x, y, slope=lambda z, a: (1 - a * a) * keep)

    def dropped(params, x, y):
        keep = np.random.default_rng(0).random((1, 4)).round()
        a1 = jnp.tanh(x @ params["w1"] + params["b1"][None, :]) * keep
        return ((a1 @ params["w2"] + params["b2"][None, :] - y) ** 2).sum(axis=1).mean()

    assert check(dropped, jax.grad(dropped), *data).ok
    assert check(loss, seeded, *data).verdict == "wrong"


def test_a_random_loss_is_named_in_the_place_of_a_wrong_gradient(data):
    def random_loss(params, x, y):
        return loss(params, x, y) * (1 + np.random.default_rng().random())

    report = check(random_loss, grads, *data)
    assert report.verdict == "undecided" and report.reasons[0].startswith("Two calls of `loss`")


def test_a_loss_that_fails_at_a_second_call_is_named(data):
    def exhausted(*args):
        raise StopIteration("no more data")

    (reason,) = _loss_repeated(Subject("grads", exhausted, grads, data[1:]), data[0], 1.0)
    assert "`loss`" in reason and "second time" in reason and "no more data" in reason


def test_leaves_of_two_kinds_differ_by_no_number():
    floats, integers = {"w": np.full(3, 2.5)}, {"w": np.full(3, 2)}
    assert _changes(floats, floats) == _changes(integers, integers) == {}
    assert _changes(floats, integers) == _changes(integers, floats) == {"w": float("inf")}


def test_what_is_kept_of_a_trace_is_named(data):
    kept = []

    def remembering(params, x, y):
        kept.append(params["b1"].sum())
        return jax.tree.map(lambda leaf: leaf + 0 * kept[0], grads(params, x, y))

    report = check(loss, remembering, *data)
    assert report.verdict == "undecided" and "called a second time" in report.reasons[0]


def test_randomness_in_a_pair_and_in_a_rule_is_named():
    x = jnp.linspace(0.1, 0.9, 5)

    def fwd(x):
        return jnp.sin(x), x

    def bwd(x, dout):
        slope = jnp.cos(x) * (1 + 0.1 * np.random.default_rng().random())
        return (slope * dout,)

    rule = jax.custom_vjp(lambda x: fwd(x)[0])
    rule.defvjp(fwd, bwd)
    for report in (check_pair(fwd, bwd, x), check_rule(rule, x)):
        assert report.verdict == "undecided" and "gave different gradients" in report.reasons[0]
        assert "default_rng().random()" in str(report.findings[0].line)


def test_randomness_is_named_where_the_loss_is_judged_by_its_values(data):
    def of_numbers(params, x, y):
        if float(params["b1"][0]) > 1e6:
            raise ValueError
        a1 = np.tanh(x @ params["w1"] + params["b1"])
        return float(((a1 @ params["w2"] + params["b2"] - y) ** 2).sum(axis=1).mean())

    params, x, y = jax.tree.map(np.asarray, data)
    value = lambda *args: np.asarray(of_numbers(*args))
    report = check(value, noisy(in_numpy), params, x, y, numeric=True)
    assert report.verdict == "undecided" and "gave different gradients" in report.reasons[0]


def subtracting(params, x, y):
    found = in_numpy(params, x, y)
    x -= 1
    return found


def stepping(params, x, y):
    found = in_numpy(params, x, y)
    params["w1"] -= 0.1 * found["w1"]
    return found


@pytest.mark.parametrize(("function", "changed"), ((subtracting, "x"), (stepping, "w1")))
def test_a_right_gradient_that_changes_its_arguments_is_right_with_a_note(data, function, changed):
    arguments = jax.tree.map(np.array, data)
    report = check(loss, function, *arguments)
    jax.tree.map(np.testing.assert_array_equal, arguments, jax.tree.map(np.asarray, data))
    (note,) = report.findings
    assert report.ok and note.cause == "changes-arguments" and f"`{changed}`" in note.message
    assert note.line and "-=" in note.line.text


def test_jax_code_that_writes_into_arrays_of_numpy_is_noted(data):
    def shifting(params, x, y):
        x -= 1
        return grads(params, x + 1, y)

    arguments = jax.tree.map(np.array, data)
    (note,) = check(loss, shifting, *arguments).findings
    assert note.cause == "changes-arguments" and "`x`" in note.message and note.line and note.line.text == "x -= 1"
    jax.tree.map(np.testing.assert_array_equal, arguments, jax.tree.map(np.asarray, data))
    assert check(loss, shifting, *data).findings == (), "an array of JAX cannot be written to"


def test_a_container_that_is_changed_is_noted_and_stays_as_it_was(data):
    def consuming(params, x, y):
        found = grads(params, x, y)
        del params["b1"]
        return found

    params, x, y = data
    (note,) = check(loss, consuming, params, x, y).findings
    assert note.cause == "changes-arguments" and "`b1`" in note.message and set(params) == {"w1", "b1", "w2", "b2"}


def test_a_loss_that_writes_harms_nothing():
    def of_numbers(w, x):
        if x[0] > 100:
            raise ValueError
        x -= 1
        return (w * x.sum()).sum()

    x = np.ones(3)
    check(of_numbers, lambda w, x: jnp.full_like(w, (x - 1).sum()), jnp.ones(2), x)
    np.testing.assert_array_equal(x, 1)


def test_writing_in_place_is_right_numpy_code(data):
    def in_place(params, x, y):
        a1 = x @ params["w1"]
        a1 += params["b1"]
        np.tanh(a1, out=a1)
        dz2 = a1 @ params["w2"] + params["b2"]
        dz2 -= y
        dz2 *= 2 / len(y)
        dz1 = np.zeros_like(a1)
        dz1[:] = dz2 @ params["w2"].T
        dz1 *= 1 - a1 * a1
        found = {path: np.zeros_like(leaf) for path, leaf in params.items()}
        found["w1"] += x.T @ dz1
        np.add(found["b1"], dz1.sum(axis=0), out=found["b1"])
        found["w2"][...] = a1.T @ dz2
        found["b2"] += dz2.sum(axis=0)
        return found

    def mistaken(params, x, y):
        found = in_place(params, x, y)
        found["w2"] *= -1
        return found

    arguments = jax.tree.map(np.asarray, data)
    right = assert_gradients(loss, in_place, *arguments)
    assert right.findings == ()
    with pytest.raises(GradientError) as error:
        assert_gradients(loss, mistaken, *arguments)
    (finding,) = error.value.report.findings
    assert finding.cause == "sign" and finding.leaves == ("w2",) and "*= -1" in str(finding.line)


def test_a_buffer_that_every_call_fills_anew_is_no_state(data):
    buffers = {path: np.zeros(leaf.shape) for path, leaf in data[0].items()}

    def buffered(params, x, y):
        for path, leaf in in_numpy(params, x, y).items():
            buffers[path][...] = leaf
        return buffers

    assert check(loss, buffered, *jax.tree.map(np.asarray, data)).ok


def test_a_loss_that_is_nan_at_every_call_is_the_same_loss():
    overflowing = lambda w: jnp.sum((jnp.exp(w) - jnp.exp(-w)) / (jnp.exp(w) + jnp.exp(-w)))  # tanh, up to 88
    w = jnp.asarray([1.0, 100.0], jnp.float32)
    assert jnp.isnan(overflowing(w))
    assert check(overflowing, lambda w: -1 / jnp.cosh(w) ** 2, w).verdict == "wrong"


def test_a_black_box_that_gives_the_same_nan_twice_is_called_wrong_for_it():
    nan = lambda w: np.where(np.arange(w.size) == 0, np.nan, 2 * np.asarray(w))
    assert check(lambda w: (w**2).sum(), nan, jnp.ones(3)).verdict == "wrong"


def test_jax_code_that_arrays_of_numpy_do_not_know_is_judged_nonetheless():
    def loss(w, x):
        return jnp.sum((w * x) ** 2)

    def grads(w, x):
        total = 0
        total += 2 * w * x**2
        return w.at[:].set(total)

    w, x = np.array([1.0, 2.0, 3.0]), np.array([2.0, 1.0, 0.5])
    assert check(loss, grads, w, x).verdict == "right"
