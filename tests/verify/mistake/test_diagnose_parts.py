"""The diagnosis of a line of which one part alone is wrong: which part, and what belongs there."""

import jax
import jax.numpy as jnp
import pytest

from jaxmlp import check

from .findings import normals, said


def squared(params, x, y):
    return jnp.sum((jnp.tanh(x @ params["w1"] + params["b1"]) @ params["w2"] - y) ** 2)


def a_sign_in_a_slope(params, x, y):
    a1 = jnp.tanh(x @ params["w1"] + params["b1"])
    dz2 = 2 * (a1 @ params["w2"] - y)
    dz1 = (1 + a1**2) * (dz2 @ params["w2"].T)
    return {"w1": x.T @ dz1, "b1": jnp.sum(dz1, axis=0, keepdims=True), "w2": a1.T @ dz2}


def a_sign_in_a_difference(params, x, y):
    a1 = jnp.tanh(x @ params["w1"] + params["b1"])
    dz2 = 2 * (a1 @ params["w2"] + y)
    dz1 = (1 - a1**2) * (dz2 @ params["w2"].T)
    return {"w1": x.T @ dz1, "b1": jnp.sum(dz1, axis=0, keepdims=True), "w2": a1.T @ dz2}


def a_bias_that_is_subtracted(params, x, y):
    a1 = jnp.tanh(x @ params["w1"] - params["b1"])
    dz2 = 2 * (a1 @ params["w2"] - y)
    dz1 = (1 - a1**2) * (dz2 @ params["w2"].T)
    return {"w1": x.T @ dz1, "b1": jnp.sum(dz1, axis=0, keepdims=True), "w2": a1.T @ dz2}


def a_product_with_the_other_sign(params, x, y):
    z1 = -(x @ params["w1"]) + params["b1"]
    a1 = jnp.tanh(z1)
    dz2 = 2 * (a1 @ params["w2"] - y)
    dz1 = (1 - a1**2) * (dz2 @ params["w2"].T)
    return {"w1": x.T @ dz1, "b1": jnp.sum(dz1, axis=0, keepdims=True), "w2": a1.T @ dz2}


def half_of_a_product(params, x, y):
    z1 = 0.5 * (x @ params["w1"]) + params["b1"]
    a1 = jnp.tanh(z1)
    dz2 = 2 * (a1 @ params["w2"] - y)
    dz1 = (1 - a1**2) * (dz2 @ params["w2"].T)
    return {"w1": x.T @ dz1, "b1": jnp.sum(dz1, axis=0, keepdims=True), "w2": a1.T @ dz2}


def a_bias_left_out(params, x, y):
    a1 = jnp.tanh(x @ params["w1"])
    dz2 = 2 * (a1 @ params["w2"] - y)
    dz1 = (1 - a1**2) * (dz2 @ params["w2"].T)
    return {"w1": x.T @ dz1, "b1": jnp.sum(dz1, axis=0, keepdims=True), "w2": a1.T @ dz2}


def a_cube_for_a_square(params, x, y):
    a1 = jnp.tanh(x @ params["w1"] + params["b1"])
    dz2 = 2 * (a1 @ params["w2"] - y)
    dz1 = (1 - a1 * a1 * a1) * (dz2 @ params["w2"].T)
    return {"w1": x.T @ dz1, "b1": jnp.sum(dz1, axis=0, keepdims=True), "w2": a1.T @ dz2}


def a_factor_twice(params, x, y):
    a1 = jnp.tanh(x @ params["w1"] + params["b1"])
    z2 = a1 @ params["w2"]
    dz2 = 2 * (z2 - y) * (z2 - y)
    dz1 = (1 - a1**2) * (dz2 @ params["w2"].T)
    return {"w1": x.T @ dz1, "b1": jnp.sum(dz1, axis=0, keepdims=True), "w2": a1.T @ dz2}


@pytest.mark.parametrize(
    ("grads", "cause", "part", "must"),
    (
        (a_sign_in_a_slope, "wrong-activation-derivative", "a1 ** 2", "(1 - a1 ** 2) * (dz2 @ params['w2'].T)"),
        (a_sign_in_a_difference, "sign", "y", "2 * (a1 @ params['w2'] - y)"),
        (a_bias_that_is_subtracted, "wrong-forward", "params['b1']", "jnp.tanh(x @ params['w1'] + params['b1'])"),
        (a_product_with_the_other_sign, "wrong-forward", "-(x @ params['w1'])", "x @ params['w1'] + params['b1']"),
        (half_of_a_product, "wrong-forward", "0.5 * (x @ params['w1'])", "x @ params['w1'] + params['b1']"),
        (a_bias_left_out, "wrong-forward", 'params["b1"]', "jnp.tanh(x @ params['w1'] + params['b1'])"),
        (a_cube_for_a_square, "wrong-activation-derivative", "a1", "(1 - a1 * a1) * (dz2 @ params['w2'].T)"),
        (a_factor_twice, "extra-factor", "z2 - y", "2 * (z2 - y)"),
    ),
)
def test_a_part_of_a_line_is_named(getkey, grads, cause, part, must):
    w1, b1, w2, x, y = normals(getkey, (4, 5), (1, 5), (5, 3), (6, 4), (6, 3))
    (finding,) = check(squared, grads, {"w1": w1, "b1": b1, "w2": w2}, x, y).findings
    assert (finding.cause, finding.must) == (cause, must)
    assert f"`{part}`" in finding.message and f"must be `{must}`." in str(finding.fix)


def normed(z):
    centred = z - jnp.mean(z, axis=0, keepdims=True)
    return centred / jnp.sqrt(jnp.mean(centred**2, axis=0, keepdims=True) + 1e-3)


def batch_normed(params, x, y):
    return jnp.sum((normed(x @ params["w"] + params["b"]) - y) ** 2)


def normed_back(z, dn):
    n = normed(z)
    scale = 1 / jnp.sqrt(jnp.var(z, axis=0, keepdims=True) + 1e-3)
    return scale * (dn - jnp.mean(dn, 0, keepdims=True) - n * jnp.mean(dn * n, 0, keepdims=True))


def test_a_sum_for_a_mean_within_a_line(getkey):
    def loss(params, x, y):
        z = x @ params["w"]
        return jnp.sum((jnp.tanh(z - jnp.mean(z, axis=0, keepdims=True)) - y) ** 2)

    def grads(params, x, y):
        z = x @ params["w"]
        a = jnp.tanh(z - jnp.sum(z, axis=0, keepdims=True))
        dc = 2 * (a - y) * (1 - a**2)
        return {"w": x.T @ (dc - jnp.mean(dc, axis=0, keepdims=True))}

    w, x, y = normals(getkey, (4, 5), (6, 4), (6, 5))
    (finding,) = check(loss, grads, {"w": w}, x, y).findings
    assert "takes the sum `jnp.sum(z, axis=0, keepdims=True)` where the mean belongs" in finding.message
    assert finding.must == "jnp.tanh(z - jnp.mean(z, axis=0, keepdims=True))"


def test_a_sum_that_is_the_other_sum_times_a_number_is_not_taken_for_a_missing_term(getkey):
    """What `z` lacks is no term: with the batch's mean taken from it, its bias makes no difference."""

    def grads(params, x, y):
        z = 0.5 * (x @ params["w"]) + params["b"]
        dz = normed_back(z, 2 * (normed(z) - y))
        return {"w": x.T @ dz, "b": jnp.zeros((1, 5))}

    w, b, x, y = normals(getkey, (4, 5), (1, 5), (6, 4), (6, 5))
    finding = check(batch_normed, grads, {"w": w, "b": b}, x, y).findings[0]
    assert (finding.cause, finding.must) == ("wrong-forward", "x @ params['w'] + params['b']")
    assert "`0.5 * (x @ params['w'])`, which is 0.5 times what it must be" in finding.message


def test_a_sign_in_a_forward_value_is_none_in_a_slope(getkey):
    def loss(params, x, y):
        z = x @ params["w"]
        return -jnp.sum(y * (z - jnp.log(jnp.sum(jnp.exp(z), axis=1, keepdims=True))))

    def grads(params, x, y):
        z = x @ params["w"]
        log_p = z + jnp.log(jnp.sum(jnp.exp(z), axis=1, keepdims=True))
        return {"w": x.T @ (jnp.exp(log_p) * jnp.sum(y, axis=1, keepdims=True) - y)}

    w, x, y = normals(getkey, (4, 5), (6, 4), (6, 5))
    (finding,) = check(loss, grads, {"w": w}, x, y).findings
    assert finding.cause == "wrong-forward" and "z - jnp.log(" in str(finding.must)


def test_the_exponent_of_a_power_that_was_differentiated(getkey):
    def loss(params, x, y):
        s = x @ params["w"]
        return jnp.sum(y * (1 + s**2) ** -1)

    def grads(params, x, y):
        s = x @ params["w"]
        q = 1 + s**2
        dq = -(q**-1) * y
        return {"w": x.T @ (dq * 2 * s)}

    w, x, y = normals(getkey, (4, 5), (6, 4), (6, 5))
    (finding,) = check(loss, grads, {"w": w}, x, y).findings
    assert finding.cause == "wrong-activation-derivative"
    assert finding.message == "`dq` raises `q` to the power -1 where -2 belongs."
    assert finding.must == "-q ** (-2) * y"


def unit_rows(params, x, y):
    z = x @ params["w"]
    return jnp.sum(y * (z * jnp.sum(z**2, axis=1, keepdims=True) ** -0.5))


def test_the_exponent_of_a_root_that_was_not_turned(getkey):
    def grads(params, x, y):
        z = x @ params["w"]
        s = jnp.sum(z**2, axis=1, keepdims=True)
        n = z * s**0.5
        return {"w": x.T @ (s**-0.5 * (y - n * jnp.sum(n * y, axis=1, keepdims=True)))}

    w, x, y = normals(getkey, (4, 3), (5, 4), (5, 3))
    (finding,) = check(unit_rows, grads, {"w": w}, x, y).findings
    assert finding.message == "`n` raises `s` to the power 0.5 where -0.5 belongs."
    assert (finding.cause, finding.must) == ("wrong-forward", "z * s ** (-0.5)")


def test_a_term_that_is_subtracted_and_does_not_belong_there_is_no_factor(getkey):
    def grads(params, x, y):
        a1 = jnp.tanh(x @ params["w1"] + params["b1"] - params["b1"])
        dz2 = 2 * (a1 @ params["w2"] - y)
        dz1 = (1 - a1**2) * (dz2 @ params["w2"].T)
        return {"w1": x.T @ dz1, "b1": jnp.sum(dz1, axis=0, keepdims=True), "w2": a1.T @ dz2}

    w1, b1, w2, x, y = normals(getkey, (4, 5), (1, 5), (5, 3), (6, 4), (6, 3))
    (finding,) = check(squared, grads, {"w1": w1, "b1": b1, "w2": w2}, x, y).findings
    assert finding.message == "`a1` holds `params['b1']`, which does not belong there."
    assert finding.must == "jnp.tanh(x @ params['w1'] + params['b1'])"


def test_a_value_in_the_place_of_another_that_the_line_reads_too_is_named(getkey):
    def loss(params, x, y):
        a, b = jnp.exp(x @ params["w1"]), jnp.tanh(x @ params["w2"])
        return jnp.sum((a * b + b - y) ** 2)

    def grads(params, x, y):
        a, b = jnp.exp(x @ params["w1"]), jnp.tanh(x @ params["w2"])
        d = 2 * (a * b + b - y)
        da = d * b
        db = d * a + da
        return {"w1": x.T @ (da * a), "w2": x.T @ (db * (1 - b**2))}

    w1, w2, x, y = normals(getkey, (4, 3), (4, 3), (5, 4), (5, 3))
    (finding,) = check(loss, grads, {"w1": w1, "w2": w2}, x, y).findings
    assert finding.message == "`db` uses `da` where `d` belongs."
    assert (finding.cause, finding.must) == ("wrong-operand", "d * a + d")


def test_a_penalty_without_its_parameter(getkey):
    def loss(params, x, y, decay):
        return jnp.sum((x @ params["w"] - y) ** 2) + decay / 2 * jnp.sum(params["w"] ** 2)

    def grads(params, x, y, decay):
        dz = 2 * (x @ params["w"] - y)
        dw = x.T @ dz + decay / 6 * 6
        return {"w": dw}

    w, x, y = normals(getkey, (4, 5), (6, 4), (6, 5))
    (finding,) = check(loss, grads, {"w": w}, x, y, 0.1).findings
    assert finding.cause == "wrong-regularization" and finding.message == '`dw` lacks the factor `params["w"]`.'
    assert finding.must == "x.T @ dz + decay / 6 * 6 * params['w']"


def test_a_mean_over_the_classes_is_none_over_the_batch(getkey):
    def loss(params, x, y):
        z = x @ params["w"]
        return jnp.sum(jnp.log(jnp.sum(jnp.exp(z), axis=1)) - jnp.sum(y * z, axis=1))

    def grads(params, x, y):
        e = jnp.exp(x @ params["w"])
        p = e / jnp.mean(e, axis=1, keepdims=True)
        return {"w": x.T @ (p - y)}

    w, x, y = normals(getkey, (4, 3), (6, 4), (6, 3))
    (finding,) = check(loss, grads, {"w": w}, x, y).findings
    assert finding.cause in ("scale-constant", "wrong-forward")
    assert finding.must == "e / jnp.sum(e, axis=1, keepdims=True)"


def penalized(params, x, y, decay):
    return jnp.sum((x @ params["w"] - y) ** 2) + decay / 2 * jnp.sum(params["w"] ** 2)


def test_a_penalty_alone_lacks_what_comes_of_the_data(getkey):
    def grads(params, x, y, decay):
        dw = decay * params["w"]
        return {"w": dw}

    w, x, y = normals(getkey, (4, 5), (6, 4), (6, 5))
    (finding,) = check(penalized, grads, {"w": w}, x, y, 0.1).findings
    assert finding.cause == "missing-term" and "regularization term alone" in finding.message


def test_a_penalty_that_is_not_divided(getkey):
    def loss(params, x, y, decay):
        return penalized(params, x, y, decay / 50)

    def grads(params, x, y, decay):
        dz = 2 * (x @ params["w"] - y)
        dw = decay * params["w"] + x.T @ dz / 1.0
        return {"w": dw}

    w, x, y = normals(getkey, (4, 5), (6, 4), (6, 5))
    (finding,) = check(loss, grads, {"w": w}, x, y, 0.1).findings
    assert finding.cause == "wrong-regularization"
    assert finding.must == "decay * params['w'] / 50 + x.T @ dz / 1.0"


def test_a_forward_value_of_the_other_sign_climbs_nothing(getkey):
    def grads(params, x, y):
        a1 = jnp.tanh(x @ params["w1"] + params["b1"])
        out = -(a1 @ params["w2"])
        dz2 = 2 * (out - y)
        dz1 = (1 - a1**2) * (dz2 @ params["w2"].T)
        return {"w1": x.T @ dz1, "b1": jnp.sum(dz1, axis=0, keepdims=True), "w2": a1.T @ dz2}

    w1, b1, w2, x, y = normals(getkey, (4, 5), (1, 5), (5, 3), (6, 4), (6, 3))
    (finding,) = check(squared, grads, {"w1": w1, "b1": b1, "w2": w2}, x, y).findings
    assert (finding.cause, finding.must) == ("wrong-forward", "a1 @ params['w2']")
    assert finding.message == "`out` has the other sign than in the loss."


def test_what_a_loop_subtracts_and_must_add(getkey):
    def loss(params, x, y):
        return jnp.sum((jnp.tanh(x @ params["w"]) - y) ** 2)

    def grads(params, x, y):
        dw = jnp.zeros_like(params["w"])
        for i in range(len(x)):
            a = jnp.tanh(x[i] @ params["w"])
            dz = 2 * (a - y[i]) * (1 - a**2)
            dw = dw - jnp.outer(x[i], dz)
        return {"w": dw}

    w, x, y = normals(getkey, (4, 3), (5, 4), (5, 3))
    (finding,) = check(loss, grads, {"w": w}, x, y).findings
    assert (finding.cause, finding.must) == ("sign", "dw + jnp.outer(x[i], dz)")


def test_what_a_loop_adds_at_twice_its_size(getkey):
    def loss(params, x, y):
        return jnp.sum((jnp.tanh(x @ params["w"]) - y) ** 2)

    def grads(params, x, y):
        dw = jnp.zeros_like(params["w"])
        for i in range(len(x)):
            a = jnp.tanh(x[i] @ params["w"])
            dz = 2 * (a - y[i]) * (1 - a**2)
            dw = dw + 2 * jnp.outer(x[i], dz)
        return {"w": dw}

    w, x, y = normals(getkey, (4, 3), (5, 4), (5, 3))
    (finding,) = check(loss, grads, {"w": w}, x, y).findings
    assert (finding.cause, finding.must) == ("scale-constant", "dw + jnp.outer(x[i], dz)")


def test_a_sign_in_the_derivative_of_a_loss_is_none_in_a_slope(getkey):
    def sigmoid(z):
        return 1 / (1 + jnp.exp(-z))

    def loss(params, x, y):
        p = sigmoid(x @ params["w"])
        return -jnp.sum(y * jnp.log(p) + (1 - y) * jnp.log(1 - p))

    def grads(params, x, y):
        p = sigmoid(x @ params["w"])
        dp = -(y / p - (1 - y) / (1 + p))
        dz = dp * p * (1 - p)
        return {"w": x.T @ dz}

    w, x = normals(getkey, (4, 1), (6, 4))
    y = jnp.asarray([[0.0], [1.0], [1.0], [0.0], [1.0], [0.0]], x.dtype)
    (finding,) = check(loss, grads, {"w": w}, x, y).findings
    assert (finding.cause, finding.must) == ("sign", "-(y / p - (1 - y) / (1 - p))")


def test_an_epsilon_that_only_the_loss_adds(getkey):
    def loss(params, x, y):
        z = x @ params["w"]
        return jnp.sum((z / jnp.sqrt(jnp.sum(z**2, axis=1, keepdims=True) + 1e-3) - y) ** 2)

    def grads(params, x, y):
        z = x @ params["w"]
        s = jnp.sum(z**2, axis=1, keepdims=True)
        inv = s**-0.5
        n = z * inv
        dn = 2 * (n - y)
        return {"w": x.T @ (inv * (dn - n * jnp.sum(dn * n, axis=1, keepdims=True)))}

    w, x, y = normals(getkey, (4, 3), (5, 4), (5, 3))
    finding = check(loss, grads, {"w": w}, x, y).findings[0]
    assert (finding.cause, finding.must) == ("epsilon", "(s + 0.001) ** (-0.5)")


def test_a_forward_value_is_not_said_to_differ_from_itself(getkey):
    def grads(params, x, y):
        a1 = jnp.sin(x @ params["w1"] + params["b1"])
        dz2 = 2 * (a1 @ params["w2"] - y)
        dz1 = (1 - a1**2) * (dz2 @ params["w2"].T)
        return {"w1": x.T @ dz1, "b1": jnp.sum(dz1, axis=0, keepdims=True), "w2": a1.T @ dz2}

    def loss(params, x, y):
        a1 = jnp.tanh(x @ params["w1"] + params["b1"])
        return jnp.sum((a1 @ params["w2"] - y) ** 2)

    w1, b1, w2, x, y = normals(getkey, (4, 5), (1, 5), (5, 3), (6, 4), (6, 3))
    finding = check(loss, grads, {"w1": w1, "b1": b1, "w2": w2}, x, y).findings[0]
    assert finding.message == "`a1` is computed by another formula than in the loss."


def loss_of_a_sigmoid(params, x, y):
    return jnp.sum((1 / (1 + jnp.exp(-(x @ params["w"]))) - y) ** 2)


def test_a_sign_in_a_formula_of_the_forward_pass(getkey):
    def sigmoid(x):
        return 1 / (1 - jnp.exp(-x))

    def grads(params, x, y):
        a = sigmoid(x @ params["w"])
        return {"w": x.T @ (2 * (a - y) * a * (1 - a))}

    w, x, y = normals(getkey, (4, 3), (5, 4), (5, 3))
    finding = check(loss_of_a_sigmoid, grads, {"w": w}, x, y).findings[0]
    assert finding.cause == "wrong-forward" and "`jnp.exp(-x)` with the wrong sign" in finding.message
    assert finding.must == "1 / (1 + jnp.exp(-x))" and finding.line and finding.line.text.startswith("return")


def test_a_sign_in_a_formula_of_a_slope(getkey):
    def sigmoid_prime(a):
        return a * (1 + a)

    def grads(params, x, y):
        a = 1 / (1 + jnp.exp(-(x @ params["w"])))
        dz = 2 * (a - y) * sigmoid_prime(a)
        return {"w": x.T @ dz}

    w, x, y = normals(getkey, (4, 3), (5, 4), (5, 3))
    finding = check(loss_of_a_sigmoid, grads, {"w": w}, x, y).findings[0]
    assert finding.cause == "wrong-activation-derivative" and finding.must == "a * (1 - a)"


def test_a_sign_before_a_slope_that_is_wrong_as_well(getkey):
    def grads(params, x, y):
        a = 1 / (1 + jnp.exp(-(x @ params["w"])))
        dz2 = a + y
        dz1 = dz2 * a
        return {"w": 2 * (x.T @ dz1)}

    w, x, y = normals(getkey, (4, 3), (5, 4), (5, 3))
    finding = check(loss_of_a_sigmoid, grads, {"w": w}, x, y).findings[0]
    assert (finding.cause, finding.message) == ("sign", "`dz2` takes `y` with the wrong sign.")
    assert finding.must == "a - y"


def test_the_derivative_of_a_product_is_no_value_of_the_other_sign(getkey):
    def grads(params, x, y):
        a = 1 / (1 + jnp.exp(-(x @ params["w"])))
        dz = 2 * (a - y) * a * (1 - a)
        dw = -x
        return {"w": dw.T @ dz}

    w, x, y = normals(getkey, (4, 3), (5, 4), (5, 3))
    finding = check(loss_of_a_sigmoid, grads, {"w": w}, x, y).findings[0]
    assert finding.cause == "sign"


def test_a_multiple_of_the_whole_is_said_of_the_whole():
    grads = lambda w, x: x * w**2
    (finding,) = check(lambda w, x: jnp.sum(x * w**3), grads, jnp.array([1.0, -2.0]), jnp.array([3.0, 0.5])).findings
    assert finding.cause == "scale-constant" and abs((finding.factor or 0) - 1 / 3) < 1e-6


def test_a_number_in_one_branch_of_a_slope_is_of_the_slope(getkey):
    def loss(params, x, y):
        z = x @ params["w"]
        return jnp.sum((jnp.where(z < 0, 0.3 * z, z) - y) ** 2) / 2

    def grads(params, x, y):
        z = x @ params["w"]
        d = jnp.where(z < 0, 0.3 * z, z) - y
        dz = jnp.where(z < 0, 0.01 * d, d)
        return {"w": x.T @ dz}

    w, x, y = normals(getkey, (5, 3), (7, 5), (7, 3))
    found = said(loss, grads, {"w": w}, x, y)
    assert found == [("wrong-activation-derivative", "dz = jnp.where(z < 0, 0.01 * d, d)")]


def test_a_slope_that_lacks_an_inner_derivative_inside_a_formula_is_named(getkey):
    def inner(z):
        return jnp.tanh(0.8 * (z + 0.04 * z**3))

    def slope(z):
        t = inner(z)
        return 0.5 * (1 + t) + 0.5 * z * (1 - t**2)

    def loss(params, x, y):
        z = x @ params["w"]
        return jnp.sum((0.5 * z * (1 + inner(z)) - y) ** 2) / 2

    def grads(params, x, y):
        z = x @ params["w"]
        d = 0.5 * z * (1 + inner(z)) - y
        return {"w": x.T @ (d * slope(z))}

    w, x, y = normals(getkey, (5, 3), (7, 5), (7, 3))
    assert said(loss, grads, {"w": w}, x, y)[0][0] == "wrong-activation-derivative"


def test_a_factor_of_one_term_is_not_told_of_the_whole_line(getkey):
    def loss(params, x, y):
        r = 1 / jnp.sqrt(jnp.mean(params["x"] ** 2, axis=-1, keepdims=True))
        return jnp.sum(y * params["x"] * r)

    def grads(params, x, y):
        x = params["x"]
        r = 1 / jnp.sqrt(jnp.mean(x**2, axis=-1, keepdims=True))
        dx = r * y - r**3 * x * jnp.sum(y * x, axis=-1, keepdims=True)
        return {"x": dx}

    report = check(loss, grads, {"x": normals(getkey, (5, 4))[0]}, *normals(getkey, (5, 3), (5, 4)))
    (finding,) = report.findings
    assert finding.cause == "scale-constant"
    assert finding.must == "r * y - r ** 3 * x * jnp.mean(y * x, axis=-1, keepdims=True)"
    assert "`dx` takes the sum `jnp.sum(y * x, axis=-1, keepdims=True)` where the mean belongs" in finding.message


def test_a_value_with_the_wrong_sign_wherever_a_line_reads_it(getkey):
    def loss(params, c, s, y):
        a, b = jnp.split(params["x"], 2, axis=-1)
        return jnp.sum(y * jnp.concatenate([a * c - b * s, a * s + b * c], axis=-1))

    def grads(params, c, s, y):
        a, b = jnp.split(y, 2, axis=-1)
        dx = jnp.concatenate([a * c - b * s, a * s + b * c], axis=-1)
        return {"x": dx}

    x, c, s, y = normals(getkey, (5, 6), (5, 3), (5, 3), (5, 6))
    (finding,) = check(loss, grads, {"x": x}, c, s, y).findings
    assert finding.cause == "sign" and "takes `s` with the wrong sign" in finding.message
    assert finding.must == "jnp.concatenate([a * c - b * -s, a * -s + b * c], axis=-1)"


def test_a_sum_that_loses_its_axis_meets_another(getkey):
    """As many queries as keys: nothing fits worse than it should."""

    def loss(params, v, y):
        return jnp.sum(y * (jax.nn.softmax(params["s"], axis=-1) @ v))

    def grads(params, v, y):
        p = jax.nn.softmax(params["s"], axis=-1)
        dp = y @ v.T
        delta = jnp.sum(p * dp, -1)
        ds = p * (dp - delta)
        return {"s": ds}

    s, v, y = normals(getkey, (5, 5), (5, 3), (5, 3))
    with jax.numpy_rank_promotion("allow"):
        (finding,) = check(loss, grads, {"s": s}, v, y).findings
    assert finding.cause == "wrong-reduction-axis" and finding.must == "jnp.sum(p * dp, -1, keepdims=True)"
