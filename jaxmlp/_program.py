"""A function as a list of equations: its jaxpr, to be run again with some operations written in another way."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import jax
from jax.extend.core import Literal


Rule: TypeAlias = Callable[..., list[Any]]
"""`rule(equation, *inputs) -> outputs`: how an equation is carried out."""

# Primitives that only call another program, and the parameter that holds it.
_CALLS = {"jit": "jaxpr", "pjit": "jaxpr", "closed_call": "call_jaxpr", "core_call": "call_jaxpr"}


@dataclass(frozen=True, eq=False)
class Program:
    """What a function does, as equations over variables.

    Attributes:
      inputs: the variables of its arguments, in the order of their leaves.
      constants: the arrays that it closes over, by their variables.
      equations: in the order of execution; calls of `jit` are inlined.
      outputs: what it returns, in the order of the leaves of `structure`.
      structure: the tree of its result.
    """

    inputs: tuple[Any, ...]
    constants: dict[Any, Any]
    equations: tuple[Any, ...]
    outputs: tuple[Any, ...]
    structure: Any

    def run(self, *args: Any) -> Any:
        """The result for arguments with the leaves that it was traced with."""
        known = self.constants | dict(zip(self.inputs, jax.tree.leaves(args), strict=True))
        carry_out(self.equations, known)
        return jax.tree.unflatten(self.structure, [value_of(atom, known) for atom in self.outputs])

    def needed_for(self, outputs: Iterable[Any]) -> list[Any]:
        """The equations on which some of the outputs depend, in their order."""
        wanted, needed = set(variables(outputs)), []
        for equation in reversed(self.equations):
            if not wanted.isdisjoint(equation.outvars):
                needed.append(equation)
                wanted.update(variables(equation.invars))
        return needed[::-1]


def traced(function: Callable[..., Any], *args: Any, rule: Rule | None = None) -> Program:
    """The program of `function(*args)`, its equations carried out by `rule` in the place of their own meaning."""
    written, shapes = jax.make_jaxpr(function, return_shape=True)(*args)
    leaves, structure = jax.tree.flatten(args)

    def again(*leaves: Any) -> list[Any]:
        return _call(written, leaves, rule or bind)

    inlined = jax.make_jaxpr(again)(*leaves)
    jaxpr = body_of(inlined)
    constants = dict(zip(jaxpr.constvars, inlined.consts, strict=True))
    outputs = jax.tree.structure(shapes)
    return Program(tuple(jaxpr.invars), constants, tuple(jaxpr.eqns), tuple(jaxpr.outvars), outputs)


def carry_out(equations: Iterable[Any], known: dict[Any, Any], rule: Rule | None = None) -> None:
    """Adds to `known`, values by variables, what the equations define."""
    for equation in equations:
        results = (rule or bind)(equation, *(value_of(atom, known) for atom in equation.invars))
        known.update(zip(equation.outvars, results, strict=True))


def bind(equation: Any, *inputs: Any) -> list[Any]:
    """The equation's own meaning, on arrays or tracers."""
    primitive = equation.primitive
    result = primitive.bind(*inputs, **primitive.get_bind_params(equation.params))
    return list(result) if primitive.multiple_results else [result]


def called(equation: Any) -> Any | None:
    """The program that the equation calls, if it does nothing else."""
    name = _CALLS.get(equation.primitive.name)
    return equation.params[name] if name else None


def body_of(program: Any) -> Any:
    """The jaxpr of a program, closed or not."""
    return getattr(program, "jaxpr", program)


def value_of(atom: Any, known: dict[Any, Any]) -> Any:
    """What an equation reads: a literal's own value, or what is known of a variable."""
    return atom.val if isinstance(atom, Literal) else known[atom]


def variables(atoms: Iterable[Any]) -> list[Any]:
    """The atoms that are no literals."""
    return [atom for atom in atoms if not isinstance(atom, Literal)]


def _call(program: Any, inputs: Sequence[Any], rule: Rule) -> list[Any]:
    def inlining(equation: Any, *inputs: Any) -> list[Any]:
        inner = called(equation)
        return rule(equation, *inputs) if inner is None else _call(inner, inputs, rule)

    jaxpr = body_of(program)
    known = dict(zip(jaxpr.constvars, getattr(program, "consts", ()), strict=True))
    known |= zip(jaxpr.invars, inputs, strict=True)
    carry_out(jaxpr.eqns, known, inlining)
    return [value_of(atom, known) for atom in jaxpr.outvars]
