"""One `jaxmlp train`, from its arguments to its exit status."""

import argparse
import sys
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxmlp

from .._placement import placed
from .._run._memory import check_memory
from . import INTERRUPTED
from ._compared import Comparison, Parted
from ._dataset import Dataset
from ._metrics import Metrics
from ._optimizer import optimizer_of
from ._outcome import head, outcome, plot
from ._terminal import CommandError, write


DONE, FAILED = 0, 1
_OPTIONS = {"checkpoint_dir": "--checkpoint", "checkpoint_seconds": "--checkpoint-seconds", "steps": "--steps"}
_USUAL_OUTPUT = {"bce": "sigmoid"}


def train(args: argparse.Namespace, data: Dataset) -> int:
    """Train on `data` as `args` says.

    Raises:
      CommandError: they, or a file that they name, cannot be used; the text says why.
    """
    loss = args.loss or data.usual_loss()
    targets = data.targets(loss)
    optimizer, written = optimizer_of(args.optimizer, args.set)
    if args.batch_size and args.batch_size > len(data.x):
        raise CommandError(f"--batch-size is {args.batch_size}, but {data.name} has {len(data.x)} examples.")
    output = args.output or _USUAL_OUTPUT.get(loss, "identity")
    model: dict[str, Any] = dict(hidden=getattr(jaxmlp, args.activation), output=getattr(jaxmlp, output))
    try:
        with placed((), platform=args.platform, dtype=args.dtype), warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: sys.stderr.write(f"jaxmlp: {message}\n")
            x = jnp.asarray(data.x, args.dtype)
            y = jnp.asarray(targets) if targets.dtype.kind == "i" else jnp.asarray(targets, args.dtype)
            outputs = len(data.classes) if y.ndim == 1 else y.shape[1]
            sizes = (x.shape[1], *args.hidden, outputs)
            return _run(args, data, (x, y), sizes, model, loss, optimizer, written)
    except (LookupError, MemoryError) as error:
        raise CommandError(error) from None
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        said = str(error).partition("RESOURCE_EXHAUSTED: ")[2].partition("\n")[0]
        raise CommandError(f"the device has not enough memory: {said}") from None


def _run(
    args: argparse.Namespace,
    data: Dataset,
    batch: tuple[Any, Any],
    sizes: tuple[int, ...],
    model: dict[str, Any],
    loss: str,
    optimizer: Any,
    written: str,
) -> int:
    by_hand = partial(jaxmlp.loss_and_grads, loss=getattr(jaxmlp, loss), **model)
    value = partial(jaxmlp.loss_value, loss=getattr(jaxmlp, loss), **model)
    _check_memory(args, sizes, optimizer, len(data.x))
    params, key = _start(args, sizes)
    params, key, batch, share = _shared(args, params, key, batch)
    by_autodiff = jax.value_and_grad(value)
    learn = by_autodiff if args.gradient == "autodiff" else by_hand
    write(head(args, data, sizes, loss, model, written, params))

    def measures(params: Any) -> tuple[Any, Any]:
        out = jaxmlp.predict(params, batch[0], **model)
        right = _is_right(out, batch[1], loss, data)
        return value(params, *batch), None if right is None else right.sum()

    measure = jax.jit(jax.vmap(measures) if args.seeds else measures)
    compare = Comparison(value, by_hand, batch, ensemble=bool(args.seeds)) if args.gradient == "both" else None

    def evaluate(params: Any) -> dict[str, Any]:
        if compare:
            compare(params)
        loss, right = jax.device_get(measure(params))
        return {"loss": loss} if right is None else {"loss": loss, "accuracy": right / len(data.x)}

    with Metrics(args.metrics, resume=args.resume) as metrics:

        def stop(history: jaxmlp.History) -> bool:
            metrics.write(history)
            return args.stop_below is not None and bool((history.evaluations["loss"][-1] < args.stop_below).all())

        try:
            result = jaxmlp.run(
                params,
                batch,
                loss_and_grads=lambda params, *batch: learn(params, *share(batch)),
                optimizer=optimizer,
                steps=args.steps,
                batch_size=args.batch_size,
                key=key,
                ensemble=bool(args.seeds),
                chunk=args.chunk,
                evaluate=evaluate,
                stop=stop,
                stop_nonfinite=not args.seeds,  # one that diverges must not stop the others
                progress=False if args.no_progress else None,
                checkpoint_dir=args.checkpoint,
                checkpoint_seconds=args.checkpoint_seconds,
                resume=args.resume,
            )
        except Parted as parted:
            write([str(parted)])
            return FAILED
        except (ImportError, OSError, TypeError, ValueError) as error:
            said = str(error).replace("pass resume=True", "add --resume")
            for name, option in _OPTIONS.items():
                said = said.replace(f"`{name}`", option)
            raise CommandError(said) from None
        metrics.write(result.history)
    write(outcome(args, data, result, jax.jit(partial(jaxmlp.predict, **model)), batch))
    if args.plot:
        plot(args.plot, data.name, result.history)
    if result.reason == "interrupted":
        return INTERRUPTED
    return FAILED if result.reason == "nonfinite" or result.unsaved or metrics.problem else DONE


def _start(args: argparse.Namespace, sizes: tuple[int, ...]) -> tuple[Any, Any]:
    """The first parameters, and the key that orders the minibatches; with a leading axis for several seeds."""

    def start(seed: Any) -> tuple[Any, Any]:
        params_key, order_key = jax.random.split(jax.random.key(seed))
        return jaxmlp.init_params(params_key, sizes, init=args.init, dtype=args.dtype), order_key

    params, key = jax.vmap(start)(args.seed + jnp.arange(args.seeds)) if args.seeds else start(args.seed)
    return params, key if args.batch_size else None


def _check_memory(args: argparse.Namespace, sizes: tuple[int, ...], optimizer: Any, examples: int) -> None:
    """Refuse a training that cannot fit, before its parameters are made; a layer's output is there at some moment."""
    params, _ = jax.eval_shape(lambda: _start(args, sizes))
    opt_state = jax.eval_shape(jax.vmap(optimizer.init) if args.seeds else optimizer.init, params)
    losses = jax.ShapeDtypeStruct((args.seeds, 0) if args.seeds else (0,), args.dtype)
    check_memory(
        (params, opt_state),
        losses,
        steps=args.steps,
        devices=jax.devices(args.platform)[: args.devices or 1],
        least=(args.batch_size or examples) * max(sizes[1:]) * losses.dtype.itemsize,
    )


def _shared(args: argparse.Namespace, params: Any, key: Any, batch: Any) -> tuple[Any, Any, Any, Callable]:
    """All of it placed on the devices, and how they share a batch: by members of an ensemble, or else by examples.

    Minibatches are drawn from all examples, so each device holds them all and computes its share of each minibatch.
    """
    alone = lambda batch: batch
    if not args.devices:
        return params, key, batch, alone
    there = jax.devices(args.platform)
    if args.devices > len(there):
        raise CommandError(
            f"--devices is {args.devices}, but JAX has {len(there)} here ({there[0].platform}). "
            "On a CPU, the environment variable JAX_NUM_CPU_DEVICES says how many there are to be."
        )
    shared = args.seeds or args.batch_size or len(batch[0])
    if shared % args.devices:
        what = "seeds" if args.seeds else "examples a step"
        raise CommandError(f"--devices is {args.devices}, which must divide the {shared} {what}.")
    mesh = jax.sharding.Mesh(np.array(there[: args.devices]), ("shared",))
    split, whole = (jax.NamedSharding(mesh, jax.P(*axes)) for axes in (("shared",), ()))
    if args.seeds:
        return jax.device_put(params, split), jax.device_put(key, split), jax.device_put(batch, whole), alone
    share = lambda batch: jax.lax.with_sharding_constraint(batch, split)
    rows = whole if args.batch_size else split
    return jax.device_put(params, whole), jax.device_put(key, whole), jax.device_put(batch, rows), share


def _is_right(out: Any, y: Any, loss: str, data: Dataset) -> Any:
    """Which examples are told apart rightly; None where numbers are predicted."""
    if data.labels is None:
        return None
    if y.ndim == 1 or y.shape[1] > 1:
        return out.argmax(axis=1) == (y if y.ndim == 1 else y.argmax(axis=1))
    return (out[:, 0] > (0.0 if loss == "bce_with_logits" else 0.5)) == (y[:, 0] > 0.5)
