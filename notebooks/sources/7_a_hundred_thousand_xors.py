# %% [markdown] lang="en"
# # A hundred thousand XORs
#
# **Of many random starts, how many learn XOR? How long do they wait, and where do the others
# end?**
#
# One training is an anecdote. `benchmarks/xor_study.py` runs 100,000 of them, which takes half
# a minute on two cores; here are a few thousand, in seconds.

# %% [markdown] lang="ko"
# # XOR 십만 번
#
# **무작위로 고른 많은 출발점 가운데 몇이나 XOR을 배울까요? 얼마나 기다리고, 배우지 못한 것은
# 어디에서 멈출까요?**
#
# 한 번의 학습은 일화일 뿐입니다. `benchmarks/xor_study.py`는 학습을 십만 번 실행하는데 코어 두
# 개로 30초쯤 걸립니다. 여기서는 몇천 번을 몇 초 만에 실행합니다.

# %% [markdown] lang="en"
# ## One start
#
# Two inputs, two hidden units with tanh, one output with a sigmoid; all weights and biases
# normal random numbers times a size $s$. Plain gradient descent at a rate of 1. The gradient is
# the one derived by hand, held against automatic differentiation first:

# %% [markdown] lang="ko"
# ## 출발점 하나
#
# 입력 둘, tanh를 쓰는 은닉 유닛 둘, 시그모이드를 쓰는 출력 하나입니다. 가중치와 편향은 모두
# 정규 난수에 크기 $s$를 곱한 값입니다. 학습률 1의 경사 하강법을 씁니다. 기울기는 손으로 유도한
# 것이고, 먼저 자동 미분과 비교합니다.

# %% tags=["rounding"]
import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxmlp
from jaxmlp import check, plot


x, y = jaxmlp.gate("xor")
hand = partial(jaxmlp.loss_and_grads, hidden=jaxmlp.tanh)


def start_of(key, size):
    params = jaxmlp.init_params(key, (2, 2, 1), init="normal")
    return jax.tree.map(lambda leaf: size * leaf, params)


loss = partial(jaxmlp.loss_value, hidden=jaxmlp.tanh)
check(loss, hand, start_of(jax.random.key(0), 0.3), x, y, has_value=True)

# %% [markdown] lang="en"
# ## Many starts
#
# `one` trains a network and says three things about it: whether all four answers are right at
# the end, at which step its loss first fell below $0.95 \ln 2$, and where the loss ended. It is
# a pure function of a random key and a size. `jaxmlp.population` maps it over thousands of
# both, as `jax.vmap` would, with the networks side by side in the vector registers of the
# processor.

# %% [markdown] lang="ko"
# ## 많은 출발점
#
# `one`은 신경망 하나를 학습하고 세 가지를 알려 줍니다. 마지막에 네 답이 모두 맞는지, 손실이
# 처음으로 $0.95 \ln 2$보다 작아진 스텝은 언제인지, 마지막 손실은 얼마인지입니다. 난수 키와
# 크기만으로 정해지는 순수 함수입니다. `jaxmlp.population`은 `jax.vmap`처럼 이 함수를 수천 개의
# 키와 크기에 적용하되, 신경망들을 프로세서의 벡터 레지스터에 나란히 놓고 계산합니다.

# %% tags=["rounding"]
SIZES, STARTS, STEPS = (0.03, 0.1, 0.3, 1.0, 3.0), 1000, 6000


def one(key, size):
    state, losses = jaxmlp.fit(
        start_of(key, size),
        (x, y),
        loss_and_grads=hand,
        optimizer=optax.sgd(1.0),
        steps=STEPS,
    )
    right = (jaxmlp.predict(state.params, x, hidden=jaxmlp.tanh) > 0.5) == (y > 0.5)
    left = losses < 0.95 * math.log(2)
    wait = jnp.where(left.any(), jnp.argmax(left), STEPS)
    return right.all(), wait, losses[-1], state.params


keys = jax.random.split(jax.random.key(1), len(SIZES) * STARTS)
sizes = jnp.repeat(jnp.array(SIZES), STARTS)
everyone = jax.jit(jaxmlp.population(one), compiler_options=jaxmlp.small_network_options())
results = everyone(keys, sizes)
learned, wait, last = (np.asarray(leaf).reshape(len(SIZES), STARTS) for leaf in results[:3])
print("size   learned   median wait   wait * size^2")
for size, right, steps in zip(SIZES, learned, wait, strict=True):
    median = np.median(steps)
    print(f"{size:4}   {right.mean():7.1%}   {median:11.0f}   {median * size**2:13.2f}")

# %% [markdown] lang="en"
# ## Small starts wait
#
# A start of size 0.03 waits ten times as long as one of 0.1: about the square. Why? XOR is
# $x_1 + x_2 - 2 x_1 x_2$, and from a small start only the term in $x_1 x_2$ can lower the loss.
# The network's logit has it with the coefficient $v\,f''(b)\,w_1 w_2$, summed over the hidden
# units, and $f''(b)$ of a tanh is in proportion to a small $b$. So the term is a product of
# four small numbers; its slope by any one of them, the speed at which that one grows, is a
# product of three. A number of size $s$ that grows at a speed of about $s^3$ takes about
# $s/s^3 = 1/s^2$ steps.

# %% [markdown] lang="ko"
# ## 작게 출발하면 오래 기다린다
#
# 크기가 0.03이면 0.1일 때보다 열 배 오래 기다립니다. 대략 제곱에 반비례합니다. 왜 그럴까요?
# XOR은 $x_1 + x_2 - 2 x_1 x_2$이고, 작은 값에서 출발하면 손실을 줄일 수 있는 것은 $x_1 x_2$
# 항뿐입니다. 신경망의 로짓에서 이 항의 계수는 $v\,f''(b)\,w_1 w_2$를 은닉 유닛마다 더한 것이고,
# tanh의 $f''(b)$는 $b$가 작을 때 $b$에 비례합니다. 그러니 이 항은 작은 수 네 개의 곱입니다.
# 그중 하나로 미분한 것, 곧 그 수가 커지는 속도는 작은 수 세 개의 곱입니다. 크기가 $s$인 수가
# $s^3$ 정도의 속도로 커지려면 $s/s^3 = 1/s^2$ 스텝쯤 걸립니다.

# %%
words = {
    "en": ("size of the start", "steps until it leaves"),
    "ko": ("출발점의 크기", "떠나기까지의 스텝 수"),
}
of_size, of_wait = words[lang]
ax = plot.panels(size=(6, 3.4))[0, 0]
rng = np.random.default_rng(0)
for size, steps, right in zip(SIZES, wait, learned, strict=True):
    shown = steps[right][:200]
    ax.plot(
        size * np.exp(rng.normal(0, 0.07, len(shown))), shown + 1, ".", color="#0072B2", ms=3
    )
s = np.array([0.03, 1.0])
ax.plot(s, np.median(wait[1]) * (0.1 / s) ** 2, "--", color="#D55E00", label="1 / size²")
ax.legend(frameon=False, labelcolor="#797979")
_ = ax.set(xscale="log", yscale="log", xlabel=of_size, ylabel=of_wait)

# %% [markdown] lang="en"
# ## Large starts get stuck
#
# Waiting is not the only danger: of the large starts, half and more never learn. They end at
# few places. Below are the last losses in units of $\ln 2$, of those that did not learn.

# %% [markdown] lang="ko"
# ## 크게 출발하면 갇힌다
#
# 기다림만 문제가 아닙니다. 크게 출발한 것은 절반 이상이 끝내 배우지 못합니다. 멈추는 곳은 몇
# 군데뿐입니다. 다음은 배우지 못한 것들의 마지막 손실을 $\ln 2$ 단위로 나타낸 것입니다.

# %% tags=["rounding"]
for size, right, losses in zip(SIZES, learned, last, strict=True):
    units, counts = np.unique(np.round(losses[~right] / math.log(2), 1), return_counts=True)
    common = sorted(zip(counts.tolist(), units.tolist(), strict=True), reverse=True)[:3]
    shares = ", ".join(f"{unit:.1f} ln 2: {count / counts.sum():.0%}" for count, unit in common)
    print(f"size {size:4}   stuck {int((~right).sum()):3}   {shares}")

# %% [markdown] lang="en"
# - $1.0 \ln 2$: still on the plateau, every answer $1/2$. More steps would free it.
# - $0.5 \ln 2$: two answers are right, and the other two cannot be told apart and are $1/2$
#   each: $(0 + 0 + \ln 2 + \ln 2)/4$.
# - $0.7 \ln 2$: one answer is right, and the other three share theirs, $p = 2/3$ or $1/3$.
#
# One of each, and one that learned, over the plane:

# %% [markdown] lang="ko"
# - $1.0 \ln 2$: 아직 고원에 있습니다. 모든 답이 $1/2$입니다. 더 학습하면 벗어납니다.
# - $0.5 \ln 2$: 두 답은 맞고, 나머지 둘은 구별하지 못해서 $1/2$씩입니다.
#   $(0 + 0 + \ln 2 + \ln 2)/4$입니다.
# - $0.7 \ln 2$: 한 답은 맞고, 나머지 셋은 $p = 2/3$나 $1/3$로 같습니다.
#
# 각각 하나씩과 배운 것 하나를 평면에 그려 보겠습니다.

# %%
units = np.round(last / math.log(2), 1)
kinds = {
    "learned": learned & (units == 0),
    "0.5 ln 2": ~learned & (units == 0.5),
    "0.7 ln 2": ~learned & (units == 0.7),
    "1.0 ln 2": ~learned & (units == 1),
}
axes = plot.panels(1, 4, size=(9, 2.4))[0]
for ax, (name, members) in zip(axes, kinds.items(), strict=True):
    which = np.flatnonzero(members)[0]
    params = jax.tree.map(lambda leaf, which=which: leaf[which], results[3])
    predict = jax.jit(partial(jaxmlp.predict, params, hidden=jaxmlp.tanh))
    plot.decision_regions(predict, x, y, ax=ax, show_legend=False)
    ax.set(title=name, ylabel="")

# %% [markdown] lang="en"
# ## Try it
#
# Change `jaxmlp.tanh` to `jaxmlp.relu`. A relu has a kink where tanh has a small $f''(b)$, so
# its term is a product of two numbers and it hardly waits; but a unit that is 0 for all four
# inputs gets no gradient and never wakes, so that only a quarter learns. Or give the network
# four hidden units, `(2, 4, 1)`, and see nearly all of them learn.

# %% [markdown] lang="ko"
# ## 직접 해 보기
#
# `jaxmlp.tanh`를 `jaxmlp.relu`로 바꾸어 보세요. tanh에는 작은 $f''(b)$가 있지만 ReLU에는 꺾이는
# 점이 있습니다. 그래서 ReLU에서는 그 항이 두 수의 곱이라 거의 기다리지 않습니다. 대신 네
# 입력에서 모두 0인 유닛은 기울기를 받지 못해 영영 깨어나지 않으므로 4분의 1쯤만 배웁니다. 또는
# 은닉 유닛을 네 개로 늘려 `(2, 4, 1)`로 해 보세요. 거의 모두 배웁니다.
