"""Corrections inside a statement: the kernel of a convolution, which the way back turns by half a turn."""

from collections.abc import Iterator

import numpy as np

from .._program._sites import wholes
from ._bench import Bench, Patch, Patches
from ._edits import Edit
from ._edits_of_operands import read_from_outside
from ._offers import Instances
from ._patches import with_input


_PLACES = ((-2, -1), (0, 1), (-1,), (0,))
"""The axes along which a kernel may slide: the last ones or the first, two or one."""


def half_a_turn(bench: Bench, instances: Instances) -> Iterator[Edit]:
    """A parameter of which some axes are reversed, where it stands as it is, or as it is, where some are reversed."""
    equations = bench.program.equations
    as_it_is: Patch = lambda inputs, evaluate, read, point: [inputs[0]]
    turned_back: Patches = {i: as_it_is for run in instances for i in run if equations[i].name == "rev"}
    if turned_back:
        yield Edit("half_a_turn", 1.0, lambda c: turned_back, False, {"is_turned": True})
    kernels = [kernel for run in instances for kernel in _kernels(bench, run)]
    for axes in _PLACES:
        patches: Patches = {}
        for index, position, shape in kernels:
            least = 2 if len(axes) == 2 else 3
            if len(shape) >= least and all(shape[axis] > 1 for axis in axes):
                patches[index] = with_input(position, lambda value, axes=axes: np.flip(value, axes))
        if patches:
            yield Edit("half_a_turn", 1.0, lambda c, p=patches: p, False, {"is_turned": False})


def _kernels(bench: Bench, run: tuple[int, ...]) -> Iterator[tuple[int, int, tuple[int, ...]]]:
    """The equations of a run that read a parameter or a part of it, but for the products of matrices: where, and its
    shape.
    """
    params = bench.program.inputs[: len(bench.leaves)]
    for atom, uses in read_from_outside(bench, run).items():
        *_, whole = wholes(bench.program, atom)
        for place, position in uses if whole in params else ():
            if bench.program.equations[run[place]].name != "dot_general":
                yield run[place], position, bench.run.at(atom)[0].shape
