"""What a right verdict is worth: planted mistakes, those that do not show, and why."""

import copy
import pickle
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp import check, check_pair
from jaxmlp.verify._power import _batch, _drawn, _moved, _thinned, MOST
from jaxmlp.verify._report._planted import Power, Survivor

from ..helpers import normal
from .gradients import changed, grads, loss, problem


def numpy_grads(params, x, y):
    """The gradient as a black box."""
    params, x, y = (jax.tree.map(np.asarray, tree) for tree in (params, x, y))
    return jax.tree.map(np.asarray, grads(params, x, y))


def test_every_planted_mistake_is_caught_at_a_random_point(getkey):
    power = check(loss, grads, *problem(getkey())).power()
    assert power.planted > 40 and power.caught == power.planted
    assert power.survivors == power.nearby == () and not power.stand_in
    assert str(power) == f"{power.planted} of {power.planted} planted mistakes would have been caught."
    assert power.text("ko").startswith(f"일부러 심은 실수 {power.planted}개 가운데")


def test_power_is_the_same_every_time_and_under_any_precision(getkey):
    report = check(loss, grads, *problem(getkey()))
    with jax.enable_x64(False):
        again = report.power()
    assert again == report.power()


def test_a_batch_of_one_cannot_tell_sum_from_mean(getkey):
    params, x, y = problem(getkey())
    power = check(loss, grads, params, x[:1], y[:1]).power()
    assert power.caught + len(power.survivors) == power.planted and power.caught > 30
    assert {one.cause for one in power.survivors} == {"scale-batch"}
    assert all("one example" in one.reason for one in power.survivors)
    assert f"{len(power.survivors)} mistakes do not show: The batch has one example" in str(power)
    assert "샘플이 하나뿐" in power.text("ko")
    assert any(one.line and "dz2 = " in one.line.text for one in power.survivors)


def test_zero_parameters_hide_mistakes_at_the_point_itself_alone(getkey):
    params, x, y = problem(getkey())
    power = check(loss, grads, jax.tree.map(jnp.zeros_like, params), x, y).power()
    assert power.caught == power.planted and not power.survivors
    assert {"missing-activation-derivative", "wrong-operand"} <= {one.cause for one in power.nearby}
    assert f"{len(power.nearby)} mistakes show only at the points near by" in str(power)


def test_data_that_hide_a_mistake_are_named(getkey):
    params, x, y = problem(getkey())
    power = check(loss, grads, params, x, jnp.zeros_like(y)).power()
    assert [one.cause for one in power.survivors] == ["missing-term", "sign"], "of `out - y`"
    assert all("out" in getattr(one.line, "text", "") and "The values of `y`" in one.reason for one in power.survivors)


def test_what_is_below_the_accuracy_of_the_check_survives():
    def cubes(w):
        return jnp.sum(w**3) / 3 + 1e-3 * jnp.sum(w)

    power = check(cubes, lambda w: w * w + 1e-3, jnp.array([1e3, 2e3, 3e3])).power()
    assert {one.cause for one in power.survivors} == {"missing-term", "sign"}
    assert all("less than this check can see" in one.reason for one in power.survivors)
    assert check(cubes, lambda w: w * w + 1e-3, jnp.array([1.0, 2.0, 3.0])).power().survivors == ()


def test_mistakes_are_planted_in_autodiff_for_a_black_box(getkey):
    power = check(loss, numpy_grads, *problem(getkey())).power()
    assert power.stand_in and power.caught == power.planted > 40
    assert "in jax.grad of the loss because JAX cannot trace" in str(power)


def test_the_power_of_a_pair_and_with_the_value(getkey):
    def fwd(x, w):
        return jnp.tanh(x @ w), (x, w)

    def bwd(residuals, dout):
        x, w = residuals
        dz = dout * (1 - jnp.tanh(x @ w) ** 2)
        return dz @ w.T, x.T @ dz

    inputs = normal(getkey(), (5, 3)), normal(getkey(), (3, 3))
    power = check_pair(fwd, bwd, *inputs).power()
    assert power.planted == power.caught > 10
    with_value = check(loss, lambda *args: (loss(*args), grads(*args)), *problem(getkey()), has_value=True)
    assert with_value.power().planted == with_value.power().caught > 40


def test_a_gradient_that_is_not_right_has_no_power(getkey):
    wrong = check(loss, changed(w1=jnp.negative), *problem(getkey()))
    with pytest.raises(ValueError, match="`wrong_grads` is wrong.*mend the gradient first"):
        wrong.power()


def test_a_report_that_lost_its_functions_says_so(getkey):
    report = check(loss, grads, *problem(getkey()))
    for twin in (pickle.loads(pickle.dumps(report)), copy.deepcopy(report)):
        assert twin == report
        with pytest.raises(ValueError, match="check again"):
            twin.power()
    assert "_power" not in report.to_json() and "_power" not in repr(report)


def test_many_places_are_folded():
    survivors = tuple(Survivor("sign", f"mul{i}", None, "Why.") for i in range(20))
    lines = str(Power(21, 1, survivors)).splitlines()
    assert lines[0] == "1 of 21 planted mistakes would have been caught."
    assert lines[2:4] == ["20 mistakes do not show: Why.", "  mul0: sign"] and lines[-1] == "  ..." and len(lines) == 12


def test_where_nothing_is_special_all_numbers_are_of_the_size_of_one_and_signs_stay():
    arrays = {"zeros": np.zeros(50), "w": np.asarray([1e9, -1e-9, 1.0, -1.0] * 25)}
    there = _drawn(arrays)
    for array in there.values():
        assert np.all((0.5 <= np.abs(array)) & (np.abs(array) <= 1.5)) and len(np.unique(array)) == array.size
    assert set(np.sign(there["zeros"]).tolist()) == {-1, 1}
    for elsewhere in (there, _moved(arrays)):
        np.testing.assert_array_equal(np.sign(elsewhere["w"]), np.sign(arrays["w"]))


def test_of_too_many_mistakes_the_first_and_the_last_and_some_between_are_planted():
    few: Any = list(range(MOST))
    many: Any = list(range(3 * MOST))
    assert _thinned(few) == few
    taken = np.asarray(_thinned(many))
    assert len(taken) == MOST and (taken[0], taken[-1]) == (0, 3 * MOST - 1) and set(np.diff(taken)) <= {3, 4}


@pytest.mark.parametrize(
    ("shapes", "batch"),
    (
        (((5, 3), (5, 1)), 5),
        (((1, 3), (1, 2)), 1),
        (((1, 3), (2,)), None),
        ((), None),
    ),
    ids=str,
)
def test_the_number_of_examples_is_what_all_shapes_have_in_common(shapes, batch):
    assert _batch((*map(np.ones, shapes), 3, "mean")) == batch
