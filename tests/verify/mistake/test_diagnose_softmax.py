"""The diagnosis of the derivative of a softmax: all of it missing, or all but the diagonal."""

import jax
import jax.numpy as jnp

from jaxmlp import check

from .findings import named, normals, said


def _loss(params, x, y):
    p = jax.nn.softmax(jnp.tanh(x @ params["w"]) @ params["v"])
    return jnp.sum((p - y) ** 2)


def _backward(params, x, h, dz):
    dh = dz @ params["v"].T
    return {"w": x.T @ (dh * (1 - h**2)), "v": h.T @ dz}


def test_the_cotangent_of_the_outputs_of_a_softmax_lacks_its_derivative_and_is_of_no_other_loss(getkey):
    def grads(params, x, y):
        h = jnp.tanh(x @ params["w"])
        p = jax.nn.softmax(h @ params["v"])
        dz = 2 * (p - y)
        return _backward(params, x, h, dz)

    w, v, x, y = normals(getkey, (3, 4), (4, 3), (5, 3), (5, 3))
    report = check(_loss, grads, {"w": w, "v": v}, x, y)
    assert named(report) == [("missing-activation-derivative", "dz = 2 * (p - y)")]
    assert report.findings[0].message == "`dz` lacks the derivative of softmax."


def test_a_diagonal_that_is_appended_number_by_number_is_the_diagonal(getkey):
    def grads(params, x, y):
        h = jnp.tanh(x @ params["w"])
        p = jax.nn.softmax(h @ params["v"])
        numbers = []
        for i in range(3):
            slope = p[i] * (1 - p[i])
            numbers.append(2 * (p[i] - y[i]) * slope)
        dz = jnp.stack(numbers)
        return _backward(params, x[None], h[None], dz[None])

    w, v, x, y = normals(getkey, (3, 4), (4, 3), (3,), (3,))
    found = said(_loss, grads, {"w": w, "v": v}, x, y)
    assert found == [("softmax-jacobian-diagonal-only", "numbers.append(2 * (p[i] - y[i]) * slope)")]


def _cross_entropy(params, x, y):
    return -jnp.sum(y * jax.nn.log_softmax(jnp.tanh(x @ params["w"]) @ params["v"]))


def exponentials(z):
    return jnp.exp(z)


def test_exponentials_that_are_not_divided_by_their_sum_are_no_softmax(getkey):
    def by_another_name(params, x, y):
        h = jnp.tanh(x @ params["w"])
        scores = jnp.exp(h @ params["v"])
        p = scores
        return _backward(params, x, h, p - y)

    def by_a_function(params, x, y):
        h = jnp.tanh(x @ params["w"])
        p = exponentials(h @ params["v"])
        return _backward(params, x, h, p - y)

    w, v, x = normals(getkey, (3, 4), (4, 3), (5, 3))
    inputs = {"w": w, "v": v}, x, jnp.eye(3, dtype=x.dtype)[jnp.arange(5) % 3]
    report = check(_cross_entropy, by_another_name, *inputs)
    assert named(report) == [("wrong-forward", "p = scores")]
    assert report.findings[0].must == "scores / jnp.sum(scores, axis=1, keepdims=True)"
    assert said(_cross_entropy, by_a_function, *inputs) == [("wrong-forward", "return jnp.exp(z)")]


def test_a_softmax_over_the_examples_beside_a_wrong_sign_are_two_mistakes(getkey):
    def grads(params, x, y):
        h = jnp.tanh(x @ params["w"])
        p = jax.nn.softmax(h @ params["v"], axis=0)
        dz = y - p
        return _backward(params, x, h, dz)

    w, v, x = normals(getkey, (3, 4), (4, 3), (5, 3))
    inputs = {"w": w, "v": v}, x, jnp.eye(3, dtype=x.dtype)[jnp.arange(5) % 3]
    assert said(_cross_entropy, grads, *inputs) == [
        ("wrong-forward", 'p = jax.nn.softmax(h @ params["v"], axis=0)'),
        ("sign", "dz = y - p"),
    ]


class Softmax:
    def forward(self, x):
        e = jnp.exp(x - jnp.max(x))
        return e / jnp.sum(e)


class CrossEntropy:
    def __init__(self):
        self.softmax = Softmax()

    def gradient(self, logits, y):
        return (self.softmax.forward(logits) - y) / y.shape[0]


def test_a_softmax_of_all_examples_is_told_in_its_own_class(getkey):
    def grads(params, x, y):
        h = jnp.tanh(x @ params["w"])
        d = CrossEntropy().gradient(h @ params["v"], y)
        dz = (d @ params["v"].T) * (1 - h**2)
        return {"w": x.T @ dz, "v": h.T @ d}

    x, w, v = normals(getkey, (6, 4), (4, 5), (5, 3))

    def loss(params, x, y):
        return _cross_entropy(params, x, y) / 6

    report = check(loss, grads, {"w": w, "v": v}, x, jnp.eye(3)[jnp.arange(6) % 3])
    assert named(report) == [("wrong-reduction-axis", "return e / jnp.sum(e)")]
    assert "comes of a sum over axis 0, 1 instead of axis 1" in report.findings[0].message


def slope_of_softmax(z):
    e = jnp.exp(z - z.max())
    p = e / e.sum()
    return p * (1 - p)


def test_the_diagonal_of_a_softmax_beside_a_number_is_one_statement(getkey):
    def loss(params, x, y):
        return jnp.mean((jax.nn.softmax(params["w"] @ x) - y) ** 2)

    def grads(params, x, y):
        z = params["w"] @ x
        error = 2 * (jax.nn.softmax(z) - y)
        dz = error / 3 * slope_of_softmax(z)
        return {"w": jnp.outer(dz, x)}

    w, x = normals(getkey, (3, 5), (5,))
    report = check(loss, grads, {"w": w}, x, jnp.asarray([0.0, 1.0, 0.0]))
    assert named(report) == [("softmax-jacobian-diagonal-only", "dz = error / 3 * slope_of_softmax(z)")]


def test_the_number_of_a_class_is_no_one_hot_row(getkey):
    def loss(params, x, labels):
        logits = jax.nn.log_softmax(x @ params["w"])
        return -jnp.mean(logits[jnp.arange(len(x)), labels])

    def grads(params, x, labels):
        p = jax.nn.softmax(x @ params["w"])
        error = p - labels[:, None].astype(p.dtype)
        return {"w": x.T @ error / len(x)}

    def grads_of_columns(params, x, labels):
        p = jax.nn.softmax(params["w"].T @ x.T, axis=0)
        error = p - labels[None, :].astype(p.dtype)
        return {"w": x.T @ error.T / len(x)}

    w, x = normals(getkey, (5, 4), (7, 5))
    for hand in (grads, grads_of_columns):
        [finding] = check(loss, hand, {"w": w}, x, jnp.asarray([2, 0, 3, 1, 1, 2, 3])).findings
        assert finding.cause == "wrong-operand" and "each of the 4 probabilities" in finding.message
        assert finding.line and finding.line.text.startswith("error = p - labels[")


def _averaged(params, x, y):
    return -jnp.mean(jnp.sum(y * jax.nn.log_softmax(x @ params["w"]), axis=1))


def test_the_error_of_the_logits_goes_through_the_softmax_and_the_mean_once_more(getkey):
    def back_through_softmax(p, d):
        jacobians = jnp.stack([jnp.diag(row) - jnp.outer(row, row) for row in p])
        dz = jnp.einsum("ij,ijk->ik", d, jacobians)
        return dz / len(p)

    def grads(params, x, y):
        p = jax.nn.softmax(x @ params["w"])
        d = (p - y) / len(x)
        d = back_through_softmax(p, d)
        return {"w": x.T @ d}

    w, x = normals(getkey, (3, 4), (6, 3))
    found = said(_averaged, grads, {"w": w}, x, jnp.eye(4)[jnp.array([0, 3, 2, 1, 1, 0])])
    assert found == [("extra-activation-derivative", "d = back_through_softmax(p, d)")]


def test_a_softmax_that_is_differentiated_as_its_exponentials(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((jax.nn.softmax(params["w"] @ x + params["b"], axis=0) - y) ** 2)

    def grads(params, x, y):
        e = jnp.exp(params["w"] @ x + params["b"])
        d = e / jnp.sum(e) - y
        dz = d * e
        return {"w": dz @ x.T, "b": dz}

    w, b, x = normals(getkey, (5, 3), (5, 1), (3, 1))
    y = jnp.array([[0.1], [0.6], [0.05], [0.2], [0.05]])
    assert said(loss, grads, {"w": w, "b": b}, x, y) == [("wrong-activation-derivative", "dz = d * e")]
