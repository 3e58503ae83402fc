import jax
import jax.numpy as jnp
import optax
import pytest

from jaxmlp._cli._optimizer import optimizer_of
from jaxmlp._cli._terminal import CommandError


def first_update(optimizer):
    params, grads = jnp.array([1.0, -2.0]), jnp.array([0.5, 3.0])
    return optimizer.update(grads, optimizer.init(params), params)[0]


@pytest.mark.parametrize(
    ("text", "settings", "expected", "written"),
    (
        ("sgd", (), lambda: optax.sgd(0.01), "sgd(learning_rate=0.01)"),
        ("sgd", ("learning_rate=0.5", "nesterov=True", "momentum=0.9"), lambda: optax.sgd(0.5, 0.9, True), None),
        ("adam(0.1, b1=0.5)", ("b2=0.9",), lambda: optax.adam(0.1, b1=0.5, b2=0.9), "adam(0.1, b1=0.5, b2=0.9)"),
        (
            "chain(clip_by_global_norm(1.0), sgd(cosine_decay_schedule(0.1, 100)))",
            (),
            lambda: optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(optax.cosine_decay_schedule(0.1, 100))),
            None,
        ),
        ("sgd", ("learning_rate=cosine_decay_schedule(0.1, 100)",), lambda: optax.sgd(0.1), None),
        ("rmsprop(1e-3)", (), lambda: optax.rmsprop(1e-3), "rmsprop(0.001)"),
    ),
)
def test_is_what_optax_makes_of_the_same_call(text, settings, expected, written):
    optimizer, shown = optimizer_of(text, settings)
    with jax.numpy_dtype_promotion("standard"):
        assert (first_update(optimizer) == first_update(expected())).all()
    assert written is None or shown == written


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    (
        ("adamm", (), "optax has no function adamm. Did you mean adam?"),
        ("adam(0.1", (), "adam(0.1 cannot be read: write it as in Python, as adam(learning_rate=0.01)."),
        ("adam", ("rate=0.1",), "does not fit adam(learning_rate, b1, b2, eps, "),
        ("adam", ("0.1",), "--set 0.1 must be of the form name=value"),
        ("adam", ("b1=one",), "one is neither a number nor a call of optax."),
        ("adam", ("b1=0.9, b2=0.9",), "--set b1=0.9, b2=0.9 cannot be read"),
        ("adam(**{'b1': 1})", (), "cannot be read: write its arguments out."),
        ("apply_updates", ("params=1", "updates=2"), "makes a "),
        ("3", (), "--optimizer 3 is not the name of an optax optimizer"),
        ("__import__('os').system('true')", (), "optax has no function __import__('os').system."),
        ("sgd(open('/etc/passwd'))", (), "optax has no function open."),
        ("_src", (), "optax has no function _src."),
        ("Schedule", (), "optax has no function Schedule."),
        ("jax.jit(3)", (), "optax has no function jax.jit."),
        ("sgd(lambda count: 0.1)", (), "is neither a number nor a call of optax."),
    ),
)
def test_anything_else_is_refused_with_a_sentence(text, settings, message):
    with pytest.raises(CommandError) as refused:
        optimizer_of(text, settings)
    assert message in str(refused.value)
