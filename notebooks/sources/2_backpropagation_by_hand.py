# %% [markdown] lang="en"
# # Backpropagation by hand
#
# **How do you write a backward pass, and know that each line is right before you write the
# next?**
#
# The derivation goes through a network with one hidden layer, from the loss back to the first
# weights. Three questions come up at every line: which two matrices are multiplied, which of
# them is transposed, and what is summed. All three have the same answer: look at the shapes.

# %% [markdown] lang="ko"
# # 손으로 하는 역전파
#
# **역전파를 직접 유도할 때, 다음 줄로 넘어가기 전에 지금 쓴 줄이 맞는지 어떻게 알 수
# 있을까요?**
#
# 은닉층이 하나인 신경망에서 손실부터 첫 번째 가중치까지 거꾸로 따라가며 기울기를 유도합니다.
# 줄마다 같은 질문이 세 가지 나옵니다. 어떤 두 행렬을 곱하는가, 둘 중 무엇을 전치하는가, 무엇을
# 더하는가. 답은 모두 같습니다. 형상을 보면 됩니다.

# %% [markdown] lang="en"
# ## The network
#
# | | formula | shape |
# |---|---|---|
# | hidden layer | $z_1 = x\,w_1 + b_1$ | (batch, hidden) = (batch, in)(in, hidden) + (hidden,)|
# | | $a_1 = \tanh(z_1)$ | (batch, hidden) |
# | output layer | $z_2 = a_1 w_2 + b_2$ | (batch, out) = (batch, hidden)(hidden, out) + (out,)|
# | | $p = \sigma(z_2)$ | (batch, out) |
# | loss | $L = -\frac{1}{\text{batch}} \sum [y \log p + (1 - y) \log(1 - p)]$ | one number |
#
# A row is an example, and the four sizes are all different, so that no two matrices fit
# together by accident. **Change the sizes in the next cell and run everything again:** all that
# follows still holds.

# %% [markdown] lang="ko"
# ## 신경망
#
# | | 식 | 형상 |
# |---|---|---|
# | 은닉층 | $z_1 = x\,w_1 + b_1$ | (배치, 은닉) = (배치, 입력)(입력, 은닉) + (은닉,) |
# | | $a_1 = \tanh(z_1)$ | (배치, 은닉) |
# | 출력층 | $z_2 = a_1 w_2 + b_2$ | (배치, 출력) = (배치, 은닉)(은닉, 출력) + (출력,) |
# | | $p = \sigma(z_2)$ | (배치, 출력) |
# | 손실 | $L = -\frac{1}{\text{배치}} \sum [y \log p + (1 - y) \log(1 - p)]$ | 수 하나 |
#
# 행 하나가 샘플 하나입니다. 네 크기를 모두 다르게 잡았으므로 우연히 맞아떨어지는 행렬 곱은
# 없습니다. **다음 셀에서 크기를 바꾸고 처음부터 다시 실행해 보세요.** 아래 내용은 그대로
# 성립합니다.

# %%
import jax
import jax.numpy as jnp

import jaxmlp
from jaxmlp import check, plot


batch, n_in, n_hidden, n_out = 4, 2, 3, 1  # change these

data_key, label_key, start_key = jax.random.split(jax.random.key(0), 3)
x = jax.random.normal(data_key, (batch, n_in))
y = jax.random.bernoulli(label_key, 0.5, (batch, n_out)).astype(x.dtype)
(w1, b1), (w2, b2) = params = jaxmlp.init_params(
    start_key, (n_in, n_hidden, n_out), init="normal"
)
jax.tree.map(jnp.shape, params)

# %% [markdown] lang="en"
# ## Forward
#
# Every value on the way is kept: the way back needs them.

# %% [markdown] lang="ko"
# ## 순전파
#
# 중간에 나오는 값을 모두 남겨 둡니다. 되돌아갈 때 필요합니다.

# %%
z1 = x @ w1 + b1
a1 = jnp.tanh(z1)
z2 = a1 @ w2 + b2
p = jax.nn.sigmoid(z2)
loss = -jnp.sum(y * jnp.log(p) + (1 - y) * jnp.log(1 - p)) / batch
loss

# %%
axes = plot.panels(2, 1, size=(5.5, 4))[:, 0]
plot.matrix_product(("x", x.shape), ("w1", w1.shape), "z1", add=("b1", b1.shape), ax=axes[0])
_ = plot.matrix_product(
    ("a1", a1.shape), ("w2", w2.shape), "z2", add=("b2", b2.shape), ax=axes[1]
)

# %% [markdown] lang="en"
# ## What is `dz1`?
#
# Here `dz1` stands for $\partial L / \partial z_1$: for each number in `z1`, how fast the loss
# grows when that number is nudged. So `dz1` has the shape of `z1`, one slope for each number.
# It is the same for every name.
#
# That can be said as code. Add a nudge to every value, all of them zero, and differentiate the
# loss with respect to the nudges. Automatic differentiation then says what each line of ours
# must come to, and `compare` will hold each line against it as soon as it is written.

# %% [markdown] lang="ko"
# ## `dz1`이란 무엇인가
#
# `dz1`은 $\partial L / \partial z_1$입니다. `z1`의 수 하나를 아주 조금 움직일 때 손실이 얼마나
# 빠르게 커지는지를 수마다 하나씩 적은 것입니다. 그래서 `dz1`의 형상은 `z1`의 형상과 같습니다.
# 다른 이름도 모두 마찬가지입니다.
#
# 이 정의를 그대로 코드로 옮길 수 있습니다. 모든 값에 0을 하나씩 더해 두고, 손실을 그 0들로
# 미분합니다. 그러면 우리가 쓸 각 줄의 정답을 자동 미분이 알려 줍니다. 이제 한 줄을 쓸 때마다
# `compare`로 바로 비교합니다.


# %%
def loss_of(nudge):
    z1 = x @ (w1 + nudge["w1"]) + (b1 + nudge["b1"]) + nudge["z1"]
    a1 = jnp.tanh(z1) + nudge["a1"]
    z2 = a1 @ (w2 + nudge["w2"]) + (b2 + nudge["b2"]) + nudge["z2"]
    p = jax.nn.sigmoid(z2)
    return -jnp.sum(y * jnp.log(p) + (1 - y) * jnp.log(1 - p)) / batch


values = {"w1": w1, "b1": b1, "z1": z1, "a1": a1, "w2": w2, "b2": b2, "z2": z2}
truth = jax.grad(loss_of)(jax.tree.map(jnp.zeros_like, values))


def compare(name, ours):
    expected = truth[name]
    if ours.shape != expected.shape:
        print(f"d{name}: shape {ours.shape}, but {name} has shape {expected.shape}")
        return
    right = jnp.linalg.norm(ours - expected) <= 1e-5 * jnp.linalg.norm(expected)
    print(f"d{name}: shape {ours.shape}, {'right' if right else 'WRONG'}")


# %% [markdown] lang="en"
# ## The loss and the last sigmoid
#
# One example, one output:
# $\partial L/\partial p = \frac{1}{\text{batch}} \cdot \frac{p - y}{p (1 - p)}$, and the slope
# of the sigmoid is $\partial p/\partial z_2 = p (1 - p)$. The chain rule multiplies the two,
# and the denominators cancel:
#
# $$dz_2 = \frac{p - y}{\text{batch}}$$
#
# The prediction minus the label. The $1/\text{batch}$ comes from the mean in the loss, and it
# goes in here, once.

# %% [markdown] lang="ko"
# ## 손실과 마지막 시그모이드
#
# 샘플 하나, 출력 하나에서
# $\partial L/\partial p = \frac{1}{\text{배치}} \cdot \frac{p - y}{p (1 - p)}$이고,
# 시그모이드의 도함수는 $\partial p/\partial z_2 = p (1 - p)$입니다. 연쇄 법칙으로 둘을 곱하면
# 분모가 약분됩니다.
#
# $$dz_2 = \frac{p - y}{\text{배치}}$$
#
# 예측에서 정답을 뺀 값입니다. $1/\text{배치}$는 손실이 평균이라서 나온 것이고, 여기서 한 번만
# 나눕니다.

# %%
dz2 = (p - y) / batch
compare("z2", dz2)

# %% [markdown] lang="en"
# ## The output layer: $z_2 = a_1 w_2 + b_2$
#
# The weight $w_2[k, j]$ carries hidden unit $k$ to output $j$, in every example $i$:
# $z_2[i, j] = \dots + a_1[i, k]\,w_2[k, j]$. A nudge of it moves all these $z_2[i, j]$, each by
# $a_1[i, k]$, so the slopes add up over the examples:
# $dw_2[k, j] = \sum_i a_1[i, k]\,dz_2[i, j]$. As matrices:
#
# $$
# dw_2 = a_1^\mathsf{T}\,dz_2 \qquad db_2 = \sum_\text{batch} dz_2 \qquad da_1 =
# dz_2\,w_2^\mathsf{T}
# $$
#
# The bias is added in every example with slope 1, hence the plain sum. And $a_1[i, k]$ reaches
# every output $j$ of its own example: $da_1[i, k] = \sum_j dz_2[i, j]\,w_2[k, j]$.
#
# You need not remember which one is transposed: $dw_2$ must have the shape of $w_2$, and with
# sizes that are all different only one product of $a_1$ and $dz_2$ has it.

# %% [markdown] lang="ko"
# ## 출력층: $z_2 = a_1 w_2 + b_2$
#
# 가중치 $w_2[k, j]$는 모든 샘플 $i$에서 은닉 유닛 $k$를 출력 $j$에 연결합니다.
# $z_2[i, j] = \dots + a_1[i, k]\,w_2[k, j]$이므로, 이 가중치를 움직이면 모든 샘플의
# $z_2[i, j]$가 각각 $a_1[i, k]$배만큼 움직입니다. 그래서 기울기는 샘플에 대해 더합니다.
# $dw_2[k, j] = \sum_i a_1[i, k]\,dz_2[i, j]$, 행렬로 쓰면
#
# $$
# dw_2 = a_1^\mathsf{T}\,dz_2 \qquad db_2 = \sum_\text{배치} dz_2 \qquad da_1 =
# dz_2\,w_2^\mathsf{T}
# $$
#
# 편향은 모든 샘플에 그대로 더해지므로 도함수가 1이고, 따라서 그냥 더하면 됩니다. $a_1[i, k]$는
# 같은 샘플의 모든 출력 $j$에 영향을 주므로 $da_1[i, k] = \sum_j dz_2[i, j]\,w_2[k, j]$입니다.
#
# 어느 쪽을 전치하는지 외울 필요는 없습니다. $dw_2$의 형상은 $w_2$와 같아야 하고, 크기가 모두
# 다르면 $a_1$과 $dz_2$의 곱 가운데 그런 형상은 하나뿐입니다.

# %%
dw2 = a1.T @ dz2
db2 = dz2.sum(axis=0)
da1 = dz2 @ w2.T

compare("w2", dw2)
compare("b2", db2)
compare("a1", da1)

axes = plot.panels(2, 1, size=(5.5, 3.6))[:, 0]
plot.matrix_product(("a1.T", a1.T.shape), ("dz2", dz2.shape), "dw2", ax=axes[0])
_ = plot.matrix_product(("dz2", dz2.shape), ("w2.T", w2.T.shape), "da1", ax=axes[1])

# %% [markdown] lang="en"
# ## The activation: $a_1 = \tanh(z_1)$
#
# It acts on each number by itself, so its slope multiplies number by number: no matrix product,
# nothing summed. The slope of tanh, in terms of its own output, is $1 - a_1^2$:
#
# $$dz_1 = da_1 \odot (1 - a_1^2)$$

# %% [markdown] lang="ko"
# ## 활성화 함수: $a_1 = \tanh(z_1)$
#
# 활성화 함수는 원소별로 작용하므로 도함수도 원소별로 곱합니다. 행렬 곱도 없고 합도 없습니다.
# tanh의 도함수를 tanh의 출력으로 쓰면 $1 - a_1^2$입니다.
#
# $$dz_1 = da_1 \odot (1 - a_1^2)$$

# %%
dz1 = da1 * (1 - a1**2)
compare("z1", dz1)

# %% [markdown] lang="en"
# ## The hidden layer: the same once more
#
# $z_1 = x\,w_1 + b_1$ has the form of the output layer, with $x$ in the place of $a_1$. So have
# its gradients.

# %% [markdown] lang="ko"
# ## 은닉층: 같은 계산을 한 번 더
#
# $z_1 = x\,w_1 + b_1$은 출력층과 꼴이 같고 $a_1$ 자리에 $x$가 있을 뿐입니다. 기울기도
# 마찬가지입니다.

# %%
dw1 = x.T @ dz1
db1 = dz1.sum(axis=0)

compare("w1", dw1)
compare("b1", db1)

ax = plot.matrix_product(("x.T", x.T.shape), ("dz1", dz1.shape), "dw1")

# %% [markdown] lang="en"
# ## All of it in one function, and a stricter check
#
# `compare` looked at one point, in float32. `check` evaluates both sides in float64, at this
# point and at another one near by, and judges each leaf by the size of its own gradient.

# %% [markdown] lang="ko"
# ## 함수 하나로 모으고 더 엄격하게 확인하기
#
# `compare`는 한 점에서 float32로만 비교했습니다. `check`는 이 점과 가까운 다른 점에서 양쪽을
# float64로 계산하고, 매개변수마다 그 기울기의 크기를 기준으로 판정합니다.


# %% tags=["rounding"]
def cross_entropy(params, x, y):
    (w1, b1), (w2, b2) = params
    p = jax.nn.sigmoid(jnp.tanh(x @ w1 + b1) @ w2 + b2)
    return -jnp.sum(y * jnp.log(p) + (1 - y) * jnp.log(1 - p)) / len(x)


def hand_grads(params, x, y):
    (w1, b1), (w2, b2) = params
    a1 = jnp.tanh(x @ w1 + b1)
    p = jax.nn.sigmoid(a1 @ w2 + b2)
    dz2 = (p - y) / len(x)
    da1 = dz2 @ w2.T
    dz1 = da1 * (1 - a1**2)
    return jaxmlp.Dense(x.T @ dz1, dz1.sum(axis=0)), jaxmlp.Dense(a1.T @ dz2, dz2.sum(axis=0))


check(cross_entropy, hand_grads, params, x, y)

# %% [markdown] lang="en"
# ## Any number of layers
#
# A deeper network repeats the same three lines. Going down the layers, last to first: multiply
# by the slope of the activation, note $dw$ and $db$, and hand $da$ to the layer below.

# %% [markdown] lang="ko"
# ## 층이 몇 개든
#
# 더 깊은 신경망은 같은 세 줄을 되풀이합니다. 마지막 층에서 첫 층으로 내려가며 활성화 함수의
# 도함수를 곱하고, $dw$와 $db$를 적어 두고, $da$를 아래층에 넘깁니다.


# %% tags=["rounding"]
def deep_loss(params, x, y):
    a = x
    for w, b in params[:-1]:
        a = jnp.tanh(a @ w + b)
    p = jax.nn.sigmoid(a @ params[-1].w + params[-1].b)
    return -jnp.sum(y * jnp.log(p) + (1 - y) * jnp.log(1 - p)) / len(x)


def deep_grads(params, x, y):
    a, inputs = x, []
    for w, b in params[:-1]:
        inputs.append(a)
        a = jnp.tanh(a @ w + b)
    dz = (jax.nn.sigmoid(a @ params[-1].w + params[-1].b) - y) / len(x)
    grads = [jaxmlp.Dense(a.T @ dz, dz.sum(axis=0))]
    for below, (w, _) in zip(inputs[::-1], params[:0:-1], strict=True):
        dz = (dz @ w.T) * (1 - a**2)
        grads.append(jaxmlp.Dense(below.T @ dz, dz.sum(axis=0)))
        a = below
    return tuple(grads[::-1])


deep = jaxmlp.init_params(jax.random.key(1), (n_in, 5, 8, 3, n_out))
check(deep_loss, deep_grads, deep, x, y)

# %% [markdown] lang="en"
# ## Now you
#
# Break a line and run its cell again: leave out `1 - a1**2`, write `w2` for `w2.T`, or `a1` for
# `x`. With sizes that are all different, a wrong transpose does not even run. Make `n_in`,
# `n_hidden` and `batch` equal, and it runs without a word: then only the comparison finds it.
# Notebook 6 shows how `check` names such mistakes.

# %% [markdown] lang="ko"
# ## 직접 해 보기
#
# 한 줄을 일부러 틀리게 고치고 그 셀을 다시 실행해 보세요. `1 - a1**2`를 빼거나, `w2.T` 대신
# `w2`를 쓰거나, `x` 대신 `a1`을 쓰면 됩니다. 크기가 모두 다르면 전치를 틀린 코드는 실행조차
# 되지 않습니다. 그런데 `n_in`, `n_hidden`, `batch`를 같게 하면 아무 오류 없이 실행됩니다.
# 이때는 비교해야만 알 수 있습니다. 그런 실수의 이름을 `check`가 어떻게 찾아내는지는 6번
# 노트북에서 다룹니다.
