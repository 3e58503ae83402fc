"""The file that `jaxmlp new` writes: one program, with its words in each language."""

_PROGRAM = '''\
"""{title}

{mistake}

    {command}

{yours}
"""

import jax
import jax.numpy as jnp


def loss(params, x, y):
    """{loss}"""
    a1 = jnp.tanh(x @ params["w1"] + params["b1"])
    p = jax.nn.sigmoid(a1 @ params["w2"] + params["b2"])
    return -jnp.mean(y * jnp.log(p) + (1 - y) * jnp.log(1 - p))


def hand_grads(params, x, y):
    """{grads}"""
    a1 = jnp.tanh(x @ params["w1"] + params["b1"])  # (4, 3)
    p = jax.nn.sigmoid(a1 @ params["w2"] + params["b2"])  # (4, 1)

    dz2 = (p - y) / len(x)  # (4, 1)
    dw2 = a1.T @ dz2  # (3, 1)
    db2 = dz2.sum(axis=0)  # (1,)

    da1 = dz2 @ params["w2"].T  # (4, 3)
    dz1 = da1 * a1 * (1 - a1)  # (4, 3)
    dw1 = x.T @ dz1  # (2, 3)
    db1 = dz1.sum(axis=0)  # (3,)
    return {{"w1": dw1, "b1": db1, "w2": dw2, "b2": db2}}


def inputs():
    """{inputs}"""
    x = jnp.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = jnp.array([[0.0], [1.0], [1.0], [0.0]])
    w1_key, w2_key = jax.random.split(jax.random.key(0))
    params = {{
        "w1": jax.random.normal(w1_key, (2, 3)),
        "b1": jnp.zeros(3),
        "w2": jax.random.normal(w2_key, (3, 1)),
        "b2": jnp.zeros(1),
    }}
    return params, x, y
'''

_WORDS = {
    "en": {
        "title": "A network of two layers that learns exclusive or, and its gradient by hand.",
        "mistake": "There is one mistake in `hand_grads`. Look for it, then let it be found:",
        "yours": "When the gradient is right, put your own loss, gradient and inputs here.",
        "loss": "The mean cross-entropy: a number.",
        "grads": "The derivative of `loss` by each of `params`: the same names and shapes.",
        "inputs": "Where to compare the two: `params`, and what else `loss` takes.",
    },
    "ko": {
        "title": "XOR를 배우는 두 층짜리 신경망과, 손으로 쓴 기울기.",
        "mistake": "`hand_grads`에 실수가 하나 있습니다. 먼저 직접 찾아보고, 다음 명령으로 확인하세요.",
        "yours": "기울기를 바르게 고쳤으면, 여기에 여러분의 손실과 기울기와 입력을 쓰세요.",
        "loss": "평균 교차 엔트로피: 수 하나.",
        "grads": "`params` 하나하나로 `loss`를 미분한 것: 이름과 모양이 `params`와 같다.",
        "inputs": "둘을 비교할 곳: `params`와, 그 밖에 `loss`가 받는 것.",
    },
}

LANGUAGES = tuple(_WORDS)


def template(lang: str, command: str) -> str:
    """The program, which says that `command` finds its mistake."""
    return _PROGRAM.format(command=command, **_WORDS[lang])
