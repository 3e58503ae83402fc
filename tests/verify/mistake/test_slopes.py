"""What is said of a line that gives the slope of an activation by itself, and of one that gives a value for it."""

import jax
import jax.numpy as jnp

from jaxmlp import check

from .findings import named, normals, said


def _logistic(params, x, y):
    z = x @ params["w"] + params["b"]
    return jnp.sum(jax.nn.softplus(z) - y * z)


def _tanh(params, x, y):
    return jnp.sum((jnp.tanh(x @ params["w"]) - y) ** 2)


def _data(getkey):
    w, b, x, y = normals(getkey, (3,), (), (6, 3), (6,))
    return {"w": w, "b": b}, x, jnp.where(y > 0, 1.0, 0.0)


def test_a_line_that_gives_the_slope_alone_is_not_said_to_be_multiplied(getkey):
    def grads(params, x, y):
        a = jax.nn.sigmoid(x @ params["w"] + params["b"])
        da = (1 - y) / (1 - a) - y / a
        slope = 1 - a
        dz = da * slope
        return {"w": x.T @ dz, "b": jnp.sum(dz)}

    report = check(_logistic, grads, *_data(getkey))
    assert named(report) == [("wrong-activation-derivative", "slope = 1 - a")]
    assert report.findings[0].message == "`slope` is not the slope of the activation, `a * (1 - a)`."


def test_a_line_on_the_way_to_the_slope_is_not_called_the_slope(getkey):
    def of_tanh(h):
        square = jnp.abs(h)
        one = 1.0
        return one - square

    def grads(params, x, y):
        h = jnp.tanh(x @ params["w"])
        dz = 2 * (h - y) * of_tanh(h)
        return {"w": x.T @ dz}

    w, x, y = normals(getkey, (3, 2), (5, 3), (5, 2))
    report = check(_tanh, grads, {"w": w}, x, y)
    assert [finding.cause for finding in report.findings] == ["wrong-activation-derivative"]
    assert "`square` is" not in report.findings[0].message


def test_a_prediction_that_the_targets_are_taken_from_is_a_value_and_no_slope(getkey):
    def grads(params, x, y):
        p = jax.scipy.stats.norm.cdf(x @ params["w"] + params["b"])
        dz = p - y
        return {"w": x.T @ dz, "b": jnp.sum(dz)}

    found = said(_logistic, grads, *_data(getkey))
    assert found == [("wrong-forward", 'p = jax.scipy.stats.norm.cdf(x @ params["w"] + params["b"])')]


def test_a_slope_that_multiplies_an_error_stays_one(getkey):
    def grads(params, x, y):
        a = jax.nn.sigmoid(x @ params["w"] + params["b"])
        da = (a - y) / (a * (1 - a))
        slope = a * a
        dz = da * slope
        return {"w": x.T @ dz, "b": jnp.sum(dz)}

    assert said(_logistic, grads, *_data(getkey))[0][0] == "wrong-activation-derivative"
