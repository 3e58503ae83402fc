import jax
import numpy as np
import pytest

from jaxmlp.lectures import _hand_curves, _replay
from jaxmlp.lectures._descent import descend, RULES, start
from jaxmlp.lectures._hand_curves import _train
from jaxmlp.lectures._numbers import numbers, replay
from jaxmlp.lectures._sharpness import sharpness


def wrong_sign(params, x, y):
    loss, grads = RULES["by hand"](params, x, y)
    return loss, jax.tree.map(lambda grad: -grad, grads)


def sum_for_mean(params, x, y):
    loss, grads = RULES["by hand"](params, x, y)
    return loss, jax.tree.map(lambda grad: 4 * grad, grads)


def a_hundredth_of_a_percent(params, x, y):
    loss, (first, second) = RULES["by hand"](params, x, y)
    return loss, (first._replace(w=first.w * 1.0001), second)


@pytest.mark.parametrize("rule", [wrong_sign, sum_for_mean, a_hundredth_of_a_percent])
def test_a_wrong_gradient_is_caught_by_replay(monkeypatch, rule):
    monkeypatch.setitem(RULES, rule.__name__, rule)
    checks = {claim.name: claim.ok for claim in _replay._replay("2-2-1", rule.__name__, "float32")}
    assert not checks[f"2-2-1 {rule.__name__}, replayed: gradient"]
    assert checks[f"2-2-1 {rule.__name__}, replayed: loss"]  # the loss is right; only its gradient is not


def test_another_start_gives_another_curve():
    given = numbers("001")["2-2-1"]
    moved = jax.tree.map(lambda leaf: leaf + np.float32(1e-3), start("2-2-1", "float32"))
    _, losses = descend(moved, given["lr"], "by hand", last=10_000)
    wrong = [step for step, printed, _, tolerance in given["rows"] if abs(losses[step] - printed) > tolerance * printed]
    assert len(wrong) > len(given["rows"]) / 2


def test_replays_in_float64_hold():
    assert all(claim.ok for claim in _replay._replay("2-2-1", "by hand", "float64"))


def test_sharpness_is_the_largest_eigenvalue_of_the_hessian():
    flat = replay("2-10-10-10-1")["params"][3].astype(np.float64)
    sizes = numbers("001")["2-10-10-10-1"]["sizes"]

    def loss(flat):
        params, begin = [], 0
        for n_in, n_out in zip(sizes[:-1], sizes[1:], strict=True):
            w = flat[begin : begin + n_in * n_out].reshape(n_in, n_out)
            params.append((w, flat[begin + n_in * n_out : begin + (n_in + 1) * n_out]))
            begin += (n_in + 1) * n_out
        a = np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]])
        for w, b in params:
            a = 1 / (1 + np.exp(-(a @ w + b)))
        y = np.array([[0], [1], [1], [0.0]])
        return -np.mean(y * np.log(a) + (1 - y) * np.log(1 - a))

    # Along the top eigenvector the second difference of the loss is the eigenvalue; along any other, no more.
    value, rng, h = sharpness(flat), np.random.default_rng(0), 1e-3
    for _ in range(20):
        v = rng.normal(size=flat.size)
        v /= np.linalg.norm(v)
        assert (loss(flat + h * v) - 2 * loss(flat) + loss(flat - h * v)) / h**2 <= value + 1e-6


def test_a_start_off_by_a_little_leaves_the_plateau_elsewhere(monkeypatch):
    given = dict(numbers("001"))
    near = [[[[1.425, 0.0], [0.0, 0.0]], [0.0, 0.0]], [[[-(10**-9.0)], [0.0]], [0.0]]]
    given["by_hand"] = given["by_hand"] | {"start_near": near}
    monkeypatch.setattr(_hand_curves, "numbers", lambda lecture: given)
    assert sum(not claim.ok for claim in _hand_curves._printed_curve()) > 5


def test_the_normal_start_holds_in_both_dtypes():
    given = numbers("001")["normal_start"]
    for dtype in ("float32", "float64"):
        claims = list(_hand_curves._normal_start(_train(given["start"], dtype), dtype))
        assert len(claims) == 8 and all(claim.ok for claim in claims)
