# %% [markdown] lang="en"
# # The worked example, number by number
#
# **What does one step of gradient descent compute? Every number of it, for a network small
# enough to do on paper.**
#
# This is an example that a lecture works out to eight decimals. At the end, every number that
# it prints is compared with ours.

# %% [markdown] lang="ko"
# # 숫자 하나하나 따라가는 예제
#
# **경사 하강법의 한 단계는 무엇을 계산할까요? 종이에 풀 수 있을 만큼 작은 신경망에서 모든 수를
# 따라가 봅니다.**
#
# 어떤 강의에서 소수점 아래 여덟 자리까지 풀어 보이는 예제입니다. 마지막에 강의에 나온 모든 수를
# 우리 결과와 비교합니다.

# %% [markdown] lang="en"
# ## The network
#
# Two inputs, two hidden units, two outputs, no biases, a sigmoid $\sigma$ everywhere:
#
# $$z_1 = W_1 x_1 + W_2 x_2 \qquad z_2 = W_3 x_1 + W_4 x_2 \qquad h = \sigma(z)$$
# $$z_3 = W_5 h_1 + W_6 h_2 \qquad z_4 = W_7 h_1 + W_8 h_2 \qquad o = \sigma(z)$$
# $$E = \tfrac12 (o_1 - t_1)^2 + \tfrac12 (o_2 - t_2)^2$$
#
# In matrices, $h = \sigma(x\,w_1)$ and $o = \sigma(h\,w_2)$; a column of a matrix holds what
# feeds one unit. Eight decimals are more than float32 has, so this notebook computes in
# float64.

# %% [markdown] lang="ko"
# ## 신경망
#
# 입력 둘, 은닉 유닛 둘, 출력 둘이고 편향은 없습니다. 활성화 함수는 모두 시그모이드
# $\sigma$입니다.
#
# $$z_1 = W_1 x_1 + W_2 x_2 \qquad z_2 = W_3 x_1 + W_4 x_2 \qquad h = \sigma(z)$$
# $$z_3 = W_5 h_1 + W_6 h_2 \qquad z_4 = W_7 h_1 + W_8 h_2 \qquad o = \sigma(z)$$
# $$E = \tfrac12 (o_1 - t_1)^2 + \tfrac12 (o_2 - t_2)^2$$
#
# 행렬로 쓰면 $h = \sigma(x\,w_1)$, $o = \sigma(h\,w_2)$이고, 행렬의 열 하나에 유닛 하나로
# 들어가는 가중치가 모여 있습니다. 소수점 아래 여덟 자리는 float32로 모자라므로 이 노트북은
# float64로 계산합니다.

# %%
import json
from importlib.resources import files

import jax
import jax.numpy as jnp

import jaxmlp
from jaxmlp import check, Dense, plot


jax.config.update("jax_enable_x64", True)

x = jnp.array([[0.1, 0.2]])
t = jnp.array([[0.4, 0.6]])
w1 = jnp.array([[0.3, 0.4], [0.25, 0.35]])  # [[W1, W3], [W2, W4]]
w2 = jnp.array([[0.45, 0.7], [0.4, 0.6]])  # [[W5, W7], [W6, W8]]
params = (Dense(w1, None), Dense(w2, None))
lr = 0.5

numbers = {}


def show(**values):
    numbers.update(values)
    for name, value in values.items():
        print(f"{name:10} {value:.8f}")


# %% [markdown] lang="en"
# ## Forward

# %% [markdown] lang="ko"
# ## 순전파


# %%
def forward(w1, w2):
    z = x @ w1
    h = jax.nn.sigmoid(z)
    z_out = h @ w2
    o = jax.nn.sigmoid(z_out)
    return z, h, z_out, o, (o - t) ** 2 / 2


z, h, z_out, o, errors = forward(w1, w2)
show(z1=z[0, 0], z2=z[0, 1], h1=h[0, 0], h2=h[0, 1])
show(z3=z_out[0, 0], z4=z_out[0, 1], o1=o[0, 0], o2=o[0, 1])
show(E_o1=errors[0, 0], E_o2=errors[0, 1], E_total=errors.sum())

# %% [markdown] lang="en"
# ## Backward, in one picture
#
# Below each value $v$ stands $dv = \partial E/\partial v$: how fast the error grows when $v$
# does. Values are computed from left to right, and the slopes from right to left. (The picture
# calls $E$ and $t$ by their more usual names, $L$ and $y$.)

# %% [markdown] lang="ko"
# ## 역전파를 그림 하나로
#
# 각 값 $v$ 아래에 $dv = \partial E/\partial v$, 곧 $v$가 커질 때 오차가 얼마나 빠르게
# 커지는지가 적혀 있습니다. 값은 왼쪽에서 오른쪽으로, 기울기는 오른쪽에서 왼쪽으로 계산합니다.
# (그림에서는 $E$와 $t$를 더 흔한 이름인 $L$과 $y$로 적었습니다.)

# %%
ax = plot.computational_graph(params, x, t, loss=jaxmlp.half_squared_error)

# %% [markdown] lang="en"
# ## $W_5$: three factors
#
# $W_5$ acts on $E$ in one way only, through $z_3$ and $o_1$. The chain rule multiplies the
# slopes on that way:
#
# $$\frac{\partial E}{\partial W_5} = \underbrace{(o_1 - t_1)}_{\partial E/\partial o_1} \cdot
# \underbrace{o_1 (1 - o_1)}_{\partial o_1/\partial z_3} \cdot \underbrace{h_1}_{\partial
# z_3/\partial W_5}$$

# %% [markdown] lang="ko"
# ## $W_5$: 세 인수의 곱
#
# $W_5$가 $E$에 영향을 주는 길은 $z_3$과 $o_1$을 지나는 길 하나뿐입니다. 연쇄 법칙은 그 길에
# 있는 도함수를 모두 곱합니다.
#
# $$\frac{\partial E}{\partial W_5} = \underbrace{(o_1 - t_1)}_{\partial E/\partial o_1} \cdot
# \underbrace{o_1 (1 - o_1)}_{\partial o_1/\partial z_3} \cdot \underbrace{h_1}_{\partial
# z_3/\partial W_5}$$

# %%
do = o - t
slope_out = o * (1 - o)
dz_out = do * slope_out
show(dE_do1=do[0, 0], do1_dz3=slope_out[0, 0], dz3_dW5=h[0, 0])
show(dE_dW5=do[0, 0] * slope_out[0, 0] * h[0, 0])

# %% [markdown] lang="en"
# ## $W_1$: two ways to the error
#
# $W_1$ acts through $h_1$, and $h_1$ feeds both outputs. Slopes along a way are multiplied, and
# the ways are added:
#
# $$\frac{\partial E}{\partial h_1} = dz_3\,W_5 + dz_4\,W_7 \qquad
# \frac{\partial E}{\partial W_1} = \frac{\partial E}{\partial h_1} \cdot h_1 (1 - h_1) \cdot
# x_1$$

# %% [markdown] lang="ko"
# ## $W_1$: 오차로 가는 두 갈래 길
#
# $W_1$은 $h_1$을 거쳐 영향을 주고, $h_1$은 두 출력에 모두 들어갑니다. 한 길 위의 도함수는
# 곱하고, 길이 여럿이면 더합니다.
#
# $$\frac{\partial E}{\partial h_1} = dz_3\,W_5 + dz_4\,W_7 \qquad
# \frac{\partial E}{\partial W_1} = \frac{\partial E}{\partial h_1} \cdot h_1 (1 - h_1) \cdot
# x_1$$

# %%
one, other = dz_out[0, 0] * w2[0, 0], dz_out[0, 1] * w2[0, 1]
slope_hidden = h * (1 - h)
show(dEo1_dh1=one, dEo2_dh1=other, dE_dh1=one + other)
show(dh1_dz1=slope_hidden[0, 0], dz1_dW1=x[0, 0])
show(dE_dW1=(one + other) * slope_hidden[0, 0] * x[0, 0])

# %% [markdown] lang="en"
# ## All eight weights at once
#
# The same in matrices: the sum over the ways is the product with $w_2^\mathsf{T}$, and each
# weight's slope is what came in times what came back. Automatic differentiation says the same.

# %% [markdown] lang="ko"
# ## 여덟 가중치를 한꺼번에
#
# 행렬로 쓰면 갈래를 더하는 일은 $w_2^\mathsf{T}$와의 곱이 되고, 각 가중치의 기울기는 들어온
# 값과 되돌아온 기울기의 곱입니다. 자동 미분의 결과도 같습니다.


# %% tags=["rounding"]
def error(params, x, t):
    (w1, _), (w2, _) = params
    o = jax.nn.sigmoid(jax.nn.sigmoid(x @ w1) @ w2)
    return jnp.sum((o - t) ** 2) / 2


def hand_grads(params, x, t):
    (w1, _), (w2, _) = params
    h = jax.nn.sigmoid(x @ w1)
    o = jax.nn.sigmoid(h @ w2)
    dz_out = (o - t) * o * (1 - o)
    dz = (dz_out @ w2.T) * h * (1 - h)
    return Dense(x.T @ dz, None), Dense(h.T @ dz_out, None)


(dw1, _), (dw2, _) = hand_grads(params, x, t)
auto_dw1 = jax.grad(error)(params, x, t)[0].w
print("dw1 by hand:", *(f"{slope:.10f}" for slope in dw1.ravel().tolist()))
print("jax.grad:   ", *(f"{slope:.10f}" for slope in auto_dw1.ravel().tolist()))
check(error, hand_grads, params, x, t)

# %% [markdown] lang="en"
# ## The step
#
# Every weight moves against its slope, at a rate of 0.5. The error falls, from 0.02397 to
# 0.02324.

# %% [markdown] lang="ko"
# ## 한 걸음
#
# 모든 가중치가 기울기의 반대 방향으로, 학습률 0.5만큼 움직입니다. 오차는 0.02397에서 0.02324로
# 줄어듭니다.

# %%
new_w1, new_w2 = w1 - lr * dw1, w2 - lr * dw2
after = forward(new_w1, new_w2)[-1].sum()
show(W1_new=new_w1[0, 0], W2_new=new_w1[1, 0], W3_new=new_w1[0, 1], W4_new=new_w1[1, 1])
show(W5_new=new_w2[0, 0])
print(f"E after    {after:.8f}")

# %% [markdown] lang="en"
# ## All weights at once, or one layer after the other?
#
# The slopes of a step all belong to the *old* weights. Update $w_2$ first, and use the new
# $w_2$ for the slopes of $w_1$, and the result is another one, from the sixth digit on. The
# printed $W_1$ tells which of the two the lecture did: 0.29959556.

# %% [markdown] lang="ko"
# ## 한꺼번에 갱신할까, 한 층씩 갱신할까
#
# 한 단계의 기울기는 모두 *이전* 가중치에서 구합니다. $w_2$를 먼저 갱신하고 새 $w_2$로 $w_1$의
# 기울기를 구하면 여섯 번째 자리부터 다른 결과가 나옵니다. 강의에 나온 $W_1$을 보면 어느 쪽으로
# 계산했는지 알 수 있습니다. 0.29959556입니다.

# %%
late_dw1 = x.T @ ((dz_out @ new_w2.T) * h * (1 - h))
print(f"at once          W1 = {new_w1[0, 0]:.8f}")
print(f"one by one       W1 = {(w1 - lr * late_dw1)[0, 0]:.8f}")

# %% [markdown] lang="en"
# ## Beside the lecture
#
# The package carries what the lecture printed. All 26 numbers agree to the last digit, which
# `jaxmlp verify --lecture 003` checks as well. One misprint it has: its line for the new $W_1$
# starts from 0.1, which is $x_1$, where it must start from $W_1 = 0.3$; its result is right.

# %% [markdown] lang="ko"
# ## 강의와 비교하기
#
# 강의에 나온 수는 이 패키지에 들어 있습니다. 스물여섯 개가 모두 마지막 자리까지 같고,
# `jaxmlp verify --lecture 003`으로도 확인할 수 있습니다. 잘못 적힌 곳이 하나 있습니다. 새
# $W_1$을 구하는 줄이 $x_1$인 0.1에서 시작하는데, $W_1 = 0.3$이어야 합니다. 결과는 맞습니다.

# %%
printed = json.loads((files("jaxmlp.lectures") / "data" / "003.json").read_text())["printed"]
same = [name for name, value in printed.items() if abs(float(numbers[name]) - value) <= 5e-9]
print(f"{len(same)} of {len(printed)} printed numbers agree to eight decimals")
