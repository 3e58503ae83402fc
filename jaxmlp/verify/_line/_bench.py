"""The program of a gradient on a bench: run again with something in it replaced, and see which leaves become right."""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from .._program._adjoint import adjoints
from .._program._operations import applied as computed
from .._program._trace import Atom, Equation, Literal, Program
from .._verdict._accuracy import norm
from ._quantities import Run


RIGHT = 1e-6
"""The relative error below which a leaf has become right: ten times what a right formula may have."""

_VANISHED = 1e-9
"""A leaf smaller than this part of the whole gradient is measured against the whole."""

Evaluate: TypeAlias = Callable[[list[np.ndarray]], list[np.ndarray]]
Read: TypeAlias = Callable[[Atom], np.ndarray]
Patch: TypeAlias = Callable[[list[np.ndarray], Evaluate, Read, int], list[np.ndarray]]
"""What takes the place of an equation: from its inputs, the equation itself, the values around it and the point."""

Patches: TypeAlias = Mapping[int, Patch]
"""By the index of the equation."""


class Bench:
    """A gradient's program at a few points, beside the true gradient."""

    def __init__(
        self, program: Program, points: Sequence[Sequence[Any]], paths: Sequence[str], truth: Sequence[dict[str, Any]]
    ) -> None:
        self.program = _with_returns(program)
        self.run = Run(self.program, points)
        returned = zip(paths, (int(out) for out in self.program.outputs if isinstance(out, int)), strict=True)
        self.leaves = {path: out for path, out in returned if path in truth[0]}  # others are those of no parameter
        self.truth = truth
        self.count = len(points)
        self.evaluations = 0
        self._applied: dict[int, Patch] = {}
        self._orders: dict[tuple[str, frozenset[int]], tuple[int, ...]] = {}
        self._adjoints: dict[tuple[str, frozenset[int]], tuple[dict[int, list[np.ndarray]], list[float]]] = {}
        whole = [norm(np.array([norm(leaf) for leaf in leaves.values()])) for leaves in truth]
        self._sizes = [
            {path: max(norm(leaf), _VANISHED * size) for path, leaf in leaves.items()}
            for leaves, size in zip(truth, whole, strict=True)
        ]

    @cached_property
    def order(self) -> dict[str, tuple[int, ...]]:
        """The equations that a leaf comes from."""
        return {path: _ancestors(self.program, variable) for path, variable in self.leaves.items()}

    @cached_property
    def _reached(self) -> dict[str, frozenset[int]]:
        return {path: frozenset(order) for path, order in self.order.items()}

    def reached(self, equations: Sequence[int]) -> list[str]:
        """The leaves that depend on any of `equations`, the one that is finished first in front."""
        found = [path for path, order in self._reached.items() if not order.isdisjoint(equations)]
        return sorted(found, key=lambda path: self.order[path][-2:-1])

    def depends(self, path: str, variable: int) -> bool:
        """Whether a leaf depends on a variable."""
        return any(user in self._reached[path] for user in self.program.users.get(variable, ()))

    def value(self, path: str, patches: Patches, point: int) -> np.ndarray | None:
        """A leaf with `patches` in place; None if they do not fit."""
        try:
            order = self._order(path, patches)
            return self._patched(order, patches, point).get(self.leaves[path], self._base(path, point))
        except Exception:  # shapes that do not fit fail differently in every operation
            return None

    def _order(self, path: str, patches: Patches) -> tuple[int, ...]:
        """The equations that a leaf comes from with `patches` in place."""
        read = frozenset(v for patch in patches.values() if (v := getattr(patch, "reads", None)) is not None)
        if not read:
            return self.order[path]
        if (path, read) not in self._orders:
            more = (_ancestors(self.program, variable) for variable in read)
            self._orders[path, read] = tuple(sorted(set(self.order[path]).union(*more)))
        return self._orders[path, read]

    def values(self, equations: Sequence[int], patches: Patches, point: int) -> dict[int, np.ndarray] | None:
        """What `equations` alone compute with `patches` in place; None if they do not fit."""
        try:
            return self._patched(equations, patches, point)
        except Exception:
            return None

    def error(self, path: str, value: np.ndarray | None, point: int) -> float:
        """The relative error of a leaf; inf if it has another shape or is not finite."""
        truth = self.truth[point][path]
        if value is None or value.shape != truth.shape or not np.isfinite(value).all():
            return float("inf")
        size = self._sizes[point][path]
        return norm(value - truth) / size if size else float(norm(value) > 0)

    def is_right(self, path: str, patches: Patches) -> bool:
        """Whether a leaf is right at every point with `patches` in place."""
        return all(self.error(path, self.value(path, patches, k), k) <= RIGHT for k in range(self.count))

    def adjoints(self, path: str, cut: frozenset[int] = frozenset()) -> dict[int, list[np.ndarray]]:
        """The adjoints of the values that a leaf depends on linearly, for two random projections of the leaf at its
        `points`; the results of the equations in `cut` are held.
        """
        if (path, cut) not in self._adjoints:
            random = np.random.default_rng(0)
            each, needed = [], []
            for k in sorted(set(self.points(path))):
                leaf, truth, values = self._base(path, k), self.truth[k][path], self.run.values[k]
                projections = [random.normal(size=leaf.shape) for _ in range(self.points(path).count(k))]
                read: Read = lambda atom, values=values: atom.value if isinstance(atom, Literal) else values[atom]
                order, applied = self.order[path], set(self._applied)
                each.append(adjoints(self.program, order, self.leaves[path], read, projections, applied, cut))
                if leaf.shape == truth.shape:
                    needed += [float(np.vdot(projection, truth - leaf)) for projection in projections]
            found = {out: [row for rows in each for row in rows[out]] for out in each[0] if out in each[-1]}
            self._adjoints[path, cut] = found, needed
        return self._adjoints[path, cut][0]

    def points(self, path: str) -> tuple[int, int]:
        """Where a leaf is projected: one number alone has no two projections, but a value at each point."""
        return (0, 1) if self.truth[0][path].size == 1 and self.count > 1 else (0, 0)

    def needed(self, path: str) -> list[float]:
        """By how much the projections of a leaf are short of the truth; empty if it has another shape."""
        self.adjoints(path)
        return self._adjoints[path, frozenset()][1]

    def apply(self, patches: Patches) -> None:
        """Keep `patches` in place from now on."""
        everything = range(len(self.program.equations))
        for point, values in enumerate(self.run.values):
            values.update(self._patched(everything, patches, point))
        self._adjoints = {}
        self._applied = {**self._applied, **{i: _composed(p, self._applied.get(i)) for i, p in patches.items()}}

    def is_corrected(self, index: int) -> bool:
        """Whether a patch of an equation is kept in place."""
        return index in self._applied

    def _base(self, path: str, point: int) -> np.ndarray:
        return self.run.values[point][self.leaves[path]]

    def _patched(self, order: Sequence[int], patches: Patches, point: int) -> dict[int, np.ndarray]:
        base, changed = self.run.values[point], {}

        def read(atom: Atom) -> np.ndarray:
            if isinstance(atom, Literal):
                return atom.value
            return changed[atom] if atom in changed else base[atom]

        with np.errstate(all="ignore"):
            for index in order[bisect_left(order, min(patches, default=len(self.program.equations))) :]:
                equation, patch = self.program.equations[index], patches.get(index)
                if patch is None and not any(atom in changed for atom in equation.inputs):
                    continue
                self.evaluations += 1
                inputs = [read(atom) for atom in equation.inputs]
                evaluate = self._evaluate(index, read, point)
                results = patch(inputs, evaluate, read, point) if patch else evaluate(inputs)
                changed.update(zip(equation.outputs, results, strict=True))
        return changed

    def _evaluate(self, index: int, read: Read, point: int) -> Evaluate:
        equation, applied = self.program.equations[index], self._applied.get(index)

        def plain(inputs: list[np.ndarray]) -> list[np.ndarray]:
            if equation.holds_programs:  # to XLA they would be given as they are
                for atom, value in zip(equation.inputs, inputs, strict=True):
                    own = self.run.at(atom)[point]
                    if (value.shape, value.dtype) != (own.shape, own.dtype):
                        raise TypeError(f"{equation.name} is given {value.shape} and takes {own.shape}")
            return computed(equation, inputs)

        return plain if applied is None else lambda inputs: applied(inputs, plain, read, point)


def _with_returns(program: Program) -> Program:
    """The program with an equation for what it returns in each leaf, so that a return too can be at fault."""
    shapes, equations, outputs = dict(program.shapes), list(program.equations), []
    for atom in program.outputs:
        number = len(shapes)
        shapes[number] = program.shapes[atom] if isinstance(atom, int) else _shape_of(atom)
        equations.append(Equation("copy", {}, (atom,), (number,), (), None))
        outputs.append(number)
    return replace(program, equations=tuple(equations), outputs=tuple(outputs), shapes=shapes)


def _shape_of(literal: Literal) -> Any:
    return literal.value


def _ancestors(program: Program, variable: int) -> tuple[int, ...]:
    found: set[int] = set()
    pending: list[Atom] = [variable]
    while pending:
        atom = pending.pop()
        index = program.makers.get(atom) if isinstance(atom, int) else None
        if index is not None and index not in found:
            found.add(index)
            pending += program.equations[index].inputs
    return tuple(sorted(found))


def _composed(patch: Patch, earlier: Patch | None) -> Patch:
    if earlier is None:
        return patch

    def both(inputs: list[np.ndarray], evaluate: Evaluate, read: Read, point: int) -> list[np.ndarray]:
        return patch(inputs, lambda inputs: earlier(inputs, evaluate, read, point), read, point)

    return both
