"""Training as one compiled program: a scan over optax updates."""

from inspect import signature
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, Key

from ._arguments import check_callable, check_count, check_is_array, check_key, check_leaves, is_array, shown
from ._checks import check_floating
from ._kernel import loop_in_a_kernel
from ._layouts import rows_of, with_layouts_found
from ._small import loop
from ._types import LossAndGrads


class TrainState(NamedTuple):
    """Where training stands: all that the next step depends on.

    Attributes:
      params: the parameters after `step` updates.
      opt_state: the optimizer's state.
      step: how many updates have been made, an integer scalar.
      key: the key that orders the minibatches, or None for full batches.

    Example:
      >>> import jax
      >>> import jaxmlp
      >>> import optax
      >>> params = jaxmlp.init_params(jax.random.key(0), (2, 1))
      >>> options = dict(loss_and_grads=jaxmlp.loss_and_grads, optimizer=optax.sgd(1.0))
      >>> state, losses = jaxmlp.fit(params, jaxmlp.gate("or"), steps=10, **options)
      >>> state, more = jaxmlp.fit(state, jaxmlp.gate("or"), steps=5, **options)  # goes on from there
      >>> print(state.step, state.params[0].w.shape)
      15 (2, 1)
    """

    params: Any
    opt_state: optax.OptState
    step: Int[Array, ""]
    key: Key[Array, ""] | None


def fit(
    params: Any,
    batch: tuple[Array, ...],
    *,
    loss_and_grads: LossAndGrads,
    optimizer: optax.GradientTransformation,
    steps: int,
    batch_size: int | None = None,
    key: Key[Array, ""] | None = None,
    kernel: Literal["gpu", "interpret"] | None = None,
) -> tuple[TrainState, Float[Array, " steps"]]:
    """Train for a number of steps, as one `jax.lax.scan`.

    A pure function: it can be compiled with `jax.jit`, mapped over seeds or learning rates with
    `jax.vmap` (build the optimizer inside the mapped function), and sharded by placing its arguments.

    On several devices the placement of the arguments says where the work is done, and the result is that
    of one device to rounding. With the rows of `batch` spread over a mesh and `params` on all of it, each
    device computes its share of a full batch, and the gradient is summed over the devices. Parameters
    that are spread stay so. A minibatch is drawn from all rows; that each device computes its share of it
    is said in `loss_and_grads`, by `jax.lax.with_sharding_constraint` of the rows that it is given, and
    where `batch` is whole on every device no row moves. `jax.shard_map` of `jax.vmap` of `fit` trains an
    ensemble of which each device has its own members.

    Minibatches are shuffled on the device: epoch `e` visits the examples in the order
    `jax.random.permutation(jax.random.fold_in(key, e), n)`, `n // batch_size` batches an epoch; the
    examples left over sit that epoch out. The order depends on `key` and the step alone, so training
    continued from a `TrainState` equals training without the stop, bit for bit.

    On a GPU a scan starts several kernels a step, each for longer than a small network has to compute. With
    `kernel="gpu"` the whole loop is one kernel, which holds the state in registers, and whose 128 threads share the
    work. On an H100, XOR and float32, a step of 2-2-1 takes 0.3 µs (by a scan 9 µs), of 2-10-10-10-1 0.75 µs (18 µs),
    and of 2-64-64-1 6 µs (18 µs); it is meant for networks and batches no larger. Mapped with `jax.vmap` or
    `jaxmlp.population` it is one kernel too: of many networks, or of very small ones, each thread trains one, so that
    2000 steps of 10,000 networks 2-2-1 take 0.9 ms (by `jax.vmap` of a scan 25 ms); else each has 128 threads.

    Args:
      params: the parameters to start from, a pytree of floating arrays; or the `TrainState` of an earlier
        `fit`, to continue from with the same optimizer.
      batch: the data, a tuple such as `(x, y)` of arrays with one row an example.
      loss_and_grads: `loss_and_grads(params, *batch) -> (loss, grads)`: `jaxmlp.loss_and_grads`,
        `jax.value_and_grad(loss)`, or any other; bind its options with `functools.partial`.
      optimizer: any optax transformation.
      steps: how many updates to make; static.
      batch_size: examples a minibatch; None uses the whole batch at every step. Static.
      key: orders the minibatches; needed with `batch_size`, and taken from the state when continuing.
      kernel: "gpu" trains inside one kernel of an NVIDIA GPU, on full batches in float32; "interpret" does what that
        kernel does, slowly and on any device, to see that it is right; None trains by a scan. Static.

    Returns:
      The state after the last update, and the loss of every step, each before its update.

    Raises:
      TypeError: `steps` or `batch_size` is not an integer, a parameter is not floating (of complex numbers a step
        against `jax.grad` is no descent), or `loss_and_grads` does not return a pair.
      ValueError: the arrays of `batch` have different numbers of rows, `batch_size` is larger than that
        number, `key` is missing or superfluous, `kernel` is given with `batch_size`, without a GPU, or for a network
        too large for it, the loss is not a scalar, or the gradient is not a tree
        like `params` with its shapes and dtypes. From JAX: the arguments lie on different devices, or the
        devices along an axis of the mesh do not divide the rows.
      NotImplementedError: `kernel` is given, and a step has an operation or a dtype that the kernel has not.

    Example:
      >>> from functools import partial
      >>> import jax
      >>> import jaxmlp
      >>> import optax
      >>> x, y = jaxmlp.gate("or")
      >>> params = jaxmlp.init_params(jax.random.key(0), (2, 1))
      >>> train = partial(jaxmlp.fit, loss_and_grads=jaxmlp.loss_and_grads, optimizer=optax.sgd(1.0), steps=100)
      >>> state, losses = jax.jit(train)(params, (x, y))
      >>> print(f"from {losses[0]:.2f} to {losses[-1]:.2f}")
      from 0.85 to 0.09
      >>> print(jaxmlp.predict(state.params, x).round().ravel())
      [0. 1. 1. 1.]
    """
    n = check_training(params, batch, loss_and_grads, optimizer, steps, batch_size, key)
    batch = jax.tree.map(jnp.asarray, tuple(batch))
    state = _start(params, optimizer, key)
    shown = batch if batch_size is None else jax.eval_shape(rows_of, batch, jnp.arange(batch_size))
    loss_and_grads = with_layouts_found(loss_and_grads, state.params, batch)
    _check_loss_and_grads(loss_and_grads, state.params, shown)

    def update(state: TrainState, batch: tuple[Array, ...]) -> tuple[TrainState, Float[Array, ""]]:
        loss, grads = loss_and_grads(state.params, *batch)
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        return TrainState(params, opt_state, state.step + 1, state.key), loss

    if kernel is not None:
        if batch_size is not None:
            raise ValueError(
                f"`kernel` is {kernel!r}, but `batch_size` is {batch_size}, and the kernel trains on full batches: "
                "leave one of them out."
            )
        return loop_in_a_kernel(update, state, (batch,), steps, kernel=kernel)
    if batch_size is None:
        return loop(update, state, (batch,), steps)

    an_epoch, key = n // batch_size, state.key
    assert key is not None  # `_start` has seen to that

    def order_of(step: Int[Array, ""]) -> Int[Array, " n"]:
        return jax.random.permutation(jax.random.fold_in(key, step // an_epoch), n)

    def minibatch_update(carry, batch):
        state, order = carry
        place = state.step % an_epoch
        order = jax.lax.cond((place == 0) | (state.step == first), order_of, lambda step: order, state.step)
        rows = jax.lax.dynamic_slice_in_dim(order, place * batch_size, batch_size)
        state, loss = update(state, rows_of(batch, rows))
        return (state, order), loss

    # The first step draws its order too: in one place in the program, for it is long to compile.
    first, drawn = state.step, jax.eval_shape(order_of, state.step)
    (state, _), losses = loop(minibatch_update, (state, jnp.zeros(drawn.shape, drawn.dtype)), (batch,), steps)
    return state, losses


def _start(params: Any, optimizer: optax.GradientTransformation, key: Any) -> TrainState:
    """The state that the first step sees."""
    if isinstance(params, TrainState):
        return params
    for path, leaf in jax.tree.leaves_with_path(params):
        check_floating(f"params{jax.tree_util.keystr(path)}", leaf if is_array(leaf) else jnp.asarray(leaf))
    params = jax.tree.map(jnp.asarray, params)
    return TrainState(params, optimizer.init(params), jnp.zeros((), jnp.int32), key)


def check_training(
    params: Any, batch: Any, loss_and_grads: Any, optimizer: Any, steps: Any, batch_size: Any, key: Any
) -> int:
    """What every training takes is of the right kind, and fits together; the number of examples."""
    check_count("steps", steps, least=0)
    n = _rows(batch)
    check_leaves("params", params)
    check_callable("loss_and_grads", loss_and_grads, ": pass jaxmlp.loss_and_grads")
    if not (hasattr(optimizer, "init") and hasattr(optimizer, "update")):
        raise TypeError(
            f"`optimizer` must be an optax transformation such as optax.adam(0.01), got {shown(optimizer)}."
        )
    continued = isinstance(params, TrainState)
    if continued and key is not None:
        raise ValueError("`key` is given, but `params` is a TrainState that carries its own: leave `key` out.")
    key = params.key if continued else key
    if batch_size is None and key is not None and not continued:
        raise ValueError("`key` orders minibatches, but `batch_size` is None: give a batch size or leave `key` out.")
    if batch_size is not None:
        check_count("batch_size", batch_size, least=1)
        if batch_size > n:
            raise ValueError(f"`batch_size` is {batch_size}, but `batch` has only {n} row(s).")
        if key is None:
            raise ValueError("`batch_size` is given, but no `key` to order the minibatches: pass jax.random.key(0).")
        check_key("key", key)
    return n


def _rows(batch: Any) -> int:
    """The number of examples, the same in every array of `batch`."""
    if not isinstance(batch, tuple | list):
        raise TypeError(f"`batch` must be a tuple of arrays such as (x, y), got a {type(batch).__name__}.")
    leaves = {f"batch{jax.tree_util.keystr(path)}": leaf for path, leaf in jax.tree.leaves_with_path(tuple(batch))}
    for name, leaf in leaves.items():
        check_is_array(name, leaf)
    if leaves:
        check_leaves("batch", tuple(batch))
    shapes = {name: tuple(leaf.shape) for name, leaf in leaves.items()}
    if not shapes or any(not shape for shape in shapes.values()):
        raise ValueError(f"`batch` must hold arrays with one row an example, got the shapes {shapes}.")
    if len({shape[0] for shape in shapes.values()}) > 1:
        raise ValueError(f"the arrays of `batch` have different numbers of rows: {shapes}.")
    (n, *_), *_ = shapes.values()
    if n == 0:
        raise ValueError(f"`batch` is empty, and its mean is not defined: its arrays have the shapes {shapes}.")
    return n


def _check_loss_and_grads(loss_and_grads: LossAndGrads, params: Any, batch: Any) -> None:
    """What `loss_and_grads` takes and returns fits; read from shapes alone, before anything is compiled."""
    try:
        signature(loss_and_grads).bind(params, *batch)
    except ValueError:  # of some functions that are not written in Python
        pass
    except TypeError as error:
        raise TypeError(
            f"`loss_and_grads` cannot be called with the parameters and the {len(batch)} array(s) of `batch`: {error}."
        ) from None
    if any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(batch)):
        result = jax.eval_shape(lambda params, batch: loss_and_grads(params, *batch), params, batch)
    else:  # data whose values are known are not traced, so that losses which check their targets can
        result = jax.eval_shape(lambda params: loss_and_grads(params, *batch), params)
    if not (isinstance(result, tuple) and len(result) == 2):
        raise TypeError(
            "`loss_and_grads` must return a pair (loss, grads), got "
            f"{type(result).__name__}: with jax.grad use jax.value_and_grad instead."
        )
    loss, grads = result
    if not hasattr(loss, "shape"):
        raise TypeError(
            "`loss_and_grads` must return a pair (loss, grads) with a scalar loss, got a "
            f"{type(loss).__name__} in its place: with jax.grad use jax.value_and_grad instead."
        )
    if loss.shape != ():
        raise ValueError(
            f"the loss must be a scalar of shape (), got shape {loss.shape}: take its mean over the batch."
        )
    expected, actual = jax.tree.structure(params), jax.tree.structure(grads)
    if actual != expected:
        raise ValueError(f"the gradient must be a tree like `params`: got {actual}, expected {expected}.")
    for (path, leaf), dleaf in zip(jax.tree.leaves_with_path(params), jax.tree.leaves(grads), strict=True):
        if dleaf.shape != leaf.shape or dleaf.dtype != leaf.dtype:
            name = jax.tree_util.keystr(path, simple=True, separator=".")
            raise ValueError(
                f"the gradient of `{name}` has shape {dleaf.shape} and dtype {dleaf.dtype}, but the parameter "
                f"has shape {leaf.shape} and dtype {leaf.dtype}."
            )
