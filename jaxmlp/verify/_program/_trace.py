"""A function, equation by equation: its jaxpr with every call inlined, and where in the source each equation stands."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from ._call import jaxpr_of, joined, Same, split
from ._rules import at_their_own_lines
from ._stacks import Stack, stack_of


# Primitives that only call another program, and the parameter that holds it.
_CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "checkpoint": "jaxpr",
    "remat2": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "custom_vjp_call_jaxpr": "call_jaxpr",
}

# A scan is unrolled into at most this many equations; a longer one stays a single equation.
_UNROLLED = 4096


@dataclass(frozen=True, eq=False)
class Literal:
    """A number written into an equation."""

    value: np.ndarray


Atom: TypeAlias = int | Literal
"""What an equation reads: the number of a variable, or a literal."""


@dataclass(frozen=True, eq=False)
class Equation:
    """One operation.

    Attributes:
      name: the name of its primitive; what an unrolled scan slices and stacks is "index" and "stack".
      params: the parameters of its primitive.
      inputs: what it reads.
      outputs: the variables that it defines.
      stacks: where it stands: the stack of the call that it was inlined from, if any, then its own.
      primitive: None for the "index" and "stack" of an unrolled scan.
    """

    name: str
    params: dict[str, Any]
    inputs: tuple[Atom, ...]
    outputs: tuple[int, ...]
    stacks: tuple[Stack, ...]
    primitive: Any

    @cached_property
    def holds_programs(self) -> bool:
        """Whether it runs programs of its own, such as a solver's, which fit no other shapes than theirs."""
        leaves = jax.tree.leaves(self.params, is_leaf=lambda leaf: hasattr(leaf, "eqns"))
        return any(hasattr(leaf, "eqns") or hasattr(leaf, "jaxpr") for leaf in leaves)

    def bind(self, *inputs: Any) -> list[Any]:
        """The results on JAX arrays or tracers."""
        if self.primitive is None:
            return [inputs[0][self.params["index"]] if self.name == "index" else jnp.stack(inputs)]
        result = self.primitive.bind(*inputs, **self.primitive.get_bind_params(self.params))
        return list(result) if self.primitive.multiple_results else [result]


After: TypeAlias = Callable[[Any, Equation, Sequence[Any]], Any]
"""What becomes of a result of an equation with some inputs."""


def as_it_is(result: Any, equation: Equation, inputs: Sequence[Any]) -> Any:
    """The result itself."""
    del equation, inputs
    return result


@dataclass(frozen=True, eq=False)
class Program:
    """A function as a flat list of equations over numbered variables.

    Attributes:
      inputs: the variables of its array arguments, in the order of their leaves.
      constants: arrays that it closes over.
      equations: in the order of execution.
      outputs: what it returns, in the order of the leaves of `structure`.
      structure: the tree of its result.
      shapes: shape and dtype of every variable, by its number.
    """

    inputs: tuple[int, ...]
    constants: dict[int, Any]
    equations: tuple[Equation, ...]
    outputs: tuple[Atom, ...]
    structure: Any
    shapes: dict[int, jax.ShapeDtypeStruct]

    def run(
        self,
        arrays: Sequence[Any],
        after: After = as_it_is,
    ) -> list[Any]:
        """The outputs on JAX arrays or tracers, every result passed through `after`.

        Differentiable: where the program was a `custom_jvp` or `custom_vjp` function, by its primal alone.
        """
        known = dict(zip(self.inputs, arrays, strict=True)) | self.constants

        def read(atom: Atom) -> Any:
            return atom.value if isinstance(atom, Literal) else known[atom]

        for equation in self.equations:
            inputs = list(map(read, equation.inputs))
            results = [after(result, equation, inputs) for result in equation.bind(*inputs)]
            known.update(zip(equation.outputs, results, strict=True))
        return [read(atom) for atom in self.outputs]

    @cached_property
    def makers(self) -> dict[int, int]:
        """The index of the equation that defines a variable."""
        return {out: index for index, equation in enumerate(self.equations) for out in equation.outputs}

    def made_by(self, variable: int) -> tuple[int, int]:
        """The index of the equation that defines a variable, and which of what that gives it is."""
        index = self.makers[variable]
        return index, self.equations[index].outputs.index(variable)

    @cached_property
    def users(self) -> dict[int, tuple[int, ...]]:
        """The indices of the equations that read a variable."""
        users: dict[int, list[int]] = {}
        for index, equation in enumerate(self.equations):
            for atom in dict.fromkeys(equation.inputs):
                if isinstance(atom, int):
                    users.setdefault(atom, []).append(index)
        return {variable: tuple(indices) for variable, indices in users.items()}


def traced(function: Callable[..., Any], *args: Any, unroll: bool = True) -> Program:
    """The program of `function(*args)`; only arrays are traced, so a number may be a size and a string a choice.

    Loops (`scan`) are unrolled where they are short and `unroll` is true; `while` and `cond` stay single equations.
    """
    arrays, kept = split(args)
    with at_their_own_lines():
        closed, shapes = jax.make_jaxpr(lambda arrays: function(*joined(arrays, kept)), return_shape=True)(arrays)
    return _flattened(closed, jax.tree.structure(shapes), unroll)


def program_of(function: Callable[..., Any], *args: Any, unroll: bool = True) -> Program:
    """`traced(function, *args)`, of a function that is looked at again and again: traced and flattened only once."""
    closed, structure = jaxpr_of(function, *args)
    return _kept(Same(closed), structure, unroll)


@lru_cache(maxsize=64)
def _kept(closed: Same, structure: Any, unroll: bool) -> Program:
    return _flattened(closed.value, structure, unroll)


def _flattened(closed: Any, structure: Any, unroll: bool) -> Program:
    flat = _Flat(unroll)
    inputs = tuple(flat.new(variable.aval) for variable in _body(closed).invars)
    outputs = flat.inlined(closed, inputs, ())
    return Program(inputs, flat.constants, tuple(flat.equations), tuple(outputs), structure, flat.shapes)


class _Flat:
    """A program while it is being flattened."""

    def __init__(self, unroll: bool) -> None:
        self.limit = _UNROLLED if unroll else -1
        self.equations: list[Equation] = []
        self.constants: dict[int, Any] = {}
        self.shapes: dict[int, jax.ShapeDtypeStruct] = {}

    def new(self, aval: Any) -> int:
        number = len(self.shapes)
        self.shapes[number] = jax.ShapeDtypeStruct(getattr(aval, "shape", ()), getattr(aval, "dtype", np.dtype(bool)))
        return number

    def inlined(self, program: Any, inputs: Sequence[Atom], outer: tuple[Stack, ...], loop: bool = False) -> list[Atom]:
        jaxpr, consts = _body(program), getattr(program, "consts", ())
        atoms: dict[Any, Atom] = dict(zip(jaxpr.invars, inputs, strict=True))
        for variable, const in zip(jaxpr.constvars, consts, strict=True):
            atoms[variable] = number = self.new(variable.aval)
            self.constants[number] = const

        def read(atom: Any) -> Atom:
            return Literal(np.asarray(atom.val, atom.aval.dtype)) if hasattr(atom, "val") else atoms[atom]

        for eqn in jaxpr.eqns:
            name, params, args = eqn.primitive.name, eqn.params, [read(atom) for atom in eqn.invars]
            stack = stack_of(eqn)
            # What a loop repeats is traced for it alone; what is called may have been traced for an earlier call.
            stacks = (stack, *outer) if loop else (*outer, stack)
            results: Sequence[Atom]
            if name in _CALLS:
                results = self.inlined(params[_CALLS[name]], args, stacks)
            elif name == "scan" and params["length"] * len(_body(params["jaxpr"]).eqns) <= self.limit:
                results = self.unrolled(eqn, args, stacks)
            elif name == "unstack":  # JAX 0.11 takes an array apart in one equation, JAX 0.10 in two for each part
                results = [self.part(eqn, i, args, stacks) for i in range(len(eqn.outvars))]
            elif name == "one_minus_square":  # the slope of tanh in JAX 0.11
                results = [self.one_minus_square(eqn, args[0], stacks)]
            else:
                outputs = results = tuple(self.new(variable.aval) for variable in eqn.outvars)
                self.equations.append(Equation(name, params, tuple(args), outputs, stacks, eqn.primitive))
            atoms.update(zip(eqn.outvars, results, strict=True))
        return [read(atom) for atom in jaxpr.outvars]

    def unrolled(self, scan: Any, args: Sequence[Atom], stacks: tuple[Stack, ...]) -> list[Atom]:
        body, length = scan.params["jaxpr"], scan.params["length"]
        # What is sliced or stacked has one axis more outside than inside; constants come first, then the carry.
        inside, outside = _body(body).invars, scan.invars
        sliced = sum(a.aval.ndim > b.aval.ndim for a, b in zip(outside, inside, strict=True))
        carry = sum(a.aval.ndim == b.aval.ndim for a, b in zip(scan.outvars, _body(body).outvars, strict=True))
        consts = len(args) - carry - sliced
        fixed, state, sequences = args[:consts], list(args[consts : consts + carry]), args[consts + carry :]
        stacked: dict[int, list[Atom]] = {}
        for step in reversed(range(length)) if scan.params["reverse"] else range(length):
            items = [self.synthetic("index", {"index": step}, [sequence], stacks) for sequence in sequences]
            results = self.inlined(body, [*fixed, *state, *items], stacks, loop=True)
            state = results[:carry]
            stacked[step] = results[carry:]
        columns = zip(*(stacked[step] for step in range(length)), strict=True)
        return state + [self.synthetic("stack", {"axis": 0}, list(column), stacks) for column in columns]

    def part(self, unstack: Any, i: int, args: Sequence[Atom], stacks: tuple[Stack, ...]) -> Atom:
        """The part `i` of an array that is taken apart along an axis: a slice, without that axis."""
        axis, shape, dtype = unstack.params["axis"], unstack.invars[0].aval.shape, unstack.invars[0].aval.dtype
        start, limit = [0] * len(shape), list(shape)
        start[axis], limit[axis] = i, i + 1
        sliced = self.new(jax.ShapeDtypeStruct([*shape[:axis], 1, *shape[axis + 1 :]], dtype))
        squeezed = self.new(unstack.outvars[i].aval)
        bounds = {"start_indices": tuple(start), "limit_indices": tuple(limit), "strides": (1,) * len(shape)}
        self.equations += [
            Equation("slice", bounds, tuple(args), (sliced,), stacks, jax.lax.slice_p),
            Equation("squeeze", {"dimensions": (axis,)}, (sliced,), (squeezed,), stacks, jax.lax.squeeze_p),
        ]
        return squeezed

    def one_minus_square(self, eqn: Any, arg: Atom, stacks: tuple[Stack, ...]) -> Atom:
        """1 - a**2 as (1 - a) (1 + a), which is as exact where a is nearly 1."""
        aval = eqn.outvars[0].aval
        one = Literal(np.ones((), aval.dtype))
        minus, plus, product = self.new(aval), self.new(aval), self.new(aval)
        self.equations += [
            Equation("sub", {}, (one, arg), (minus,), stacks, jax.lax.sub_p),
            Equation("add", {}, (one, arg), (plus,), stacks, jax.lax.add_p),
            Equation("mul", {}, (minus, plus), (product,), stacks, jax.lax.mul_p),
        ]
        return product

    def synthetic(self, name: str, params: dict[str, Any], args: list[Atom], stacks: tuple[Stack, ...]) -> int:
        first = args[0]
        shape = first.value.shape if isinstance(first, Literal) else self.shapes[first].shape
        dtype = first.value.dtype if isinstance(first, Literal) else self.shapes[first].dtype
        shape = shape[1:] if name == "index" else (len(args), *shape)
        output = self.new(jax.ShapeDtypeStruct(shape, dtype))
        self.equations.append(Equation(name, params, tuple(args), (output,), stacks, None))
        return output


def _body(program: Any) -> Any:
    """The jaxpr of a program, closed or not."""
    return getattr(program, "jaxpr", program)
