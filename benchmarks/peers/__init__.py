"""Other libraries on the workloads of `training.py`, each in a module of its own, as its users write it.

A module has what its library can do:

    train(problem, steps)               steps of gradient descent
    gradient(problem)                   one gradient
    population(problem, steps, record)  many 2-2-1 networks at once, each leaf of `params` with them on its first axis

Each prepares and gives a program without arguments, which starts from `problem.params` whenever it is called. A program
of `gradient` gives the loss and the leaves of the gradient, first layer first; the others give what `fit` does, a pair
with the losses of all steps in second place, or None for them where a population need not `record` them.
"""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple, TypeAlias


Program: TypeAlias = Callable[[], tuple[Any, Any]]

MODULES = {
    "NumPy": "with_numpy",
    "numba": "with_numba",
    "equinox": "with_equinox",
    "flax": "with_flax",
    "scikit-learn": "with_scikit_learn",
    "torch": "with_torch",
}


class Problem(NamedTuple):
    """A network, its data and the learning rate, in NumPy arrays.

    With `classes` the hidden layers are relus, a softmax follows, and `y` holds labels. Without, every layer is a
    sigmoid, and `y` holds probabilities. The loss is the cross-entropy, a mean over the examples.
    """

    params: Any
    x: Any
    y: Any
    rate: float
    classes: bool

    @property
    def sizes(self) -> tuple[int, ...]:
        return (self.params[0][0].shape[-2], *(w.shape[-1] for w, _ in self.params))


def that_can(what: str) -> dict[str, Callable[..., Program]]:
    """The function of that name of every peer that has it and is installed."""
    return {name: getattr(peer, what) for name, peer in _installed().items() if hasattr(peer, what)}


@cache
def _installed() -> dict[str, ModuleType]:
    found = {}
    for name, module in MODULES.items():
        try:
            found[name] = import_module(f"{__name__}.{module}")
        except ImportError as error:
            print(f"{name} is left out: {error}")
    return found
