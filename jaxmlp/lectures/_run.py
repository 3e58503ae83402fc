"""The lectures in order, and all of their claims."""

from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple

from . import formulas, lost_sign, perceptron, worked_example, wrong_names, xor_curves
from ._claim import Claim


class Lecture(NamedTuple):
    """A lecture: what it is about, and its claims in a dtype.

    Example:
      >>> from jaxmlp.lectures import LECTURES
      >>> LECTURES["003"].title
      'one step of backpropagation, number by number'
    """

    title: str
    claims: Callable[[str], Iterator[Claim]]


LECTURES: dict[str, Lecture] = {
    "000": Lecture("what one unit can learn, and what takes two layers", perceptron.claims),
    "001": Lecture("the loss curves of XOR, by hand and by autodiff", xor_curves.claims),
    "002": Lecture("four wrong names", wrong_names.claims),
    "003": Lecture("one step of backpropagation, number by number", worked_example.claims),
    "004": Lecture("the lost minus sign, and where the NaN is born", lost_sign.claims),
    "formulas": Lecture("the derivatives, and why the matrices are turned as they are", formulas.claims),
}
"""Every lecture by its id, in order."""


def run(lectures: Iterable[str] | None = None, *, dtype: Literal["float32", "float64"] = "float32") -> Iterator[Claim]:
    """The claims of the lectures, computed as they are asked for.

    Args:
      lectures: ids from `LECTURES`; None means all. They run in the order of `LECTURES`.
      dtype: what the training runs compute in. Claims about a number format of their own keep it.

    Raises:
      ValueError: there is no lecture of that id, or `dtype` is neither.

    Example:
      >>> from jaxmlp import lectures
      >>> claims = list(lectures.run(["003"]))
      >>> print(claims[0].name, claims[0].printed, all(claim.ok for claim in claims))
      z1 0.08 True
    """
    wanted = set(LECTURES if lectures is None else lectures)
    if unknown := wanted - set(LECTURES):
        raise ValueError(f"there is no lecture {sorted(unknown)[0]!r}; the lectures are {', '.join(LECTURES)}.")
    if dtype not in ("float32", "float64"):
        raise ValueError(f"`dtype` is {dtype!r}, but must be 'float32' or 'float64'.")
    return (claim for id, lecture in LECTURES.items() if id in wanted for claim in lecture.claims(dtype))
