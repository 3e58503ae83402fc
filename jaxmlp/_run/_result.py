"""What a training leaves behind: its state, its history, and why it ended."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from .._train import TrainState
from ..verify import NonfiniteReport


Reason: TypeAlias = Literal["finished", "stopped", "interrupted", "nonfinite"]


@dataclass(frozen=True)
class History:
    """The course of a training, as NumPy arrays.

    Attributes:
      losses: the loss of every step, each before its update, in the dtype of the loss. Shape `(steps,)`, or
        `(members, steps)` of an ensemble.
      evaluated_at: after how many steps `evaluate` was called, int64, `(evaluations,)`.
      evaluations: what it gave, by name: float64, `(evaluations,)`, or `(evaluations, members)` where it gave an
        array of one number a member. A number without a name is called "value".

    Example:
      >>> import jax
      >>> import jaxmlp
      >>> import optax
      >>> x, y = jaxmlp.gate("or")
      >>> result = jaxmlp.run(
      ...     jaxmlp.init_params(jax.random.key(0), (2, 1)),
      ...     (x, y),
      ...     loss_and_grads=jaxmlp.loss_and_grads,
      ...     optimizer=optax.sgd(1.0),
      ...     steps=100,
      ...     chunk=50,
      ...     evaluate=lambda params: {"right": (jaxmlp.predict(params, x).round() == y).mean()},
      ... )
      >>> print(result.history.losses.shape, result.history.evaluated_at, result.history.evaluations)
      (100,) [ 50 100] {'right': array([1., 1.])}
    """

    losses: np.ndarray
    evaluated_at: np.ndarray
    evaluations: dict[str, np.ndarray]

    @property
    def steps(self) -> int:
        """How many steps were made."""
        return self.losses.shape[-1]


@dataclass(frozen=True)
class RunResult:
    """How a training ended.

    Attributes:
      state: where it stands; `state.params` are the parameters. All finite, unless `stop_nonfinite` was False.
      history: the losses and evaluations of all the steps that led to `state`, those before a resumption included.
      reason: "finished" (all steps are made), "stopped" (`stop` said so), "interrupted" (Ctrl-C or SIGTERM), or
        "nonfinite" (the next step makes the loss or a parameter NaN or infinite).
      nonfinite: where that NaN or inf is born, if `reason` is "nonfinite"; its steps count as those of `history`.
        None as well if the explanation itself failed, of which a warning tells.
      resumed_from: the step of the checkpoint that the training went on from; 0 if it started afresh.
      seconds: how long this call took, with compiling.
      unsaved: why `state` is not in `checkpoint_dir`, a sentence; None if it is, or if none was asked for.

    Example:
      >>> import jax
      >>> import jaxmlp
      >>> import optax
      >>> params = jaxmlp.init_params(jax.random.key(0), (2, 1))
      >>> options = dict(loss_and_grads=jaxmlp.loss_and_grads, optimizer=optax.sgd(1.0))
      >>> result = jaxmlp.run(params, jaxmlp.gate("or"), steps=100, **options)
      >>> print(result)  # doctest: +ELLIPSIS
      finished after 100 steps in ... s (... steps/s), loss 0.08776
      >>> result = jaxmlp.run(result.state, jaxmlp.gate("or"), steps=100, **options)  # and another 100
      >>> print(result.state.step)
      200
    """

    state: TrainState
    history: History
    reason: Reason
    nonfinite: NonfiniteReport | None = field(default=None, repr=False)
    resumed_from: int = 0
    seconds: float = 0.0
    unsaved: str | None = None

    def __str__(self) -> str:
        made = self.history.steps
        rate = (made - self.resumed_from) / self.seconds if self.seconds else 0.0
        last = f", loss {np.asarray(self.history.losses[..., -1], np.float64).mean():.4g}" if made else ""
        ended = "not finite" if self.reason == "nonfinite" else self.reason
        steps = f"{made:,} step{'' if made == 1 else 's'}"
        return f"{ended} after {steps} in {self.seconds:.1f} s ({rate:,.0f} steps/s){last}"


class Record:
    """A history in the making, with room for `steps` losses."""

    def __init__(self, steps: int) -> None:
        self.made, self.room = 0, steps
        self.evaluations: list[tuple[int, dict[str, np.ndarray]]] = []
        self._losses = np.zeros(0)

    def add(self, losses: np.ndarray) -> None:
        """The losses of further steps, along the last axis."""
        if not self.made:
            self._losses = np.empty((*losses.shape[:-1], self.room), losses.dtype)
        self._losses[..., self.made : self.made + losses.shape[-1]] = losses
        self.made += losses.shape[-1]

    def evaluate(self, evaluate: Callable[[Any], Any], params: Any) -> None:
        """What `evaluate` says of `params`, at the step reached."""
        result = evaluate(params)
        values = dict(result) if isinstance(result, Mapping) else {"value": result}
        self.evaluations.append((self.made, {str(name): np.asarray(v, np.float64) for name, v in values.items()}))

    def history(self) -> History:
        """What is recorded so far."""
        steps, values = [step for step, _ in self.evaluations], [values for _, values in self.evaluations]
        names = dict.fromkeys(name for of_step in values for name in of_step)
        return History(
            losses=self._losses[..., : self.made],
            evaluated_at=np.array(steps, np.int64),
            evaluations={name: np.array([of_step.get(name, np.nan) for of_step in values]) for name in names},
        )
