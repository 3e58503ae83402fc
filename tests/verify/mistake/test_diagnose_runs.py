"""The diagnosis of statements that run once for each example, step, unit or element: all runs are corrected at once."""

import jax
import jax.numpy as jnp
import pytest

from jaxmlp import check

from ...helpers import normal
from .findings import first, normals, said


def sigmoid(z):
    return 1 / (1 + jnp.exp(-z))


@pytest.fixture
def columns(getkey):
    """A network on columns, with as many outputs as examples: both axes of the output may be those of the examples."""
    keys = jax.random.split(getkey(), 4)
    params = {"w1": normal(keys[0], (4, 5)), "w2": normal(keys[1], (3, 4))}
    return params, normal(keys[2], (5, 3)), jax.random.uniform(keys[3], (3, 3))


def loss_of_columns(params, x, y):
    return 0.5 * jnp.sum((sigmoid(params["w2"] @ jnp.tanh(params["w1"] @ x)) - y) ** 2)


def errors_sent_back_without_their_slope(params, xs, ys):
    w1, w2 = jnp.zeros_like(params["w1"]), jnp.zeros_like(params["w2"])
    for k in range(xs.shape[1]):
        x, y = xs[:, k : k + 1], ys[:, k : k + 1]
        h = jnp.tanh(params["w1"] @ x)
        out = sigmoid(params["w2"] @ h)
        error = out - y
        back = params["w2"].T @ error
        w2 += (error * out * (1 - out)) @ h.T
        w1 += (back * (1 - h * h)) @ x.T
    return {"w1": w1, "w2": w2}


def slope_of_another_function(params, xs, ys):
    w1, w2 = jnp.zeros_like(params["w1"]), jnp.zeros_like(params["w2"])
    for k in range(xs.shape[1]):
        x, y = xs[:, k], ys[:, k]
        h = jnp.tanh(params["w1"] @ x)
        out = sigmoid(params["w2"] @ h)
        dz2 = (out - y) * out * (1 - out)
        dz1 = (params["w2"].T @ dz2) * jnp.cos(h)
        w2 += jnp.outer(dz2, h)
        w1 += jnp.outer(dz1, x)
    return {"w1": w1, "w2": w2}


def right_but_for_one_leaf(params, xs, ys):
    w1, w2 = 0.0, 0.0
    for k in range(xs.shape[1]):
        x, y = xs[:, k], ys[:, k]
        h = jnp.tanh(params["w1"] @ x)
        out = sigmoid(params["w2"] @ h)
        scaled = 2 * (out - y) * out * (1 - out)
        back = (params["w2"].T @ scaled) * (1 - h * h)
        w2 = w2 + jnp.outer(scaled, h)
        w1 = w1 + jnp.outer(back, x)
    return {"w1": w1 / 2, "w2": w2}


@pytest.mark.parametrize(
    ("grads", "cause", "line"),
    (
        (errors_sent_back_without_their_slope, "missing-activation-derivative", 'back = params["w2"].T @ error'),
        (slope_of_another_function, "wrong-activation-derivative", 'dz1 = (params["w2"].T @ dz2) * jnp.cos(h)'),
        (right_but_for_one_leaf, "scale-constant", None),
    ),
)
def test_a_loop_over_examples(columns, grads, cause, line):
    [(found, where)] = said(loss_of_columns, grads, *columns)
    assert found == cause
    assert where == line if line else where not in ("scaled = 2 * (out - y) * out * (1 - out)", None)


def unit_by_unit(params, x, y):
    """Sums written as loops: the sum over the units above lacks nothing, but each unit its slope."""
    h = [jnp.tanh(sum(params["w1"][i, j] * x[j] for j in range(5))) for i in range(4)]
    out = [sigmoid(sum(params["w2"][i, j] * h[j] for j in range(4))) for i in range(3)]
    delta = [(out[i] - y[i]) * out[i] * (1 - out[i]) for i in range(3)]
    below = []
    for j in range(4):
        total = 0.0
        for i in range(3):
            total = total + params["w2"][i, j] * delta[i] * out[i]
        below.append(total * (1 - h[j] ** 2))
    w2 = jnp.stack([jnp.stack([delta[i] * h[j] for j in range(4)]) for i in range(3)])
    w1 = jnp.stack([jnp.stack([below[i] * x[j] for j in range(5)]) for i in range(4)])
    return {"w1": w1, "w2": w2}


def test_a_loop_over_units(columns):
    params, xs, ys = columns
    [(_, line)] = said(loss_of_columns, unit_by_unit, params, xs[:, 0], ys[:, 0])
    assert line == 'total = total + params["w2"][i, j] * delta[i] * out[i]'


@pytest.fixture
def sequence(getkey):
    keys = jax.random.split(getkey(), 4)
    params = {"wx": normal(keys[0], (4, 2)), "wh": 0.6 * normal(keys[1], (4, 4))}
    return params, normal(keys[2], (3, 2)), normal(keys[3], (3, 4))


def loss_of_steps(params, xs, ys):
    h, total = jnp.zeros(4), 0.0
    for x, y in zip(xs, ys, strict=True):
        h = sigmoid(params["wx"] @ x + params["wh"] @ h)
        total = total + 0.5 * jnp.sum((h - y) ** 2)
    return total


def through_time(params, xs, ys, slope):
    states = [jnp.zeros(4)]
    for x in xs:
        states.append(sigmoid(params["wx"] @ x + params["wh"] @ states[-1]))
    wx, wh, later = 0.0, 0.0, jnp.zeros(4)
    for t in (2, 1, 0):
        dh = states[t + 1] - ys[t] + later
        dz = dh * slope(states[t + 1])
        wx = wx + jnp.outer(dz, xs[t])
        wh = wh + jnp.outer(dz, states[t])
        later = params["wh"].T @ dz
    return {"wx": wx, "wh": wh}


@pytest.mark.parametrize("slope", (lambda h: 1 - h**2, lambda h: sigmoid(h) * (1 - sigmoid(h)), lambda h: jnp.exp(-h)))
def test_a_loop_through_time(sequence, slope):
    found = said(loss_of_steps, lambda params, xs, ys: through_time(params, xs, ys, slope), *sequence)
    assert found[0] == ("wrong-activation-derivative", "dz = dh * slope(states[t + 1])")


def test_windows_that_overwrite_each_other(getkey):
    keys = jax.random.split(getkey(), 3)
    inputs = (
        {"w": normal(keys[0], (6, 3))},
        normal(keys[1], (3,)),
        normal(keys[2], (4,)),
    )

    def loss(params, x, y):
        a = params["w"] @ x
        return 0.5 * jnp.sum((jnp.stack([a[i : i + 3].sum() ** 2 for i in range(4)]) - y) ** 2)

    def overwritten(params, x, y):
        a = params["w"] @ x
        e = jnp.stack([a[i : i + 3].sum() ** 2 for i in range(4)]) - y
        da = jnp.zeros_like(a)
        for i in range(4):
            da = da.at[i : i + 3].set(2 * e[i] * a[i : i + 3].sum())
        return {"w": jnp.outer(da, x)}

    def at_the_wrong_place(params, x, y):
        a = params["w"] @ x
        e = jnp.stack([a[i : i + 3].sum() ** 2 for i in range(4)]) - y
        da = jnp.zeros_like(a)
        for i in range(4):
            da = da.at[i // 2 : i // 2 + 3].add(2 * e[i] * a[i : i + 3].sum())
        return {"w": jnp.outer(da, x)}

    assert said(loss, overwritten, *inputs) == [
        ("missing-term", "da = da.at[i : i + 3].set(2 * e[i] * a[i : i + 3].sum())")
    ]
    assert said(loss, at_the_wrong_place, *inputs) == [
        ("wrong-operand", "da = da.at[i // 2 : i // 2 + 3].add(2 * e[i] * a[i : i + 3].sum())")
    ]


def slope_of_mish(z, lacking):
    """The slope of `z tanh(softplus(z))` written out, its numerator summed up over statements."""
    numerator = 4 * (z + 1)
    numerator += 4 * jnp.exp(2 * z)
    numerator += jnp.exp(z) * (4 * z + 6)
    if not lacking:
        numerator += jnp.exp(3 * z)
    denominator = 2 * jnp.exp(z) + jnp.exp(2 * z) + 2
    slope = jnp.exp(z) * numerator / denominator**2
    return slope


def test_a_sum_over_statements_that_lacks_a_product(columns):
    params, xs, _ = columns

    def loss(params, x):
        z = params["w1"] @ x
        return 0.5 * jnp.sum((params["w2"] @ (z * jnp.tanh(jax.nn.softplus(z)))) ** 2)

    def grads(params, x, lacking=True):
        z = params["w1"] @ x
        h = z * jnp.tanh(jnp.log1p(jnp.exp(z)))
        dout = params["w2"] @ h
        dz = (params["w2"].T @ dout) * slope_of_mish(z, lacking)
        return {"w1": dz @ x.T, "w2": dout @ h.T}

    assert check(loss, lambda params, x: grads(params, x, lacking=False), params, xs).ok
    [(cause, line)] = said(loss, grads, params, xs)
    assert cause in ("missing-term", "wrong-activation-derivative")
    assert line == "numerator += jnp.exp(z) * (4 * z + 6)"


def test_a_leaf_that_a_loop_makes_anew_in_each_run_lacks_the_sum(getkey):
    keys = jax.random.split(getkey(), 4)
    params = {"w": normal(keys[0], (3, 2)), "b": normal(keys[1], (2,))}

    def loss(params, x, y):
        return jnp.sum((jnp.tanh(x @ params["w"] + params["b"][None, :]) - y) ** 2) / 2

    def grads(params, x, y):
        dw, db = jnp.zeros_like(params["w"]), jnp.zeros_like(params["b"])
        for n in range(x.shape[0]):
            out = jnp.tanh(x[n] @ params["w"] + params["b"])
            dz = (out - y[n]) * (1 - out**2)
            dw = dw + jnp.outer(x[n], dz)
            db = dz
        return {"w": dw, "b": db}

    report = check(loss, grads, params, normal(keys[2], (4, 3)), normal(keys[3], (4, 2)))
    [finding] = report.findings
    assert (finding.cause, finding.leaves) == ("missing-term", ("b",))
    assert finding.line and finding.line.text == "db = dz"


def recurrent(params, xs):
    states = [jnp.zeros((4, 3), xs.dtype)]
    for x in xs:
        states.append(jnp.tanh(x + states[-1] @ params["w"]))
    return states


def recurrent_loss(params, xs):
    return 0.5 * jnp.sum(recurrent(params, xs)[-1] ** 2)


@pytest.mark.parametrize(
    ("line", "finding"),
    (
        ('ds = ds @ params["w"].T', "missing-activation-derivative"),
        ("dw = dw + states[t].T @ dz", "wrong-operand"),
    ),
)
def test_what_a_recurrent_network_hands_on_or_reads_wrongly(getkey, line, finding):
    slope_is_lost = line.startswith("ds")

    def without_the_slope(params, xs):
        states = recurrent(params, xs)
        ds, dw = states[-1], jnp.zeros_like(params["w"])
        for t in range(len(xs), 0, -1):
            dz = ds * (1 - states[t] ** 2)
            dw = dw + states[t - 1].T @ dz
            ds = ds @ params["w"].T
        return {"w": dw}

    def with_the_new_states(params, xs):
        states = recurrent(params, xs)
        ds, dw = states[-1], jnp.zeros_like(params["w"])
        for t in range(len(xs), 0, -1):
            dz = ds * (1 - states[t] ** 2)
            dw = dw + states[t].T @ dz
            ds = dz @ params["w"].T
        return {"w": dw}

    params, xs = {"w": normal(getkey(), (3, 3))}, normal(getkey(), (3, 4, 3))
    report = check(recurrent_loss, without_the_slope if slope_is_lost else with_the_new_states, params, xs)
    assert [(found.cause, found.line and found.line.text) for found in report.findings] == [(finding, line)]


def test_the_input_of_each_example_that_an_error_lacks_in_a_loop(getkey):
    def loss(params, x, y):
        return jnp.sum((params["w"] * x + params["b"] - y) ** 2) / (2 * len(x))

    def grads(params, x, y):
        dw, db = 0.0, 0.0
        for i in range(len(x)):
            dw_i = params["w"] * x[i] + params["b"] - y[i]
            db_i = params["w"] * x[i] + params["b"] - y[i]
            dw, db = dw + dw_i, db + db_i
        return {"w": dw / len(x), "b": db / len(x)}

    x, y = normals(getkey, (7,), (7,))
    found = said(loss, grads, {"w": jnp.asarray(0.6), "b": jnp.asarray(-0.3)}, x, y)
    assert found == [("missing-factor", 'dw_i = params["w"] * x[i] + params["b"] - y[i]')]


def test_a_loop_that_keeps_only_what_its_last_run_makes(getkey):
    def loss(params, x, y):
        return jnp.sum((x @ params["w"] - y) ** 2) / (2 * len(x)) + 0.05 * jnp.sum(params["w"] ** 2)

    def grads(params, x, y):
        w, found = params["w"], []
        for d in range(3):
            g = 0.0
            for i in range(len(x)):
                g = (x[i] @ w - y[i]) * x[i, d]
            found.append(g / len(x) + 0.1 * w[d])
        return {"w": jnp.stack(found)}

    w, x, y = normals(getkey, (3,), (7, 3), (7,))
    assert said(loss, grads, {"w": w}, x, y) == [("missing-term", "g = (x[i] @ w - y[i]) * x[i, d]")]


@pytest.mark.parametrize(
    ("read", "line"),
    [
        ("tanh", None),
        ("s", "do = kept * dh"),
    ],
)
def test_a_value_in_the_place_of_its_activation_in_each_step(read, line, getkey):
    def loss(params, xs, y):
        s = jnp.zeros(4)
        for x in xs:
            s = s + jnp.tanh(params["g"] @ x)
            h = jnp.tanh(s) * jax.nn.sigmoid(params["o"] @ x)
            y = y - h
        return 0.5 * jnp.sum(y**2)

    def grads(params, xs, y):
        s, steps = jnp.zeros(4), []
        for x in xs:
            g, o = jnp.tanh(params["g"] @ x), jax.nn.sigmoid(params["o"] @ x)
            s = s + g
            y = y - jnp.tanh(s) * o
            steps.append((x, g, o, s))
        dg, do_, ds = 0.0, 0.0, jnp.zeros(4)
        for x, g, o, s in reversed(steps):
            dh = -y
            kept = jnp.tanh(s) if read == "tanh" else s
            do = kept * dh
            ds = ds + o * (1 - jnp.tanh(s) ** 2) * dh
            dg = dg + jnp.outer(ds * (1 - g**2), x)
            do_ = do_ + jnp.outer(do * o * (1 - o), x)
        return {"g": dg, "o": do_}

    g, o, xs, y = normals(getkey, (4, 3), (4, 3), (3, 3), (4,))
    report = check(loss, grads, {"g": g, "o": o}, xs, y)
    assert report.ok if line is None else first(report) == ("wrong-operand", line)


def test_a_state_that_a_gate_reads_one_step_too_late_is_told_where_it_is_read(getkey):
    def loss(params, xs, h, y):
        for x in xs:
            z, r = sigmoid(x @ params["wz"]), sigmoid(x @ params["wr"])
            h = (1 - z) * h + z * jnp.tanh(x + (r * h) @ params["u"])
        return 0.5 * jnp.sum((h - y) ** 2)

    def grads(params, xs, h, y):
        states, kept = [h], []
        for x in xs:
            z, r = sigmoid(x @ params["wz"]), sigmoid(x @ params["wr"])
            c = jnp.tanh(x + (r * states[-1]) @ params["u"])
            states.append((1 - z) * states[-1] + z * c)
            kept.append((z, r, c))
        wz, wr, u = (jnp.zeros_like(params[name]) for name in ("wz", "wr", "u"))
        dh = states[-1] - y
        for t in reversed(range(len(xs))):
            before, after = states[t], states[t + 1]
            z, r, c = kept[t]
            dz = dh * (c - before) * z * (1 - z)
            dc = dh * z * (1 - c * c)
            back = dc @ params["u"].T
            dr = back * after * r * (1 - r)
            wz, wr, u = wz + xs[t].T @ dz, wr + xs[t].T @ dr, u + (r * before).T @ dc
            dh = dh * (1 - z) + back * r
        return {"wz": wz, "wr": wr, "u": u}

    wz, wr, u, xs, h, y = normals(getkey, (4, 4), (4, 4), (4, 4), (3, 5, 4), (5, 4), (5, 4))
    found = said(loss, grads, {"wz": wz, "wr": wr, "u": u}, xs, h, y)
    assert found == [("wrong-operand", "dr = back * after * r * (1 - r)")]


def test_the_error_of_the_last_output_does_not_enter_at_every_step(getkey):
    def loss(params, x, y):
        h = jnp.zeros_like(y)
        for step in x:
            h = jnp.tanh(params["u"] @ step + params["w"] @ h)
        return 0.5 * jnp.sum((params["v"] @ h - y) ** 2)

    def grads(params, x, y):
        hs = [jnp.zeros_like(y)]
        for step in x:
            hs.append(jnp.tanh(params["u"] @ step + params["w"] @ hs[-1]))
        d = params["v"] @ hs[-1] - y
        du, dw, dnext = jnp.zeros_like(params["u"]), jnp.zeros_like(params["w"]), jnp.zeros_like(y)
        for t in reversed(range(len(x))):
            dh = params["v"].T @ d + dnext
            dz = dh * (1 - hs[t + 1] ** 2)
            du += jnp.outer(dz, x[t])
            dw += jnp.outer(dz, hs[t])
            dnext = params["w"].T @ dz
        return {"u": du, "w": dw, "v": jnp.outer(d, hs[-1])}

    u, w, v, x, y = normals(getkey, (3, 4), (3, 3), (3, 3), (5, 4), (3,))
    report = check(loss, grads, {"u": u, "w": w, "v": v}, x, y)
    assert first(report) == ("double-counted-term", 'dh = params["v"].T @ d + dnext')
    assert '`params["v"].T @ d`' in report.findings[0].message.replace("'", '"')


def step_of(grad, count):
    return grad / count


def test_a_function_may_be_given_arrays_of_several_shapes(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.mean((x @ params["w"] + params["b"][None] - y) ** 2)

    def grads(params, x, y):
        d = (x @ params["w"] + params["b"][None] - y) / y.size
        dw, db = x.T @ d, jnp.sum(d, axis=0)
        w_step = step_of(dw, len(x))
        b_step = step_of(db, len(x))
        return {"w": w_step, "b": b_step}

    w, b, x, y = normals(getkey, (4, 1), (1,), (7, 4), (7, 1))
    found = said(loss, grads, {"w": w, "b": b}, x, y)
    assert found == [("scale-batch", 'd = (x @ params["w"] + params["b"][None] - y) / y.size')]


def test_a_slope_at_the_activation_s_output_unit_by_unit(getkey):
    def slope_of_sigmoid(z):
        s = sigmoid(z)
        return s * (1 - s)

    def loss(params, x, y):
        out = sigmoid(sigmoid(x @ params["w1"]) @ params["w2"] + params["b2"])
        return 0.5 * jnp.sum((out - y) ** 2)

    def grads(params, x, y):
        hidden = sigmoid(x @ params["w1"])
        out = sigmoid(hidden @ params["w2"] + params["b2"])
        deltas = [(out[j] - y[j]) * slope_of_sigmoid(out[j]) for j in range(3)]
        dw2 = jnp.zeros_like(params["w2"])
        for i in range(4):
            for j in range(3):
                dw2 = dw2.at[i, j].add(deltas[j] * hidden[i])
        error = params["w2"] @ ((out - y) * out * (1 - out))
        return {"w1": jnp.outer(x, error * hidden * (1 - hidden)), "w2": dw2, "b2": jnp.stack(deltas)}

    w1, w2, b2, x, y = normals(getkey, (5, 4), (4, 3), (3,), (5,), (3,))
    found = said(loss, grads, {"w1": w1, "w2": w2, "b2": b2}, x, y)
    assert found == [
        ("wrong-activation-derivative", "deltas = [(out[j] - y[j]) * slope_of_sigmoid(out[j]) for j in range(3)]")
    ]


def test_a_sum_over_examples_that_begins_anew_with_each(getkey):
    def loss(params, xs, ys):
        h = jnp.tanh(xs @ params["u"])
        return 0.5 * jnp.sum((h @ params["w"] - ys) ** 2) / len(xs)

    def grads(params, xs, ys):
        zeros = [jnp.zeros_like(params["u"]), jnp.zeros_like(params["w"])]
        total = zeros
        for x, y in zip(xs, ys, strict=True):
            h = jnp.tanh(x @ params["u"])
            d = h @ params["w"] - y
            of_one = [jnp.outer(x, d @ params["w"].T * (1 - h**2)), jnp.outer(h, d)]
            total = [before + more for before, more in zip(zeros, of_one, strict=True)]
        return {"u": total[0] / len(xs), "w": total[1] / len(xs)}

    u, w, xs, ys = normals(getkey, (4, 5), (5, 3), (6, 4), (6, 3))
    line = "total = [before + more for before, more in zip(zeros, of_one, strict=True)]"
    assert said(loss, grads, {"u": u, "w": w}, xs, ys) == [("missing-term", line)]


def test_a_slope_that_every_example_takes_from_the_last(getkey):
    with_a_one = lambda z: jnp.concatenate([jnp.ones(1), z])

    def loss(params, xs, ys):
        hidden = [sigmoid(with_a_one(params["w"] @ x)) for x in xs]
        return 0.5 * sum(jnp.sum((params["v"] @ h - y) ** 2) for h, y in zip(hidden, ys, strict=True))

    def grads(params, xs, ys):
        hidden = []
        for x in xs:
            hidden.append(sigmoid(with_a_one(params["w"] @ x)))
        dw, dv = jnp.zeros_like(params["w"]), jnp.zeros_like(params["v"])
        for i, x in enumerate(xs):
            error = params["v"] @ hidden[i] - ys[i]
            last = hidden[-1][1:]
            delta = params["v"][:, 1:].T @ error * (last * (1 - last))
            dv = dv + jnp.outer(error, hidden[i])
            dw = dw + jnp.outer(delta, x)
        return {"w": dw, "v": dv}

    w, v, xs, ys = normals(getkey, (4, 3), (2, 5), (5, 3), (5, 2))
    (cause, line), *others = said(loss, grads, {"w": w, "v": v}, xs, ys)
    assert (cause, others) == ("wrong-operand", [])
    assert line in ("last = hidden[-1][1:]", 'delta = params["v"][:, 1:].T @ error * (last * (1 - last))')
