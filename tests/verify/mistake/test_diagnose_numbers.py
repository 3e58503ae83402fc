"""The diagnosis of gradients that are written number by number: each line is judged by what comes of it alone."""

import jax
import jax.numpy as jnp

from jaxmlp import check

from .findings import normals, said


def units(params, x):
    """A network of two hidden units and one that gives a number."""
    h = [jax.nn.sigmoid(sum(x[i] * params["hidden"][i, j] for i in range(2))) for j in range(2)]
    return h, jax.nn.sigmoid(sum(h[j] * params["output"][j] for j in range(2)))


def of_one(params, x, y):
    return 0.5 * (units(params, x)[1] - y) ** 2


def test_two_lines_that_make_numbers_of_one_leaf_are_both_named(getkey):
    def loss(params, x, y):
        return sum(of_one(params, x[n], y[n]) for n in range(3))

    def grads(params, x, y):
        d_hidden, d_output = jnp.zeros_like(params["hidden"]), jnp.zeros_like(params["output"])
        for n in range(3):
            h, out = units(params, x[n])
            error = out - y[n]
            dz = error * out * (1 - out)
            for j in range(2):
                for i in range(2):
                    d_hidden = d_hidden.at[i, j].add(dz * params["output"][j] * h[j] * (1 - h[j]) * x[n, i])
            d_first = error * h[0]
            d_second = -dz * h[1]
            d_output = d_output.at[0].add(d_first).at[1].add(d_second)
        return {"hidden": d_hidden, "output": d_output}

    hidden, output, x, y = normals(getkey, (2, 2), (2,), (3, 2), (3,))
    found = said(loss, grads, {"hidden": hidden, "output": output}, x, y)
    assert found == [
        ("missing-activation-derivative", "d_first = error * h[0]"),
        ("sign", "d_second = -dz * h[1]"),
    ]


def test_what_a_unit_gives_stands_where_its_error_belongs(getkey):
    def network(params, x):
        h = [jax.nn.sigmoid(sum(x[i] * params["hidden"][i, j] for i in range(2))) for j in range(3)]
        return h, [jax.nn.sigmoid(sum(h[j] * params["output"][j, k] for j in range(3))) for k in range(2)]

    def loss(params, x, y):
        out = network(params, x)[1]
        return sum(0.5 * (out[k] - y[k]) ** 2 for k in range(2))

    def grads(params, x, y):
        h, out = network(params, x)
        errors = [(out[k] - y[k]) * out[k] * (1 - out[k]) for k in range(2)]
        d_hidden, d_output = jnp.zeros_like(params["hidden"]), jnp.zeros_like(params["output"])
        for j in range(3):
            back = 0.0
            for k in range(2):
                d_output = d_output.at[j, k].add(errors[k] * h[j])
                back = back + params["output"][j, k] * out[k]
            for i in range(2):
                d_hidden = d_hidden.at[i, j].add(back * h[j] * (1 - h[j]) * x[i])
        return {"hidden": d_hidden, "output": d_output}

    hidden, output, x, y = normals(getkey, (2, 3), (3, 2), (2,), (2,))
    found = said(loss, grads, {"hidden": hidden, "output": output}, x, y)
    assert found == [("wrong-operand", 'back = back + params["output"][j, k] * out[k]')]


def test_numbers_that_are_stacked_up_are_each_of_their_own_line(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((jnp.tanh(x @ params["w"]) - y) ** 2)

    def grads(params, x, y):
        a = jnp.tanh(x @ params["w"])
        dz = (a - y) * (1 - a**2)
        first = jnp.sum(dz * x[:, 0])
        second = jnp.sum((a - y) * x[:, 1])
        third = jnp.sum(dz * x[:, 2]) / 7
        return {"w": jnp.stack([first, second, third])}

    w, x, y = normals(getkey, (3,), (7, 3), (7,))
    assert said(loss, grads, {"w": w}, x, y) == [
        ("missing-activation-derivative", "second = jnp.sum((a - y) * x[:, 1])"),
        ("scale-batch", "third = jnp.sum(dz * x[:, 2]) / 7"),
    ]


def test_a_number_of_a_sum_is_named_beside_the_one_that_belongs_there(getkey):
    def loss(params, x, y):
        return jnp.sum(jnp.log1p(1 + jnp.expm1(-y * (x @ params["w"]))))

    def grads(params, x, y):
        m = -y * (x @ params["w"])
        above = -y * (2 + jnp.expm1(m))
        dz = above / (2 + jnp.expm1(m))
        return {"w": x.T @ dz}

    w, x, y = normals(getkey, (3,), (5, 3), (5,))
    (finding,) = check(loss, grads, {"w": w}, x, jnp.sign(y)).findings
    assert finding.cause == "wrong-activation-derivative"
    assert (finding.message, finding.must) == ("`above` uses `2` where `1` belongs.", "-y * (1 + jnp.expm1(m))")


def test_a_single_number_belongs_in_the_place_of_another(getkey):
    def grads(params, x, y):
        slope = params["w"]
        return {"w": (y - x * params["w"]) * slope}

    w, x, y = normals(getkey, (), (), ())
    loss = lambda params, x, y: 0.5 * (y - params["w"] * x) ** 2
    (finding,) = check(loss, grads, {"w": w}, x, y).findings
    assert finding.cause == "wrong-operand"
    assert finding.message == 'The gradient of `w` uses `params["w"]` where `x` belongs.'


def test_the_gradient_of_a_parameter_is_not_what_is_sent_back(getkey):
    def loss(params, x, y):
        h = jnp.tanh(params["w"] * x)
        return 0.5 * (jnp.tanh(params["u"] * h) - y[0]) ** 2 + 0.5 * (jnp.tanh(params["v"] * h) - y[1]) ** 2

    def grads(params, x, y):
        h = jnp.tanh(params["w"] * x)
        first, second = jnp.tanh(params["u"] * h), jnp.tanh(params["v"] * h)
        du = (first - y[0]) * (1 - first**2) * h
        dv = (second - y[1]) * (1 - second**2) * h
        dw = (du + dv) * (1 - h**2) * x
        return {"u": du, "v": dv, "w": dw}

    u, v, w, x, y = normals(getkey, (), (), (), (), (2,))
    (finding,) = check(loss, grads, {"u": u, "v": v, "w": w}, x, y).findings
    assert finding.cause == "wrong-operand"
    assert finding.message == "`dw` goes on from `du`, the gradient of a parameter: no other gradient comes of it."


def test_a_number_that_is_a_term_of_the_gradient_is_a_constant(getkey):
    def loss(params, x):
        return jnp.sum(0.5 * params["v"] + 0.5 * x**2 * jnp.exp(-params["v"]))

    def grads(params, x):
        dv = 0.25 - 0.5 * x**2 * jnp.exp(-params["v"])
        return {"v": dv}

    v, x = normals(getkey, (4,), (4,))
    (finding,) = check(loss, grads, {"v": v}, x).findings
    assert (finding.cause, finding.message) == ("scale-constant", "`dv` uses `0.25` where `0.5` belongs.")


def test_a_single_number_is_no_slope_at_a_parameter_that_takes_part_in_a_product(getkey):
    def loss(params, x, y):
        h = jnp.tanh(params["w"] * x)
        return 0.5 * (jnp.tanh(params["u"] * h) + jnp.tanh(params["v"] * h) - y) ** 2

    def grads(params, x, y):
        h = jnp.tanh(params["w"] * x)
        first, second = jnp.tanh(params["u"] * h), jnp.tanh(params["v"] * h)
        error = first + second - y
        du, dv = error * (1 - first**2) * h, error * (1 - second**2) * h
        dw = error * ((1 - first**2) * (1 - h**2) * x + (1 - second**2) * (1 - h**2) * x)
        return {"u": du, "v": dv, "w": dw}

    u, v, w, x, y = normals(getkey, (), (), (), (), ())
    (finding,) = check(loss, grads, {"u": u, "v": v, "w": w}, x, y).findings
    assert finding.line and finding.line.text.startswith("dw = ")
    assert "slope of the activation" not in finding.message


def test_a_factor_of_zeros_makes_the_gradient_zero_and_is_no_slope_too_many(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((x @ params["w"] - y) ** 2)

    def grads(params, x, y):
        out = x @ params["w"]
        d = jnp.zeros_like(out) * (out - y)
        return {"w": x.T @ d}

    w, x, y = normals(getkey, (3, 2), (7, 3), (7, 2))
    assert said(loss, grads, {"w": w}, x, y) == [("zero-gradient", "d = jnp.zeros_like(out) * (out - y)")]


def test_the_number_of_inputs_divides_where_the_number_of_examples_must(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.mean(jnp.sum((params["w"] @ x - y) ** 2, axis=0))

    def grads(params, x, y):
        d = params["w"] @ x - y
        return {"w": d @ x.T / x.shape[0]}

    w, x, y = normals(getkey, (3, 4), (4, 7), (3, 7))
    [found] = check(loss, grads, {"w": w}, x, y).findings
    assert found.cause == "scale-batch" and "divided by 4, and the batch has 7 examples" in found.message


def test_the_number_of_examples_divides_an_error_and_every_leaf_once_more(getkey):
    def loss(params, x, y):
        h = jnp.tanh(x @ params["w1"])
        return 0.5 * jnp.mean(jnp.sum((h @ params["w2"] + params["b2"][None] - y) ** 2, axis=1))

    def grads(params, x, y):
        m = x.shape[0]
        h = jnp.tanh(x @ params["w1"])
        d2 = (h @ params["w2"] + params["b2"][None] - y) / m
        dw2 = h.T @ d2 / m
        db2 = d2.sum(axis=0) / m
        d1 = d2 @ params["w2"].T * (1 - h**2)
        dw1 = x.T @ d1 / m
        return {"w1": dw1, "w2": dw2, "b2": db2}

    w1, w2, b2, x, y = normals(getkey, (5, 4), (4, 3), (3,), (7, 5), (7, 3))
    found = said(loss, grads, {"w1": w1, "w2": w2, "b2": b2}, x, y)
    assert found == [("scale-batch", 'd2 = (h @ params["w2"] + params["b2"][None] - y) / m')]


def test_an_error_that_is_multiplied_by_the_number_of_examples_again_is_told_there(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.mean(jnp.sum((x @ params["w1"] @ params["w2"] - y) ** 2, axis=1))

    def grads(params, x, y):
        m = x.shape[0]
        h = x @ params["w1"]
        error = h @ params["w2"] - y
        d2 = error / m
        dw2 = h.T @ d2
        dh = d2 @ params["w2"].T * m
        dw1 = x.T @ dh
        return {"w1": dw1, "w2": dw2}

    w1, w2, x, y = normals(getkey, (5, 4), (4, 3), (7, 5), (7, 3))
    found = said(loss, grads, {"w1": w1, "w2": w2}, x, y)
    assert found == [("scale-batch", 'dh = d2 @ params["w2"].T * m')]


def test_single_weights_that_are_moved_before_the_error_goes_back_through_them(getkey):
    def loss(params, x, y, rate):
        h = jax.nn.relu(params["hidden"] @ x + params["bias"])
        return 0.5 * (jax.nn.sigmoid(params["output"][0] @ h) - y) ** 2

    def grads(params, x, y, rate):
        h = []
        for i in range(5):
            total = params["bias"][i]
            for j in range(2):
                total = total + params["hidden"][i, j] * x[j]
            h.append(jnp.maximum(total, 0))
        out = jax.nn.sigmoid(sum(params["output"][0, j] * h[j] for j in range(5)))
        delta = (out - y) * out * (1 - out)
        weights, d_output = [params["output"][0, j] for j in range(5)], []
        for j in range(5):
            d_output.append(delta * h[j])
            weights[j] = weights[j] - rate * d_output[j]
        d_hidden, d_bias = [], []
        for i in range(5):
            error = delta * weights[i]
            error = jnp.where(h[i] > 0, error, 0.0)
            d_hidden.append(jnp.stack([error * x[j] for j in range(2)]))
            d_bias.append(error)
        return {"hidden": jnp.stack(d_hidden), "bias": jnp.stack(d_bias), "output": jnp.stack(d_output)[None, :]}

    hidden, bias, output, x = normals(getkey, (5, 2), (5,), (1, 5), (2,))
    params = {"hidden": hidden, "bias": bias, "output": output}
    found = said(loss, grads, params, x, jnp.asarray(0.9), jnp.asarray(0.4))
    assert found == [("stale-weights", "error = delta * weights[i]")]


def test_a_slope_too_much_is_told_as_one_where_each_example_has_one_number(getkey):
    def loss(params, x, y):
        z = jax.nn.sigmoid(x @ params["w1"] + params["b1"]) @ params["w2"] + params["b2"]
        return jnp.sum(jnp.logaddexp(0.0, z) - y * z)

    def activation(a, backward=False):
        if backward:
            return a * (1 - a)
        return 1 / (1 + jnp.exp(-a))

    def grads(params, x, y):
        dw1 = dw2 = db1 = db2 = 0
        for n in range(len(x)):
            row = x[n].reshape(1, -1)
            a = activation(row @ params["w1"] + params["b1"])
            out = activation(a @ params["w2"] + params["b2"])
            error = y[n : n + 1] - out
            d = error * activation(out, backward=True)
            back = (d @ params["w2"].T) * activation(a, backward=True)
            dw1 += row.T @ back
            dw2 += a.T @ d
            db1 += back
            db2 += d
        return {"w1": -dw1, "b1": -db1, "w2": -dw2, "b2": -db2}

    w1, b1, w2, b2, x = normals(getkey, (3, 4), (1, 4), (4, 1), (1, 1), (6, 3))
    y = jnp.array([[0], [1], [1], [0], [1], [0]], x.dtype)
    assert said(loss, grads, {"w1": w1, "b1": b1, "w2": w2, "b2": b2}, x, y) == [
        ("extra-activation-derivative", "d = error * activation(out, backward=True)")
    ]


def test_the_error_of_its_own_neuron_in_the_place_of_that_which_a_weight_leads_to(getkey):
    def loss(params, x, y):
        h = jax.nn.sigmoid(x @ params["first"])
        return 0.5 * jnp.sum((jax.nn.sigmoid(h @ params["second"]) - y) ** 2)

    def grads(params, x, y):
        weights = [params["first"], params["second"]]
        results = [x]
        for layer in weights:
            results.append(jax.nn.sigmoid(results[-1] @ layer))
        errors = [(results[2] - y) * results[2] * (1 - results[2])]
        for layer in reversed(range(2)):
            errors.insert(0, weights[layer] @ errors[0] * results[layer] * (1 - results[layer]))
        deltas = [jnp.zeros_like(layer) for layer in weights]
        for i in (2, 1):
            for j in range(len(results[i - 1])):
                for k in range(len(results[i])):
                    step = results[i - 1][j] * errors[i - 1][j]
                    deltas[i - 1] = deltas[i - 1].at[j, k].set(step)
        return {"first": deltas[0], "second": deltas[1]}

    first, second, x, y = normals(getkey, (2, 3), (3, 2), (2,), (2,))
    found = said(loss, grads, {"first": first, "second": second}, x, y)
    assert found[0][1] == "step = results[i - 1][j] * errors[i - 1][j]"
