import re
from itertools import pairwise
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import jaxmlp
from jaxmlp import plot
from jaxmlp.lectures._numbers import numbers
from jaxmlp.lectures.worked_example import arrange, example

from ..helpers import as_jax, problem


GIVEN = numbers("003")
PARAMS = arrange(GIVEN["weights"])
X, Y = np.array([GIVEN["x"]]), np.array([GIVEN["targets"]])


def shown(ax) -> dict[str, float]:
    """Every number of the picture by its name, such as `dW1`."""
    found = {}
    for text in ax.texts:
        if text.get_text():
            name, number = text.get_text().replace("\N{MINUS SIGN}", "-").split()
            name = re.sub("[${}_]", "", name)
            assert name not in found
            found[name] = float(number)
    return found


@pytest.mark.parametrize("vertical", (False, True))
def test_the_worked_example_is_that_of_the_lecture(vertical):
    ax = plot.computational_graph(PARAMS, X, Y, loss=jaxmlp.half_squared_error, digits=12, vertical=vertical)
    found, lecture = shown(ax), example(PARAMS, X, Y, GIVEN["lr"])
    pairs = {name: name for name in ("z1", "z2", "h1", "h2", "z3", "z4", "o1", "o2")}
    pairs |= {"L": "E_total", "do1": "dE_do1", "dW5": "dE_dW5", "dh1": "dE_dh1", "dW1": "dE_dW1"}
    assert {name: found[name] for name in pairs} == pytest.approx(
        {name: float(lecture[key]) for name, key in pairs.items()}, rel=1e-11
    )
    assert [found[f"W{i}"] for i in range(1, 9)] == GIVEN["weights"]
    assert [found[name] for name in ("x1", "x2", "y1", "y2", "dL")] == [*GIVEN["x"], *GIVEN["targets"], 1]


def test_the_gradients_are_those_of_the_network(getkey):
    params, x, y = problem(getkey(), (3, 2, 3, 1), batch=1, loss=jaxmlp.mean_squared_error)
    options: Any = dict(hidden=jaxmlp.tanh, output=jaxmlp.softplus, loss=jaxmlp.mean_squared_error)
    found = shown(plot.computational_graph(params, x, y, digits=12, **options))
    loss, grads = jaxmlp.loss_and_grads(params, x, y, **options)
    assert found["L"] == pytest.approx(float(loss), rel=1e-11)
    weights = np.concatenate([np.ravel(layer.w.T) for layer in grads])
    biases = np.concatenate([np.ravel(layer.b) for layer in grads if layer.b is not None])
    assert [found[f"dW{i}"] for i in range(1, 16)] == pytest.approx(weights.tolist(), rel=1e-10)
    assert [found[f"db{i}"] for i in range(1, 7)] == pytest.approx(biases.tolist(), rel=1e-10)


def test_a_vertical_graph_fits_a_narrow_page():
    figure: Any = plot.computational_graph(PARAMS, X, Y, loss=jaxmlp.half_squared_error, vertical=True).figure
    assert figure.get_size_inches()[0] < 3.6


def layers(*sizes) -> jaxmlp.Params:
    return tuple(jaxmlp.Dense(as_jax(np.ones(shape), float), None) for shape in pairwise(sizes))


@pytest.mark.parametrize(
    ("change", "error", "match"),
    (
        ({"params": layers(2, 4, 1)}, ValueError, "a network of 2-4-1, too big"),
        ({"params": layers(2, 2, 2, 2, 1)}, ValueError, "at most 3 layers"),
        (
            {"x": np.zeros((4, 2)), "y": np.zeros((4, 1))},
            ValueError,
            r"`x` has shape \(4, 2\), but a graph shows one",
        ),
        ({"y": np.zeros((1, 2))}, ValueError, r"`y` has shape \(1, 2\)"),
        ({"loss": "bce"}, TypeError, "`loss` must be a Loss such as jaxmlp.bce, got 'bce'"),
        ({"hidden": "tanh"}, TypeError, "`hidden` must be an Activation"),
        ({"digits": 0}, ValueError, "`digits` is 0"),
    ),
)
def test_wrong_arguments_are_named(change, error, match):
    right = {"params": layers(2, 2, 1), "x": jnp.zeros((1, 2)), "y": jnp.zeros((1, 1)), "loss": jaxmlp.bce}
    with pytest.raises(error, match=match):
        plot.computational_graph(**right | change)
