# %% [markdown] lang="en"
# # XOR learns
#
# **A network with a hidden layer learns XOR. Why does nothing happen for thousands of steps,
# then everything in a few hundred? And why does a deeper network start later, jump, and win in
# the end?**
#
# Two networks of a lecture, from the lecture's own starts, beside the losses that it printed.

# %% [markdown] lang="ko"
# # XOR이 학습되는 과정
#
# **은닉층이 있는 신경망은 XOR을 배웁니다. 그런데 왜 수천 스텝 동안 아무 일도 없다가 수백 스텝
# 만에 모두 배울까요? 더 깊은 신경망은 왜 늦게 출발하고, 도중에 튀어 오르고, 결국 앞설까요?**
#
# 강의에 나온 두 신경망을 강의와 같은 점에서 출발시키고, 강의에 출력된 손실과 비교합니다.

# %% [markdown] lang="en"
# ## Two networks
#
# Sigmoids everywhere, cross-entropy over the four examples, plain gradient descent at a rate of
# 1: one network has layers of 2, 2 and 1 units, the other of 2, 10, 10, 10 and 1. Their starts
# and what the lecture printed come with the package.

# %% [markdown] lang="ko"
# ## 두 신경망
#
# 활성화 함수는 모두 시그모이드이고, 손실은 네 샘플에 대한 교차 엔트로피이며, 학습률 1의 경사
# 하강법을 씁니다. 한 신경망의 층은 2, 2, 1개, 다른 신경망의 층은 2, 10, 10, 10, 1개의 유닛으로
# 되어 있습니다. 출발점과 강의에 출력된 값은 패키지에 들어 있습니다.

# %%
import json
from functools import partial
from importlib.resources import files

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

import jaxmlp
from jaxmlp import check, plot


x, y = jaxmlp.gate("xor")
sizes = {"2-2-1": (2, 2, 1), "2-10-10-10-1": (2, 10, 10, 10, 1)}
data = files("jaxmlp.lectures") / "data"
lecture = json.loads((data / "001.json").read_text())
printed = {name: {row[0]: row[1] for row in lecture[name]["rows"]} for name in sizes}
with (data / "001_replay.npz").open("rb") as file:
    arrays = dict(np.load(file))
stored = {}  # the parameters at the printed steps, layer by layer: w row by row, then b
for name, widths in sizes.items():
    _, as_layers = ravel_pytree(jaxmlp.init_params(jax.random.key(0), widths))
    rows = zip(arrays[f"{name}/steps"].tolist(), arrays[f"{name}/params"], strict=True)
    stored[name] = {step: as_layers(jnp.asarray(row)) for step, row in rows}
starts = {name: steps[0] for name, steps in stored.items()}
starts["2-2-1"]

# %% [markdown] lang="en"
# ## The gradient first
#
# `jaxmlp.loss_and_grads` is derived by hand: $dz = p - y$ over the batch at the output, and
# going down, $dw = a^\mathsf{T} dz$, $db = \sum dz$,
# $dz \leftarrow (dz\,w^\mathsf{T}) \odot a (1 - a)$. Beside automatic differentiation, for the
# deep network:

# %% [markdown] lang="ko"
# ## 먼저 기울기부터
#
# `jaxmlp.loss_and_grads`는 손으로 유도한 것입니다. 출력에서 $dz = p - y$를 배치 크기로 나누고,
# 아래로 내려가며 $dw = a^\mathsf{T} dz$, $db = \sum dz$,
# $dz \leftarrow (dz\,w^\mathsf{T}) \odot a (1 - a)$를 되풀이합니다. 깊은 신경망에서 자동 미분과
# 비교합니다.

# %% tags=["rounding"]
hand = jaxmlp.loss_and_grads
check(jaxmlp.loss_value, hand, starts["2-10-10-10-1"], x, y, has_value=True)

# %% [markdown] lang="en"
# ## Ten thousand steps
#
# The curves are ours, by the gradient derived by hand; the dots are what the lecture printed.

# %% [markdown] lang="ko"
# ## 만 스텝
#
# 곡선은 손으로 유도한 기울기로 구한 우리의 손실이고, 점은 강의에 출력된 값입니다.

# %%
descend = partial(
    jaxmlp.fit, batch=(x, y), loss_and_grads=hand, optimizer=optax.sgd(1.0), steps=10_001
)
train = jax.jit(descend)
losses = {name: np.asarray(train(start)[1]) for name, start in starts.items()}
ax = plot.panels(size=(7, 3.6))[0, 0]
ax = plot.loss_curve(losses, ax=ax, marks=printed, lang=lang)

# %%
for step in (0, 1000, 2000, 2500, 3000, 4000, 10_000):
    row = [f"{losses[name][step]:.6f} ({printed[name][step]:.6f})" for name in sizes]
    print(f"step {step:6}", *row, sep="   ")

# %% [markdown] lang="en"
# Three things to explain: both wait near $\ln 2 = 0.6931$, where every answer is $1/2$; the
# deep one waits longer, and at step 3000 its loss is twelve times that of the other; and yet
# the deep one ends twelve times lower.
#
# ## The plateau is a saddle
#
# Near a point where the gradient is almost zero, the Hessian $H$, the matrix of second
# derivatives, says what gradient descent does: along an eigenvector of $H$ with eigenvalue
# $\lambda$, the distance is multiplied by $1 - \mathrm{lr}\,\lambda$ at every step. For
# $\lambda > 0$ it shrinks. For $\lambda < 0$ it grows, by $1 + \mathrm{lr}\,|\lambda|$. So the
# smallest eigenvalue tells how fast the plateau is left. Differentiating the gradient derived
# by hand once more gives $H$.

# %% [markdown] lang="ko"
# 설명할 것이 세 가지입니다. 둘 다 모든 답이 $1/2$인 $\ln 2 = 0.6931$ 근처에서 기다립니다. 깊은
# 쪽이 더 오래 기다려서 3000 스텝에서는 손실이 열두 배나 됩니다. 그런데 마지막에는 깊은 쪽이
# 열두 배 낮습니다.
#
# ## 고원은 안장점이다
#
# 기울기가 거의 0인 점 근처에서 경사 하강법이 어떻게 움직이는지는 이계 도함수의 행렬인 헤세 행렬
# $H$가 알려 줍니다. $H$의 고윳값이 $\lambda$인 고유벡터 방향으로는 한 스텝마다 거리가
# $1 - \mathrm{lr}\,\lambda$배가 됩니다. $\lambda > 0$이면 줄어들고, $\lambda < 0$이면
# $1 + \mathrm{lr}\,|\lambda|$배로 늘어납니다. 그러므로 가장 작은 고윳값이 고원을 얼마나 빨리
# 벗어나는지를 말해 줍니다. 손으로 유도한 기울기를 한 번 더 미분하면 $H$를 얻습니다.


# %%
@jax.jit
def eigenvalues(params):
    flat, back = ravel_pytree(params)
    gradient = lambda flat: ravel_pytree(hand(back(flat), x, y)[1])[0]
    hessian = jax.jacfwd(gradient)(flat)
    return jnp.linalg.eigvalsh((hessian + hessian.T) / 2)


for name in sizes:
    for step in (500, 1000, 1500, 2000):
        smallest, *_, largest = eigenvalues(stored[name][step]).tolist()
        print(
            f"{name:13} step {step:4}: smallest {smallest:8.5f}, largest {largest:.2f};",
            end=" ",
        )
        print(f"grows e-fold in {-1 / smallest:.0f} steps")

# %% [markdown] lang="en"
# So the plateau is no valley. There is a way down, and what goes along it grows in proportion
# to itself, so slowly that it takes thousands of steps to become visible. On a logarithmic axis
# the distance from $\ln 2$ shows it: all through the "nothing" it rises. (The 2-2-1 network
# first comes down to $\ln 2$ from above, and passes it at the dip.) In the deep network what
# leads away must pass three layers of sigmoids, whose slopes are at most $1/4$. Hence the
# smaller eigenvalue and the longer wait.

# %% [markdown] lang="ko"
# 고원은 골짜기가 아닙니다. 내려가는 길이 있고, 그 길로 나아간 거리는 자기 크기에 비례해서
# 커집니다. 다만 너무 느려서 눈에 보일 만큼 커지는 데 수천 스텝이 걸립니다. $\ln 2$와의 거리를
# 로그 축에 그려 보면, 아무 일도 없는 듯한 동안에도 커지고 있습니다. (2-2-1 신경망은 먼저 위에서
# $\ln 2$로 내려오고, 움푹 들어간 곳에서 $\ln 2$를 지나갑니다.) 깊은 신경망에서는 시그모이드 세
# 층을 더 지나야 하는데, 시그모이드의 도함수는 아무리 커도 $1/4$입니다. 그래서 고윳값이 더 작고
# 더 오래 기다립니다.

# %%
ax = plot.panels(size=(7, 3))[0, 0]
ax.set_xlim(0, 3200)
curves = {name: np.abs(np.log(2) - values[:3200]) for name, values in losses.items()}
ax = plot.loss_curve(curves, ax=ax, lang=lang)
_ = ax.set(ylabel="|loss - ln 2|")

# %% [markdown] lang="en"
# ## The jump: the edge of stability
#
# At the other end of $H$ is its largest eigenvalue, the *sharpness*. Where it is above
# $2/\mathrm{lr}$, the factor $1 - \mathrm{lr}\,\lambda$ is below $-1$: every step overshoots
# the valley floor by more than it was off before. As the deep network takes off its sharpness
# rises, and passes $2/\mathrm{lr} = 2$ shortly after step 3000.

# %% [markdown] lang="ko"
# ## 튀어 오름: 안정성의 경계
#
# $H$의 다른 쪽 끝에는 가장 큰 고윳값이 있습니다. 이것을 *날카로움*(sharpness)이라고 합니다.
# 날카로움이 $2/\mathrm{lr}$보다 크면 $1 - \mathrm{lr}\,\lambda$가 $-1$보다 작아져서, 한
# 스텝마다 골짜기 바닥을 전보다 더 크게 지나칩니다. 깊은 신경망이 출발하면 날카로움이 커지다가
# 3000 스텝을 조금 넘어 $2/\mathrm{lr} = 2$를 넘습니다.

# %% tags=["rounding"]
deep = "2-10-10-10-1"
state, _ = descend(starts[deep], steps=2900)
eight_steps = jax.jit(partial(descend, steps=8))
steps, sharpness = np.arange(2900, 3156, 8), []
for _ in steps:
    sharpness.append(eigenvalues(state.params)[-1])
    state, _ = eight_steps(state.params)
print(f"sharpness is above 2/lr from step {steps[np.argmax(np.array(sharpness) > 2)]}")

# %%
words = {
    "en": ("loss", "step", "sharpness", "dashed"),
    "ko": ("손실", "스텝", "날카로움", "점선"),
}
of_loss, of_step, of_sharpness, dashed = words[lang]
above, below = plot.panels(2, 1, size=(7, 4.4))[:, 0]
below.sharex(above)
above.plot(np.arange(2900, 3156), losses[deep][2900:3156], color="#0072B2")
above.set(ylabel=of_loss, yscale="log")
below.plot(steps, sharpness, color="#D55E00")
below.axhline(2, color="gray", linestyle="--", linewidth=1)
_ = below.set(xlabel=of_step, ylabel=of_sharpness, title=f"{dashed}: 2/lr")

# %% [markdown] lang="en"
# What grows there is not a feature of the data. That direction had died out long before (on the
# plateau its factor is $1 - 0.95 = 0.05$), so what is left in it to grow from is rounding
# noise. Train in float64 and the jump comes later, for the noise is smaller: after step 3010 no
# two number formats draw the same curve. The lecture's text prints none of this, for its lines
# are 500 steps apart.

# %% [markdown] lang="ko"
# 여기서 커지는 것은 데이터의 성질이 아닙니다. 그 방향의 성분은 이미 오래전에 사라졌고(고원에서
# 배율이 $1 - 0.95 = 0.05$입니다) 남은 것은 반올림 잡음뿐인데, 그것이 커지는 것입니다. float64로
# 학습하면 잡음이 더 작아서 더 늦게 튀어 오릅니다. 3010 스텝부터는 수 형식이 다르면 곡선도
# 달라집니다. 강의에는 이런 모습이 보이지 않습니다. 500 스텝마다 출력하기 때문입니다.

# %%
with jax.enable_x64(True):
    start, batch = jax.tree.map(lambda leaf: leaf.astype("float64"), (starts[deep], (x, y)))
    _, in_float64 = descend(start, batch=batch, steps=3200)
for name, curve in {"float32": losses[deep], "float64": np.asarray(in_float64)}.items():
    rises = np.flatnonzero(np.diff(curve[2900:3200]) > 0) + 2900
    print(f"{name}: the loss first rises at step {rises[0]}")

# %% [markdown] lang="en"
# ## The end: why the deep one wins
#
# Late in training all answers are right, and the loss falls only because the logits grow. A
# small step of gradient descent lowers $L$ by $\mathrm{lr}\,\lVert\nabla L\rVert^2$, so it
# raises $1/L$ by $\mathrm{lr}\,\lVert\nabla L\rVert^2/L^2$. Measured at step 9500, layer by
# layer, beside what $1/L$ really does from there on:

# %% [markdown] lang="ko"
# ## 마지막: 왜 깊은 쪽이 앞설까
#
# 학습 후반에는 모든 답이 맞고, 로짓이 커지는 만큼만 손실이 줄어듭니다. 경사 하강법의 작은 한
# 걸음은 $L$을 $\mathrm{lr}\,\lVert\nabla L\rVert^2$만큼 줄이므로, $1/L$은
# $\mathrm{lr}\,\lVert\nabla L\rVert^2/L^2$만큼 커집니다. 9500 스텝에서 이 값을 층별로 재어, 그
# 뒤로 $1/L$이 실제로 커지는 속도와 비교합니다.

# %%
for name in sizes:
    loss, grads = jax.jit(hand)(stored[name][9500], x, y)
    layers = [float(sum(jnp.sum(leaf**2) for leaf in layer) / loss**2) for layer in grads]
    measured = (1 / losses[name][10_000] - 1 / losses[name][9500]) / 500
    by_layer = ", ".join(f"{layer:.2f}" for layer in layers)
    print(
        f"{name:13} 1/L grows by {measured:.3f} a step; {sum(layers):.3f} = sum of {by_layer}"
    )

# %% [markdown] lang="en"
# So $1/L$ grows thirteen times as fast in the deep network. Most of it comes from its last
# layer, which turns up the logit with ten units instead of two; the layers below pull as well.
# It starts later and runs faster.

# %% [markdown] lang="ko"
# 깊은 신경망에서는 $1/L$이 열세 배 빠르게 커집니다. 대부분은 마지막 층에서 옵니다. 유닛 두 개가
# 아니라 열 개로 로짓을 키우기 때문입니다. 아래층들도 함께 보탭니다. 늦게 출발하지만 더 빨리
# 달립니다.

# %%
trained = [steps[10_000] for steps in stored.values()]
axes = plot.panels(1, 2, size=(7, 3))[0]
for ax, name, params in zip(axes, sizes, trained, strict=True):
    predict = jax.jit(partial(jaxmlp.predict, params))
    plot.decision_regions(predict, x, y, ax=ax, show_legend=False)
    ax.set_title(name)

# %% [markdown] lang="en"
# Which starts learn at all, and how long each waits, is the question of notebook 7.

# %% [markdown] lang="ko"
# 어떤 출발점에서 학습에 성공하는지, 얼마나 기다리는지는 7번 노트북에서 다룹니다.
