# %% [markdown] lang="en"
# # Check your own gradient
#
# **Your gradient trains, more or less. Is it right? If not, which line is wrong, and what is
# the mistake?**
#
# Five mistakes that people really make, each planted in the same backward pass. All five run,
# have the right shapes, and lower the loss. Then a `custom_vjp`, code in NumPy, and a black
# box that nothing can look into.

# %% [markdown] lang="ko"
# # 내가 쓴 기울기 확인하기
#
# **직접 쓴 기울기로 학습이 그럭저럭 됩니다. 그런데 정말 맞을까요? 틀렸다면 어느 줄이, 어떻게
# 틀렸을까요?**
#
# 사람들이 실제로 하는 실수 다섯 가지를 같은 역전파 코드에 하나씩 심어 보겠습니다. 다섯 가지
# 모두 오류 없이 실행되고, 형상도 맞고, 손실도 줄어듭니다. 그다음에는 `custom_vjp`와 NumPy
# 코드, 그리고 아무도 들여다볼 수 없는 블랙박스를 확인합니다.

# %% [markdown] lang="en"
# ## The network and its loss
#
# Three inputs, two hidden layers of four units, three classes:
#
# $$
# a_1 = \mathrm{relu}(x\,w_1 + b_1) \quad a_2 = \tanh(a_1 w_2 + b_2) \quad p =
# \mathrm{softmax}(a_2 w_3 + b_3) \quad L = -\frac{1}{n} \sum y \log p
# $$
#
# `check` needs the loss as a function that JAX can differentiate, and one point, random numbers
# if you have no better.

# %% [markdown] lang="ko"
# ## 신경망과 손실
#
# 입력 셋, 유닛이 네 개씩인 은닉층 둘, 클래스 셋입니다.
#
# $$
# a_1 = \mathrm{relu}(x\,w_1 + b_1) \quad a_2 = \tanh(a_1 w_2 + b_2) \quad p =
# \mathrm{softmax}(a_2 w_3 + b_3) \quad L = -\frac{1}{n} \sum y \log p
# $$
#
# `check`에 필요한 것은 JAX로 미분할 수 있는 손실 함수와, 비교할 점 하나입니다. 마땅한 점이
# 없으면 난수로 충분합니다.

# %%
import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxmlp
from jaxmlp import check, check_rule, plot


keys = jax.random.split(jax.random.key(0), 8)
shapes = {"w1": (3, 4), "b1": (4,), "w2": (4, 4), "b2": (4,), "w3": (4, 3), "b3": (3,)}
params = {
    name: jax.random.normal(key, shape)
    for key, (name, shape) in zip(keys[2:], shapes.items(), strict=True)
}
x = jax.random.normal(keys[0], (6, 3))
y = jax.nn.one_hot(jax.random.randint(keys[1], (6,), 0, 3), 3)


def forward(params, x):
    a1 = jax.nn.relu(x @ params["w1"] + params["b1"])
    a2 = jnp.tanh(a1 @ params["w2"] + params["b2"])
    return a1, a2, a2 @ params["w3"] + params["b3"]


def loss(params, x, y):
    _, _, logits = forward(params, x)
    return -jnp.sum(y * jax.nn.log_softmax(logits)) / len(x)


# %% [markdown] lang="en"
# ## The right one first
#
# $dz_3 = (p - y)/n$ for softmax with cross-entropy; each layer below takes $dz\,w^\mathsf{T}$
# times its own slope.

# %% [markdown] lang="ko"
# ## 먼저 맞는 코드
#
# 소프트맥스와 교차 엔트로피를 함께 쓰면 $dz_3 = (p - y)/n$입니다. 그 아래 층은
# $dz\,w^\mathsf{T}$에 자기 활성화 함수의 도함수를 곱합니다.


# %% tags=["rounding"]
def hand_grads(params, x, y):
    a1, a2, logits = forward(params, x)
    dz3 = (jax.nn.softmax(logits) - y) / len(x)
    dz2 = (dz3 @ params["w3"].T) * (1 - a2**2)
    dz1 = (dz2 @ params["w2"].T) * (a1 > 0)
    dw = {"w1": x.T @ dz1, "w2": a1.T @ dz2, "w3": a2.T @ dz3}
    db = {"b1": dz1.sum(axis=0), "b2": dz2.sum(axis=0), "b3": dz3.sum(axis=0)}
    return dw | db


report = check(loss, hand_grads, params, x, y)
report

# %% [markdown] lang="en"
# `error` is the norm of the difference over the norm of the true gradient, in float64: there is
# no tolerance to choose. But what is a green report worth? `power` plants mistakes in this very
# gradient, one at a time, and counts how many of them the check would have caught at this very
# point.

# %% [markdown] lang="ko"
# `error`(오차)는 차이의 노름을 참 기울기의 노름으로 나눈 값이고 float64로 계산합니다. 허용
# 오차를 고를 필요가 없습니다. 그런데 '맞음'이라는 보고서는 얼마나 믿을 만할까요? `power`는 바로
# 이 기울기에 실수를 하나씩 심어 보고, 이 점에서 그 가운데 몇 개를 잡아냈을지 세어 줍니다.

# %%
print(report.power())

# %% [markdown] lang="en"
# ## Mistake 1: a slope is missing
#
# The most common one of all. The network still learns, for the direction is roughly right.

# %% [markdown] lang="ko"
# ## 실수 1: 도함수가 빠졌다
#
# 가장 흔한 실수입니다. 방향은 대체로 맞기 때문에 학습은 됩니다.


# %% tags=["rounding"]
def slope_missing(params, x, y):
    a1, a2, logits = forward(params, x)
    dz3 = (jax.nn.softmax(logits) - y) / len(x)
    dz2 = dz3 @ params["w3"].T
    dz1 = (dz2 @ params["w2"].T) * (a1 > 0)
    dw = {"w1": x.T @ dz1, "w2": a1.T @ dz2, "w3": a2.T @ dz3}
    db = {"b1": dz1.sum(axis=0), "b2": dz2.sum(axis=0), "b3": dz3.sum(axis=0)}
    return dw | db


check(loss, slope_missing, params, x, y)

# %% [markdown] lang="en"
# ## Mistake 2: a transpose is missing
#
# Two layers of the same width have a square matrix between them, and `w2` fits where `w2.T`
# belongs.

# %% [markdown] lang="ko"
# ## 실수 2: 전치가 빠졌다
#
# 너비가 같은 두 층 사이의 가중치는 정사각 행렬이라서, `w2.T`가 올 자리에 `w2`를 써도 형상이
# 맞습니다.


# %% tags=["rounding"]
def transpose_missing(params, x, y):
    a1, a2, logits = forward(params, x)
    dz3 = (jax.nn.softmax(logits) - y) / len(x)
    dz2 = (dz3 @ params["w3"].T) * (1 - a2**2)
    dz1 = (dz2 @ params["w2"]) * (a1 > 0)
    dw = {"w1": x.T @ dz1, "w2": a1.T @ dz2, "w3": a2.T @ dz3}
    db = {"b1": dz1.sum(axis=0), "b2": dz2.sum(axis=0), "b3": dz3.sum(axis=0)}
    return dw | db


check(loss, transpose_missing, params, x, y)

# %% [markdown] lang="en"
# ## Mistake 3: the mask of another layer
#
# The relu of layer 1 lets the gradient through where *its* input was positive; here it is asked
# of layer 2. Such slips come with copying a line. Nothing warns of it, for both layers are four
# wide.

# %% [markdown] lang="ko"
# ## 실수 3: 다른 층의 마스크
#
# 1층의 ReLU는 *자기* 입력이 양수였던 자리에서만 기울기를 통과시킵니다. 그런데 여기서는 2층의
# 값을 보고 있습니다. 한 줄을 복사해서 고치다 보면 생기는 실수입니다. 두 층의 너비가 같아서 아무
# 경고도 나오지 않습니다.


# %% tags=["rounding"]
def mask_of_another_layer(params, x, y):
    a1, a2, logits = forward(params, x)
    dz3 = (jax.nn.softmax(logits) - y) / len(x)
    dz2 = (dz3 @ params["w3"].T) * (1 - a2**2)
    dz1 = (dz2 @ params["w2"].T) * (a2 > 0)
    dw = {"w1": x.T @ dz1, "w2": a1.T @ dz2, "w3": a2.T @ dz3}
    db = {"b1": dz1.sum(axis=0), "b2": dz2.sum(axis=0), "b3": dz3.sum(axis=0)}
    return dw | db


check(loss, mask_of_another_layer, params, x, y)

# %% [markdown] lang="en"
# ## Mistake 4: updated too early
#
# Update and derivation in one go: the last layer already has its new weights when the gradient
# passes through it. With a small rate the error is small too, a few per cent, and no loss curve
# shows it.

# %% [markdown] lang="ko"
# ## 실수 4: 너무 일찍 갱신했다
#
# 기울기를 구하면서 곧바로 가중치를 갱신하면, 기울기가 마지막 층을 지날 때 그 층은 이미 새
# 가중치를 쓰고 있습니다. 학습률이 작으면 오차도 몇 퍼센트로 작아서 손실 곡선에는 드러나지
# 않습니다.


# %% tags=["rounding"]
def updated_too_early(params, x, y, lr=0.1):
    a1, a2, logits = forward(params, x)
    dz3 = (jax.nn.softmax(logits) - y) / len(x)
    dw3 = a2.T @ dz3
    new_w3 = params["w3"] - lr * dw3
    dz2 = (dz3 @ new_w3.T) * (1 - a2**2)
    dz1 = (dz2 @ params["w2"].T) * (a1 > 0)
    dw = {"w1": x.T @ dz1, "w2": a1.T @ dz2, "w3": dw3}
    db = {"b1": dz1.sum(axis=0), "b2": dz2.sum(axis=0), "b3": dz3.sum(axis=0)}
    return dw | db


check(loss, updated_too_early, params, x, y)

# %% [markdown] lang="en"
# ## Mistake 5: the mean for the biases
#
# The $1/n$ is in `dz3` already, and the biases are divided by $n$ once more. They learn six
# times too slowly. Larger batches make it worse, which looks like a question of the learning
# rate.

# %% [markdown] lang="ko"
# ## 실수 5: 편향에 평균을 썼다
#
# $1/n$은 `dz3`에 이미 들어 있는데 편향을 $n$으로 한 번 더 나눕니다. 편향은 여섯 배 느리게
# 학습됩니다. 배치가 커질수록 더 심해지므로 학습률 문제처럼 보입니다.


# %% tags=["rounding"]
def mean_for_the_biases(params, x, y):
    a1, a2, logits = forward(params, x)
    dz3 = (jax.nn.softmax(logits) - y) / len(x)
    dz2 = (dz3 @ params["w3"].T) * (1 - a2**2)
    dz1 = (dz2 @ params["w2"].T) * (a1 > 0)
    dw = {"w1": x.T @ dz1, "w2": a1.T @ dz2, "w3": a2.T @ dz3}
    db1, db2, db3 = dz1.mean(axis=0), dz2.mean(axis=0), dz3.mean(axis=0)
    return dw | {"b1": db1, "b2": db2, "b3": db3}


check(loss, mean_for_the_biases, params, x, y)

# %% [markdown] lang="en"
# ## Could the loss curves have told?
#
# The six gradients train from the same start. Every one of them lowers the loss, and the curve
# of the right one is not even the lowest all the way.

# %% [markdown] lang="ko"
# ## 손실 곡선으로 알 수 있었을까?
#
# 여섯 가지 기울기로 같은 점에서 출발해 학습합니다. 모두 손실을 줄입니다. 맞는 기울기의 곡선이
# 늘 가장 낮은 것도 아닙니다.


# %%
def training(grads):
    both = lambda params, x, y: (loss(params, x, y), grads(params, x, y))
    return jaxmlp.fit(
        params, (x, y), loss_and_grads=both, optimizer=optax.sgd(0.05), steps=150
    )[1]


mistakes = [
    slope_missing,
    transpose_missing,
    mask_of_another_layer,
    updated_too_early,
    mean_for_the_biases,
]
axes = plot.panels(2, 3, size=(9, 4))
for ax, grads in zip(axes.flat, [hand_grads, *mistakes], strict=True):
    plot.loss_curve(training(grads), ax=ax, lang=lang)
    ax.set(title=grads.__name__, ylim=(0.1, 2))

# %% [markdown] lang="en"
# ## A custom rule
#
# Whoever writes a `jax.custom_vjp` takes the derivative into their own hands. Here is a
# normalization, $\mathrm{out} = x / r$ with $r = \sqrt{\overline{x^2} + \varepsilon}$. Its
# `bwd` forgets that $r$ depends on $x$ too. `check_rule` compares the rule with the derivative
# of what the function itself computes.

# %% [markdown] lang="ko"
# ## 사용자 정의 미분 규칙
#
# `jax.custom_vjp`를 쓴다는 것은 미분을 직접 책임진다는 뜻입니다. 다음은 정규화
# $\mathrm{out} = x / r$, $r = \sqrt{\overline{x^2} + \varepsilon}$입니다. 그런데 `bwd`는 $r$도
# $x$에 따라 달라진다는 것을 잊었습니다. `check_rule`은 이 규칙을 함수 자체가 계산하는 값의
# 미분과 비교합니다.


# %% tags=["rounding"]
@jax.custom_vjp
def normalize(x):
    return x / jnp.sqrt(jnp.mean(x**2, axis=-1, keepdims=True) + 1e-6)


def normalize_fwd(x):
    r = jnp.sqrt(jnp.mean(x**2, axis=-1, keepdims=True) + 1e-6)
    return x / r, (x / r, r)


def normalize_bwd(residuals, dout):
    out, r = residuals
    dx = dout / r
    return (dx,)


normalize.defvjp(normalize_fwd, normalize_bwd)
check_rule(normalize, x)

# %% [markdown] lang="en"
# The missing term is the way through $r$:
# $dx = (\mathrm{dout} - \mathrm{out} \cdot \overline{\mathrm{dout} \cdot \mathrm{out}})/r$. A
# rule that is right is asked more: in forward mode where it has one, differentiated twice,
# under `jit`, `vmap` and the other transformations.

# %% [markdown] lang="ko"
# 빠진 항은 $r$을 지나는 길입니다.
# $dx = (\mathrm{dout} - \mathrm{out} \cdot\overline{\mathrm{dout} \cdot\mathrm{out}})/r$이어야
# 합니다. 규칙이 맞으면 `check_rule`은 더 따져 봅니다. 두 번 미분해 보고, `jit`과 `vmap` 같은
# 변환 아래에서도 실행해 보고, 순방향 모드가 있으면 그것도 확인합니다.


# %% tags=["rounding"]
def normalize_bwd_with_both_ways(residuals, dout):
    out, r = residuals
    along = jnp.mean(dout * out, axis=-1, keepdims=True)
    return ((dout - out * along) / r,)


normalize.defvjp(normalize_fwd, normalize_bwd_with_both_ways)
check_rule(normalize, x)

# %% [markdown] lang="en"
# ## Code in NumPy
#
# JAX cannot trace NumPy, but NumPy lets other arrays into its functions. The gradient is run
# on arrays that hand every operation on to JAX, so that its lines are known too. They are
# believed only if the numbers come out as NumPy's own.

# %% [markdown] lang="ko"
# ## NumPy 코드
#
# JAX는 NumPy를 추적하지 못하지만, NumPy 함수는 다른 배열도 받아들입니다. 그래서 모든 연산을
# JAX에 넘기는 배열로 기울기를 실행하면 어느 줄인지도 알 수 있습니다. NumPy가 낸 수와 같을
# 때만 그 결과를 믿습니다.


# %% tags=["rounding"]
def numpy_grads(params, x, y):
    a1 = np.maximum(x @ params["w1"] + params["b1"], 0)
    a2 = np.tanh(a1 @ params["w2"] + params["b2"])
    p = np.exp(a2 @ params["w3"] + params["b3"])
    p /= p.sum(axis=1, keepdims=True)
    dz3 = (p - y) / len(x)
    dz2 = (dz3 @ params["w3"].T) * (1 - a2**2)
    dz1 = (dz2 @ params["w2"].T) * (a1 > 0)
    dw = {"w1": x.T @ dz1, "w2": dz2.T @ a1, "w3": a2.T @ dz3}
    db = {"b1": dz1.sum(axis=0), "b2": dz2.sum(axis=0), "b3": dz3.sum(axis=0)}
    return dw | db


numpy_params = jax.tree.map(np.asarray, params)
report = check(loss, numpy_grads, numpy_params, np.asarray(x), np.asarray(y))
report

# %% [markdown] lang="en"
# ## A black box
#
# A gradient in torch or in a compiled kernel can only be called. There is no line of it to
# name then, but the leaves are told apart and the kind of mistake is found, by comparing with
# the true gradient. The report is an object, and it speaks Korean too.

# %% [markdown] lang="ko"
# ## 블랙박스
#
# torch나 컴파일된 커널로 쓴 기울기는 호출해 볼 수만 있습니다. 그러면 어느 줄인지는 알 수
# 없지만, 어느 매개변수가 틀렸는지 가려내고 참 기울기와 비교해서 어떤 종류의 실수인지
# 찾아냅니다. 보고서는 객체이고, 한국어로도 볼 수 있습니다.

# %%
compiled = jax.jit(jax.grad(loss))


def of_a_kernel(params, x, y):
    grads = compiled(params, x, y)
    grads["w2"] = -grads["w2"]  # in the kernel, where nobody sees it
    return {name: np.array(leaf.tolist()) for name, leaf in grads.items()}


report = check(loss, of_a_kernel, numpy_params, np.asarray(x), np.asarray(y))
(finding,) = report.findings
print(report.verdict, finding.cause, finding.leaves, sep=", ")
print(finding.said("ko").message)

# %%
axes = plot.gradient_errors(report, axes=plot.panels(1, 6, size=(9, 1.8))[0], lang=lang)

# %% [markdown] lang="en"
# ## In your own project
#
# - In a test: `jaxmlp.assert_gradients(loss, hand_grads, params, x, y)` raises with the report;
#   pytest has a fixture of that name.
# - On the command line: `jaxmlp check backprop.py`.
# - Where neither JAX nor NumPy is what the loss is written in: `check(..., numeric=True)`
#   measures its slopes from its values.
# - Where it is not the gradient that fails but a NaN: notebook 5.

# %% [markdown] lang="ko"
# ## 내 프로젝트에서
#
# - 테스트에서: `jaxmlp.assert_gradients(loss, hand_grads, params, x, y)`는 틀리면 보고서와 함께
#   예외를 냅니다. pytest에는 같은 이름의 픽스처가 있습니다.
# - 명령줄에서: `jaxmlp check backprop.py`
# - 손실을 JAX로도 NumPy로도 쓰지 않았다면: `check(..., numeric=True)`가 손실의 값에서 기울기를
#   잽니다.
# - 기울기가 틀린 것이 아니라 NaN이 나온다면: 5번 노트북을 보세요.
