# %% [markdown] lang="en"
# # The lost minus sign
#
# **A loss falls from the first epoch on, and the network gets worse all the while. How can that
# be, and what finds it?**
#
# A program from a lecture trains a small network on XOR. It prints its loss every 500 epochs,
# and every line that it prints says NaN. The usual remedy is a small number in the
# denominators. Here is what happened before the first line, what the remedy does, and what it
# does not.

# %% [markdown] lang="ko"
# # 사라진 마이너스 부호
#
# **손실은 첫 에폭부터 계속 줄어드는데 신경망은 점점 나빠집니다. 어떻게 이런 일이 생기고,
# 무엇으로 찾아낼 수 있을까요?**
#
# 어떤 강의의 프로그램이 작은 신경망으로 XOR을 학습합니다. 500 에폭마다 손실을 출력하는데,
# 출력되는 줄이 모두 NaN입니다. 흔히 분모에 작은 수를 더하라고 합니다. 첫 줄이 출력되기 전에
# 무슨 일이 있었는지, 그 처방이 무엇을 고치고 무엇을 고치지 못하는지 살펴봅니다.

# %% [markdown] lang="en"
# ## What is stated, and what is coded
#
# The lecture states the binary cross-entropy and its slope by the output $p$ of the network:
#
# $$
# L = -\frac{1}{n}\sum [y \log p + (1 - y) \log(1 - p)] \qquad \frac{\partial L}{\partial p} =
# -\frac{1}{n}\left[\frac{y}{p} - \frac{1 - y}{1 - p}\right]
# $$
#
# In the code both have lost their minus. The rest of the backward pass is the usual one,
# $dz_2 = dp \cdot p (1 - p)$, $dw_2 = a_1^\mathsf{T} dz_2$ and so on, except that weights take
# the sum over the batch and biases the mean.

# %% [markdown] lang="ko"
# ## 식과 코드
#
# 강의에 적힌 식은 이진 교차 엔트로피와, 그것을 신경망의 출력 $p$로 미분한 것입니다.
#
# $$
# L = -\frac{1}{n}\sum [y \log p + (1 - y) \log(1 - p)] \qquad \frac{\partial L}{\partial p} =
# -\frac{1}{n}\left[\frac{y}{p} - \frac{1 - y}{1 - p}\right]
# $$
#
# 그런데 코드에는 두 식 모두 마이너스가 없습니다. 나머지 역전파는 $dz_2 = dp \cdot p (1 - p)$,
# $dw_2 = a_1^\mathsf{T} dz_2$처럼 평범합니다. 다만 가중치에는 배치의 합을, 편향에는 배치의
# 평균을 씁니다.

# %%
import math

import jax
import jax.numpy as jnp
import numpy as np

import jaxmlp
from jaxmlp import check, plot, trace_nonfinite


x, y = jaxmlp.gate("xor")
start = {
    "w1": jnp.ones((2, 2)),
    "b1": jnp.array([1.0, 2.0]),
    "w2": jnp.array([[2.0], [1.0]]),
    "b2": jnp.array([1.0]),
}


def sigmoid(z):
    return 1 / (1 + jnp.exp(-z))


def predict(params, x):
    a1 = sigmoid(x @ params["w1"] + params["b1"])
    return a1, sigmoid(a1 @ params["w2"] + params["b2"])


def coded_loss(params, x, y):
    _, p = predict(params, x)
    return jnp.mean(y * jnp.log(p) + (1 - y) * jnp.log(1 - p))


def hand_grads(params, x, y):
    a1, p = predict(params, x)
    dp = y / p - (1 - y) / (1 - p)
    dz2 = dp * (p * (1 - p))
    db2 = dz2.mean(axis=0)
    dw2 = a1.T @ dz2
    da1 = dz2 @ params["w2"].T
    dz1 = da1 * (a1 * (1 - a1))
    db1 = dz1.mean(axis=0)
    dw1 = x.T @ dz1
    return {"w1": dw1, "b1": db1, "w2": dw2, "b2": db2}


# %% [markdown] lang="en"
# ## The training, epoch by epoch
#
# Plain gradient descent at a rate of 0.01. The lecture's first line would be that of epoch 500.

# %% [markdown] lang="ko"
# ## 에폭마다 들여다보기
#
# 학습률 0.01의 경사 하강법입니다. 강의의 첫 출력은 500 에폭입니다.


# %%
def epoch(params, _=None):
    grads = hand_grads(params, x, y)
    new = jax.tree.map(lambda param, grad: param - 0.01 * grad, params, grads)
    return new, (coded_loss(params, x, y), predict(params, x)[1])


_, (losses, outputs) = jax.lax.scan(epoch, start, length=500)
for number in (1, 100, 200, 300, 311, 312, 313, 500):
    p = outputs[number - 1]
    right = int((jnp.isfinite(p) & ((p > 0.5) == (y > 0.5))).sum())
    shown = " ".join(f"{output:.5f}" for output in p.ravel().tolist())
    print(f"epoch {number:3}: loss {losses[number - 1]:7.4f}, p {shown}, right: {right} of 4")

# %% [markdown] lang="en"
# The loss goes down, as it should, until it is minus infinity. But no output ever leaves the
# side of 1, so two of the four answers stay wrong, and are held with more and more confidence.
# The number that falls is minus a cross-entropy; what the training does to the cross-entropy
# itself is on the right.

# %% [markdown] lang="ko"
# 손실은 기대한 대로 줄어들다가 마이너스 무한대가 됩니다. 그런데 네 출력은 한 번도 1 쪽을
# 벗어나지 않습니다. 답 네 개 가운데 두 개는 계속 틀린 채로, 갈수록 더 큰 확신을 가지고
# 틀립니다. 줄어드는 수는 교차 엔트로피에 마이너스를 붙인 것입니다. 교차 엔트로피 자체는 오른쪽
# 그림처럼 움직입니다.

# %%
titles = {
    "en": ("what is printed", "the cross-entropy"),
    "ko": ("출력된 손실", "교차 엔트로피"),
}
axes = plot.panels(1, 2, size=(7, 2.6))[0]
for ax, title, curve in zip(axes, titles[lang], (losses, -losses), strict=True):
    plot.loss_curve(curve, ax=ax, lang=lang)
    ax.set(title=title, yscale="linear")

# %% [markdown] lang="en"
# There were two warnings before any NaN. A cross-entropy is a mean of $-\log p$ of numbers
# below 1, so **it cannot be negative**, and this loss is from epoch 1. And the share of right
# answers never rises.
#
# ## The hand result beside automatic differentiation
#
# `check` is given the loss that the lecture *states*, and the gradient that it *codes*.

# %% [markdown] lang="ko"
# NaN이 나오기 전에 이미 두 가지 징후가 있었습니다. 교차 엔트로피는 1보다 작은 수의 $-\log p$를
# 평균한 것이라 **음수가 될 수 없는데**, 이 손실은 첫 에폭부터 음수입니다. 그리고 정답률이 한
# 번도 오르지 않습니다.
#
# ## 손으로 구한 기울기와 자동 미분
#
# `check`에 강의에 *적힌* 손실과 *코드에 있는* 기울기를 넘겨 봅니다.


# %% tags=["rounding"]
def cross_entropy(params, x, y):
    return -coded_loss(params, x, y)


check(cross_entropy, hand_grads, start, x, y)

# %% [markdown] lang="en"
# Two mistakes, told apart and each at its own line: the sign is lost in `dp`, and the sum over
# the batch stands in the lines of the two weights. The second one only makes the weights learn
# four times as fast as the biases. The first one turns descent into ascent.
#
# Would automatic differentiation have saved the lecture? Not if it is given the loss as coded.
# It then finds the sign in order, for the loss lacks the same minus: a derivative can be
# checked against its loss, but the loss only against what it is meant to be.

# %% [markdown] lang="ko"
# 실수는 두 가지이고, 각각 다른 줄에 있습니다. `dp`에서 부호가 빠졌고, 두 가중치의 줄에서는
# 배치의 평균 대신 합을 구했습니다. 두 번째 실수는 가중치가 편향보다 네 배 빨리 움직이게 할
# 뿐입니다. 첫 번째 실수는 하강을 상승으로 바꿉니다.
#
# 자동 미분을 썼다면 괜찮았을까요? 코드에 있는 손실을 그대로 미분했다면 아닙니다. 손실에도 같은
# 마이너스가 빠져 있으므로 부호는 틀리지 않은 것으로 나옵니다. 미분은 손실과 비교해 확인할 수
# 있지만, 손실은 원래 뜻한 식과 비교해야만 확인할 수 있습니다.

# %%
for finding in check(coded_loss, hand_grads, start, x, y).findings:
    print(f"{finding.cause:12} {finding.line.text}")

# %% [markdown] lang="en"
# ## Where the NaN is born
#
# `trace_nonfinite` runs the training until something is not finite, runs that step again one
# operation at a time, and goes back from the NaN to where it came from. Nobody tells it where
# to look.

# %% [markdown] lang="ko"
# ## NaN이 태어나는 곳
#
# `trace_nonfinite`는 유한하지 않은 값이 나올 때까지 학습을 실행하고, 그 단계를 연산 하나씩 다시
# 실행하면서 NaN이 어디서 왔는지 거슬러 올라갑니다. 어디를 보라고 알려 줄 필요가 없습니다.


# %% tags=["rounding"]
def step(params):
    grads = hand_grads(params, x, y)
    new = jax.tree.map(lambda param, grad: param - 0.01 * grad, params, grads)
    return new, cross_entropy(params, x, y)


trace_nonfinite(step, start, max_steps=500)

# %% [markdown] lang="en"
# The report ends with the cause: the loss was climbed. The NaN is only how it came to light, in
# one example, (1, 1), whose answer is 0. There `exp(-z)` is so small beside the 1 that `p` is
# exactly 1; `1 - p` is exactly 0; and $0 \cdot (-\infty)$ has no value.
#
# How soon that happens depends on how many bits the number format has: `p` rounds to 1 from
# $z = 24 \ln 2$ on in float32, which has 24 bits. More bits buy time, and nothing else.

# %% [markdown] lang="ko"
# 보고서의 마지막 문장이 원인입니다. 손실을 거슬러 올라갔습니다. NaN은 그 사실이 드러난 모습일
# 뿐입니다. 정답이 0인 샘플 (1, 1) 하나에서 `exp(-z)`가 1에 비해 너무 작아져 `p`가 정확히 1이
# 되고, `1 - p`는 정확히 0이 됩니다. 그리고 $0 \cdot (-\infty)$에는 값이 없습니다.
#
# 언제 그렇게 되는지는 수 형식의 비트 수가 정합니다. 유효 비트가 24개인 float32에서는
# $z = 24 \ln 2$부터 `p`가 1로 반올림됩니다. 비트가 많으면 시간을 벌 뿐, 달라지는 것은 없습니다.


# %%
def first(losses, test):
    found = np.flatnonzero(test(np.asarray(losses, np.float64)))
    return int(found[0]) + 1 if found.size else "never"


def coded(params, x, y):
    return coded_loss(params, x, y), hand_grads(params, x, y)


def train(rule, dtype="float32", lr=0.01, epochs=1000):
    here = lambda tree: jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), tree)

    def epoch(params, _):
        loss, grads = rule(params, here(x), here(y))
        new = jax.tree.map(lambda param, grad: param - here(lr) * grad, params, grads)
        return new, (loss, new)

    return jax.lax.scan(epoch, here(start), length=epochs)[1]


with jax.enable_x64(True):
    for dtype, bits in {"bfloat16": 8, "float16": 11, "float32": 24, "float64": 53}.items():
        losses, _ = train(coded, dtype)
        inf, nan = first(losses, np.isinf), first(losses, np.isnan)
        z = bits * math.log(2)
        print(f"{dtype:8} p is 1 from z = {z:5.2f} on: inf at epoch {inf}, NaN at {nan}")

# %% [markdown] lang="en"
# ## What eps cures
#
# Five ways to mend it, 10,000 epochs each:
#
# - an eps of $10^{-7}$ in the denominators of `dp`;
# - the same in the logarithms of the loss as well;
# - everything on the logits, $dz_2 = y - p$ and $\log p = -\mathrm{softplus}(-z_2)$, with the
#   sign still lost;
# - the sign put back, and nothing else;
# - both: the sign and the logits, which is what `jaxmlp.loss_and_grads` computes, at a rate of
#   1.

# %% [markdown] lang="ko"
# ## eps가 고치는 것
#
# 고치는 방법 다섯 가지를 10,000 에폭씩 실행합니다.
#
# - `dp`의 분모에 eps $10^{-7}$을 더합니다.
# - 손실의 로그 안에도 같은 수를 더합니다.
# - 부호는 그대로 둔 채 모두 로짓에서 계산합니다. $dz_2 = y - p$,
#   $\log p = -\mathrm{softplus}(-z_2)$입니다.
# - 부호만 되살립니다.
# - 부호를 되살리고 로짓에서 계산합니다. `jaxmlp.loss_and_grads`가 이렇게 계산합니다. 학습률은
#   1입니다.


# %% tags=["rounding"]
def below(params, x, a1, dz2):
    """The rest of the backward pass, from `dz2` down, as it was coded."""
    dz1 = (dz2 @ params["w2"].T) * (a1 * (1 - a1))
    return {"w1": x.T @ dz1, "b1": dz1.mean(axis=0), "w2": a1.T @ dz2, "b2": dz2.mean(axis=0)}


def with_eps(params, x, y, in_logs=0.0, eps=1e-7, sign=1):
    a1, p = predict(params, x)
    dp = sign * (y / (p + eps) - (1 - y) / (1 - p + eps))
    loss = sign * jnp.mean(y * jnp.log(p + in_logs) + (1 - y) * jnp.log(1 - p + in_logs))
    return loss, below(params, x, a1, dp * (p * (1 - p)))


def on_logits(params, x, y):
    a1, p = predict(params, x)
    z2 = a1 @ params["w2"] + params["b2"]
    loss = -jnp.mean(y * jax.nn.softplus(-z2) + (1 - y) * jax.nn.softplus(z2))
    return loss, below(params, x, a1, y - p)


def by_jaxmlp(params, x, y):
    layers = (
        jaxmlp.Dense(params["w1"], params["b1"]),
        jaxmlp.Dense(params["w2"], params["b2"]),
    )
    loss, ((dw1, db1), (dw2, db2)) = jaxmlp.loss_and_grads(layers, x, y)
    return loss, {"w1": dw1, "b1": db1, "w2": dw2, "b2": db2}


ways = {
    "as coded": (coded, 0.01),
    "eps below": (with_eps, 0.01),
    "eps below, in logs": (lambda *args: with_eps(*args, in_logs=1e-7), 0.01),
    "logits, sign lost": (on_logits, 0.01),
    "sign put back": (lambda *args: with_eps(*args, eps=0.0, sign=-1), 0.01),
    "sign and logits": (by_jaxmlp, 1.0),
}
entropies = {}
print(f"{'':18} first inf  first NaN   last loss  right")
for name, (rule, lr) in ways.items():
    losses, params = train(rule, lr=lr, epochs=10_000)
    z2 = jax.vmap(lambda params: predict(params, x)[0] @ params["w2"] + params["b2"])(params)
    entropies[name] = jnp.mean(jax.nn.softplus(z2) - y * z2, axis=(1, 2))
    right = int(((z2[-1] > 0) == (y > 0.5)).sum()) if jnp.isfinite(z2[-1]).all() else 0
    inf, nan = first(losses, np.isinf), first(losses, np.isnan)
    print(f"{name:18} {inf:>9}  {nan:>9}  {losses[-1]:10.4f}  {right:>5}")

# %% [markdown] lang="en"
# - **eps below** keeps the parameters finite. The loss is still NaN a little later, for its
#   logarithms have no eps, and the network stands still with every output at 1.
# - **eps in the logs too**: not a NaN in sight, and a network that answers two of four wrong,
#   for ever. This is the worst outcome of all, for nothing gives it away.
# - **On the logits** nothing overflows, and so the mistake is hidden perfectly: the loss falls
#   without end.
# - **The sign** is what repairs the learning. At a rate of 0.01 the network has three of four
#   answers after 10,000 epochs and is on its way.
# - **The sign and the logits** repair both.
#
# The cross-entropy of each run, taken from its logits, so that it stays finite:

# %% [markdown] lang="ko"
# - **분모의 eps**는 매개변수를 유한하게 지킵니다. 하지만 로그에는 eps가 없으므로 손실은 조금
#   뒤에 NaN이 되고, 신경망은 모든 출력이 1인 채로 멈춥니다.
# - **로그에도 eps를 더하면** NaN은 전혀 보이지 않는데, 신경망은 네 개 중 두 개를 영원히
#   틀립니다. 아무것도 이상해 보이지 않으므로 가장 나쁜 결과입니다.
# - **로짓에서 계산하면** 넘치는 값이 없어서 실수가 완벽하게 숨습니다. 손실이 끝없이 줄어듭니다.
# - **부호를 되살려야** 학습이 됩니다. 학습률 0.01로는 10,000 에폭 뒤에 네 개 중 세 개를 맞히고
#   계속 나아지고 있습니다.
# - **부호와 로짓을 함께 고치면** 두 문제가 모두 사라집니다.
#
# 다음은 각 실행의 교차 엔트로피입니다. 항상 유한하도록 로짓에서 계산했습니다.

# %%
titles = {
    "en": ("sign lost", "sign put back"),
    "ko": ("부호를 잃었을 때", "부호를 되살렸을 때"),
}
axes = plot.panels(1, 2, size=(9, 2.8))[0]
for ax, title, names in zip(axes, titles[lang], (list(ways)[:4], list(ways)[4:]), strict=True):
    plot.loss_curve({name: entropies[name] for name in names}, ax=ax, lang=lang)
    ax.set_title(title)

# %% [markdown] lang="en"
# So: only the sign mends the learning, and only the logits (or something like them) mend the
# NaN. An eps mends neither. It moves the point at which the mistake shows, or makes it
# invisible.
#
# A check at the start, before a single epoch, would have named the line. That takes a second:

# %% [markdown] lang="ko"
# 정리하면, 학습을 고치는 것은 부호뿐이고 NaN을 없애는 것은 로짓(또는 그와 같은 계산)뿐입니다.
# eps는 어느 쪽도 고치지 못합니다. 실수가 드러나는 시점을 옮기거나, 아예 보이지 않게 만들
# 뿐입니다.
#
# 첫 에폭을 실행하기 전에 한 번만 확인했더라면 어느 줄이 틀렸는지 바로 알 수 있었습니다. 1초면
# 됩니다.

# %% tags=["rounding"]
layers = (jaxmlp.Dense(start["w1"], start["b1"]), jaxmlp.Dense(start["w2"], start["b2"]))
check(jaxmlp.loss_value, jaxmlp.loss_and_grads, layers, x, y, has_value=True)
