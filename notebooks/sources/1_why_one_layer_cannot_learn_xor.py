# %% [markdown] lang="en"
# # Why one layer cannot learn XOR
#
# **One unit learns AND, OR and NAND without effort. Why does it never learn XOR, however long
# it is trained?**

# %% [markdown] lang="ko"
# # 왜 한 층으로는 XOR을 배울 수 없을까
#
# **유닛 하나로 AND, OR, NAND는 쉽게 학습됩니다. 그런데 XOR은 왜 아무리 오래 학습해도 되지
# 않을까요?**

# %% [markdown] lang="en"
# ## A unit is a line
#
# A unit computes $z = w_1 x_1 + w_2 x_2 + b$ and fires where $z > 0$. The points with $z = 0$
# form a line in the plane of the two inputs: on one side of it the unit fires, on the other it
# does not. So a unit computes a gate if its line has the 1s of the gate on one side and the 0s
# on the other.

# %% [markdown] lang="ko"
# ## 유닛은 직선이다
#
# 유닛은 $z = w_1 x_1 + w_2 x_2 + b$를 계산하고 $z > 0$이면 1을 냅니다. $z = 0$인 점들은 두
# 입력의 평면에서 직선을 이룹니다. 직선의 한쪽에서는 1을 내고 다른 쪽에서는 0을 냅니다. 그러므로
# 게이트의 1과 0을 서로 다른 쪽에 두는 직선이 있으면 유닛 하나로 그 게이트를 계산할 수 있습니다.

# %%
from functools import partial
from itertools import product

import jax
import jax.numpy as jnp
import optax

import jaxmlp
from jaxmlp import check, plot


def unit(w1, w2, b):
    return (jaxmlp.Dense(jnp.array([[w1], [w2]]), jnp.array([b])),)


units = {"and": unit(1.0, 1.0, -1.5), "or": unit(1.0, 1.0, -0.5), "nand": unit(-1.0, -1.0, 1.5)}
axes = plot.panels(1, 3, size=(8, 2.6))[0]
for ax, (name, params) in zip(axes, units.items(), strict=True):
    x, y = jaxmlp.gate(name)
    plot.lines_of_units(params, x, y, ax=ax, show_legend=False)
    ax.set_title(name.upper())

# %% [markdown] lang="en"
# ## Which functions have a line?
#
# Two bits have four values, and a function gives each of them 0 or 1: there are $2^4 = 16$
# functions. A few small weights are enough to find all that have a line.

# %% [markdown] lang="ko"
# ## 직선이 있는 함수는 몇 개일까
#
# 두 비트의 값은 네 가지이고 함수는 그 각각에 0이나 1을 대응시키므로, 함수는 모두
# $2^4 = 16$개입니다. 작은 가중치 몇 가지만 시도해 보아도 직선이 있는 함수를 모두 찾을 수
# 있습니다.

# %%
x, tables = jaxmlp.boolean_functions()  # four inputs, 16 truth tables
weights = jnp.array(list(product((-1, 0, 1), (-1, 0, 1), (-1.5, -0.5, 0.5, 1.5))))
fires = x @ weights[:, :2].T + weights[:, 2] > 0  # (4, weights)
found = (fires.T[:, None, :] == (tables[:, :, 0] > 0.5)).all(axis=2).any(axis=0)
print(f"{int(found.sum())} of {len(tables)} functions have a line; not these:")
for table in tables[~found]:
    print([int(bit) for bit in table[:, 0]])

# %% [markdown] lang="en"
# The two are XOR, $[0, 1, 1, 0]$, and its negation. Might larger weights do it? No. XOR asks of
# a unit
#
# $$b \le 0, \qquad w_1 + b > 0, \qquad w_2 + b > 0, \qquad w_1 + w_2 + b \le 0.$$
#
# Add the first and the last: $w_1 + w_2 + 2b \le 0$. Add the two in the middle:
# $w_1 + w_2 + 2b > 0$. The same number would have to be both.

# %% [markdown] lang="ko"
# 남은 둘은 XOR $[0, 1, 1, 0]$과 그 부정입니다. 가중치를 더 크게 하면 될까요? 안 됩니다. 유닛이
# XOR을 계산하려면
#
# $$b \le 0, \qquad w_1 + b > 0, \qquad w_2 + b > 0, \qquad w_1 + w_2 + b \le 0$$
#
# 이어야 합니다. 첫 번째와 마지막을 더하면 $w_1 + w_2 + 2b \le 0$이고, 가운데 둘을 더하면
# $w_1 + w_2 + 2b > 0$입니다. 같은 수가 동시에 둘 다일 수는 없습니다.

# %% [markdown] lang="en"
# ## What training makes of it
#
# To train, the step at $z = 0$ is softened to a sigmoid, $p = \sigma(z)$, and the loss is the
# cross-entropy $L = -\frac14 \sum [y \log p + (1 - y) \log(1 - p)]$ over the four inputs. By
# hand:
#
# $$dz = \frac{p - y}{4}, \qquad dw = x^\mathsf{T} dz, \qquad db = \sum dz.$$

# %% [markdown] lang="ko"
# ## 학습시키면 어떻게 될까
#
# 학습하려면 $z = 0$에서 끊어지는 계단을 시그모이드 $p = \sigma(z)$로 부드럽게 바꿉니다. 손실은
# 네 입력에 대한 교차 엔트로피 $L = -\frac14 \sum [y \log p + (1 - y) \log(1 - p)]$입니다.
# 손으로 구한 기울기는 다음과 같습니다.
#
# $$dz = \frac{p - y}{4}, \qquad dw = x^\mathsf{T} dz, \qquad db = \sum dz$$


# %% tags=["rounding"]
def loss(params, x, y):
    ((w, b),) = params
    p = jax.nn.sigmoid(x @ w + b)
    return -jnp.mean(y * jnp.log(p) + (1 - y) * jnp.log(1 - p))


def hand_grads(params, x, y):
    ((w, b),) = params
    dz = (jax.nn.sigmoid(x @ w + b) - y) / len(x)
    return (jaxmlp.Dense(x.T @ dz, dz.sum(axis=0)),)


xor = jaxmlp.gate("xor")
check(loss, hand_grads, unit(0.3, -0.4, 0.1), *xor)

# %% [markdown] lang="en"
# ## At zero there is nothing left to learn
#
# With all weights zero, every output is $p = 1/2$, and $dz$ is $+\frac18$ on the 0s and
# $-\frac18$ on the 1s. For AND and OR something is left over. For XOR each input is 1 once
# where the answer is 1 and once where it is 0: the two cancel, in $dw_1$, in $dw_2$ and in
# $db$.

# %% [markdown] lang="ko"
# ## 0에서는 더 배울 것이 없다
#
# 가중치가 모두 0이면 출력은 모두 $p = 1/2$이고, $dz$는 정답이 0인 곳에서 $+\frac18$, 1인 곳에서
# $-\frac18$입니다. AND와 OR에서는 더하고 나서 남는 것이 있습니다. XOR에서는 각 입력이 1인
# 경우가 정답이 1일 때 한 번, 0일 때 한 번이어서 $dw_1$, $dw_2$, $db$가 모두 정확히 상쇄됩니다.

# %%
zero = unit(0.0, 0.0, 0.0)
for name in ("and", "or", "xor"):
    ((dw, db),) = hand_grads(zero, *jaxmlp.gate(name))
    ((auto_dw, auto_db),) = jax.grad(loss)(zero, *jaxmlp.gate(name))
    print(f"{name:3}  by hand {[*dw[:, 0].tolist(), *db.tolist()]}", end="   ")
    print(f"jax.grad {[*auto_dw[:, 0].tolist(), *auto_db.tolist()]}")

# %% [markdown] lang="en"
# This loss is convex: it has one valley, and where its gradient is zero is the bottom. So the
# best unit for XOR has $w = 0$, $b = 0$, answers $1/2$ to everything, and has the loss
# $-\log\frac12 = \ln 2 = 0.6931$. Here is the valley, over $w_1$ and $w_2$ with $b = 0$, and
# the way down from one start.

# %% [markdown] lang="ko"
# 이 손실은 볼록 함수입니다. 골짜기가 하나뿐이고, 기울기가 0인 곳이 바닥입니다. 그러므로 XOR에
# 가장 좋은 유닛은 $w = 0$, $b = 0$이고, 무엇을 물어도 $1/2$이라고 답하며, 손실은
# $-\log\frac12 = \ln 2 = 0.6931$입니다. 다음은 $b = 0$일 때 $w_1$과 $w_2$에 대한 골짜기와, 한
# 점에서 출발해 내려가는 길입니다.


# %%
descend = partial(jaxmlp.fit, loss_and_grads=jaxmlp.loss_and_grads, optimizer=optax.sgd(1.0))
start = unit(3.0, -2.0, 0.0)
a_few_steps = jax.jit(partial(descend, batch=xor, steps=4))
path = [start]
for _ in range(30):
    path.append(a_few_steps(path[-1])[0].params)
plane = (unit(1.0, 0.0, 0.0), unit(0.0, 1.0, 0.0))
ax = plot.loss_surface(
    lambda params: loss(params, *xor), zero, plane, path=path, span=4.0, lang=lang
)
_ = ax.set(xlabel="w1", ylabel="w2")

# %% [markdown] lang="en"
# ## All sixteen at once
#
# `fit` is a pure function, so `jax.vmap` trains one unit for each truth table, side by side.

# %% [markdown] lang="ko"
# ## 열여섯 개를 한꺼번에
#
# `fit`은 순수 함수이므로 `jax.vmap`으로 진리표마다 유닛 하나씩을 나란히 학습할 수 있습니다.

# %%
train = jax.vmap(lambda y: descend(start, (x, y), steps=5000))
states, losses = train(tables)
outputs = jax.vmap(lambda params: jaxmlp.predict(params, x))(states.params)
learned = ((outputs > 0.5) == (tables > 0.5)).all(axis=(1, 2))
print(f"learned: {int(learned.sum())} of {len(tables)}")
for number, name in {6: "XOR", 9: "its negation"}.items():
    print(f"{name:12} loss {losses[number, -1]:.4f}, outputs {outputs[number, :, 0].round(4)}")

ax = plot.panels(size=(6, 3))[0, 0]
ax.axhline(jnp.log(2), color="gray", linewidth=0.8)
ax = plot.loss_curve({"AND": losses[1], "OR": losses[7], "XOR": losses[6]}, ax=ax, lang=lang)

# %% [markdown] lang="en"
# ## Two layers
#
# XOR is true where OR and NAND both are. Each of those has a line. So two units in a first
# layer and one, AND, in a second compute it: the two points whose answer is 1 lie between two
# parallel lines.

# %% [markdown] lang="ko"
# ## 두 층이면 된다
#
# XOR은 OR과 NAND가 모두 참일 때 참입니다. 둘 다 직선이 있습니다. 그러니 첫 층에 유닛 두 개,
# 둘째 층에 AND 유닛 하나를 두면 XOR이 됩니다. 정답이 1인 두 점이 나란한 두 직선 사이에
# 놓입니다.

# %%
first = jaxmlp.Dense(jnp.array([[1.0, -1.0], [1.0, -1.0]]), jnp.array([-0.5, 1.5]))
(second,) = units["and"]
hidden = (x @ first.w + first.b > 0).astype(x.dtype)
out = (hidden @ second.w + second.b > 0).astype(x.dtype)
print("x1 x2  OR NAND  XOR")
for row in jnp.concatenate([x, hidden, out], axis=1).astype(int).tolist():
    print("{:2} {:2}  {:2} {:4}  {:3}".format(*row))

ax = plot.lines_of_units(first, *xor, labels=["OR", "NAND"], lang=lang)

# %% [markdown] lang="en"
# That two layers *can* compute XOR does not say that they *learn* it. How they do, and why they
# wait so long before they start, is the question of notebook 4.

# %% [markdown] lang="ko"
# 두 층으로 XOR을 *계산할 수 있다*고 해서 곧 *학습할 수 있다*는 뜻은 아닙니다. 어떻게
# 학습하는지, 왜 한참을 기다린 다음에야 학습이 시작되는지는 4번 노트북에서 다룹니다.
