"""The diagnosis of gradients that objects send to each other, and of what a helper does not transpose."""

import jax.numpy as jnp

from ...helpers import normal
from .findings import said


class Node:
    """A number of a graph that sends its gradient to those that it is the product or sum of."""

    def __init__(self, data, *sources, is_product=False):
        self.data, self.sources, self.is_product = data, sources, is_product
        self.grad = jnp.zeros_like(data)

    def receive(self, grad):
        self.grad = self.grad + grad

    def backward(self):
        if self.is_product:
            left, right = self.sources
            left.receive(self.grad * right.data)
            right.receive(self.grad * left.data)
        else:
            for source in self.sources:
                source.receive(self.grad)
        for source in self.sources:
            source.backward()

    def __mul__(self, other):
        return Node(self.data * other.data, self, other, is_product=True)

    def __add__(self, other):
        return Node(self.data + other.data, self, other)


def test_a_node_that_sends_its_gradient_on_once_for_each_of_its_users(getkey):
    def loss(params, x):
        h = params["w"] * x
        return jnp.sum(h * params["v"] + h * h)

    def grads(params, x):
        w, v = Node(params["w"]), Node(params["v"])
        h = w * Node(x)
        out = h * v + h * h
        out.grad = jnp.ones_like(x)
        out.backward()
        return {"w": w.grad, "v": v.grad}

    params = {name: normal(getkey(), (4,)) for name in ("w", "v")}
    found = said(loss, grads, params, normal(getkey(), (4,)))
    assert found == [("double-counted-term", "source.backward()")]


def quadratic_bwd(inverse, dy):
    return -(inverse @ dy @ inverse)


def test_a_transpose_that_is_missing_twice(getkey):
    def loss(params, x):
        return jnp.sum((jnp.linalg.inv(params) @ x) ** 2) / 2

    def grads(params, x):
        inverse = jnp.linalg.inv(params)
        return quadratic_bwd(inverse, inverse @ x @ x.T)

    matrix = 2 * jnp.eye(3) + 0.3 * normal(getkey(), (3, 3))
    found = said(loss, grads, matrix, normal(getkey(), (3, 2)))
    assert found == [("transposed", "return -(inverse @ dy @ inverse)")]
