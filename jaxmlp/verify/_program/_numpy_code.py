"""NumPy code as a program of JAX: the same lines, run on arrays that hand every operation on to `jax.numpy`.

NumPy lets foreign arrays into its functions by two protocols, `__array_ufunc__` (NEP 13) and `__array_function__`
(NEP 18). It does not where it makes an array, as in `np.zeros(shape)` or `np.asarray(x)`: for these the code is run
with another `np`, in copies of its functions, classes and objects, so that those of its author stay as they are.
Written elements and `+=` are followed, through a view as well, which also sees what is written to its array later.
Beside what is traced stand NumPy's own numbers at one point, and a branch is taken as it falls there. What comes out is
therefore compared with what the function itself gives, by whoever looks into it.
"""

import abc
import copy
import functools
import sys
import types
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._numpy_array import ArrayOfBoth, as_float, at_the_point, plain, through
from ._stacks import is_installed, is_users
from ._tree import is_array


def as_jax(function: Callable[..., Any], point: tuple[Any, ...] = ()) -> Callable[..., Any]:
    """`function`, which is NumPy code, such that JAX can trace it; what it asks of a number is answered at `point`, its
    arguments.
    """
    own = _with_our_numpy(function, {})

    @functools.wraps(function)
    def program(*args: Any) -> Any:
        leaves, structure = jax.tree.flatten(args)
        numbers, at = jax.tree.flatten(point)
        numbers = [_copied(n) for n in numbers] if at == structure else [None] * len(leaves)
        each = zip(leaves, numbers, strict=True)
        arrays = [ArrayOfBoth(jnp.asarray(leaf), number=n) if is_array(leaf) else leaf for leaf, n in each]
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            return jax.tree.map(plain, own(*jax.tree.unflatten(structure, arrays)))

    return program


def _copied(number: Any) -> Any:
    """An array that may be written to; a scalar of NumPy stays one, with which an index makes a view."""
    return number if isinstance(number, np.generic) else np.array(number) if is_array(number) else None


class _NumPy:
    """The module `numpy`, but for the functions that make an array of what they are given."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(np, name)
        if name in ("array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray"):
            return _converting(found)
        if name in ("zeros", "ones", "full", "empty", "eye"):
            return through(getattr(jnp, name), found)  # an array that can be written to
        return found


class _JAX:
    """A module of JAX whose functions take our arrays, for code that calls both."""

    def __init__(self, module: types.ModuleType) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._module, name)
        if isinstance(found, types.ModuleType):
            return _JAX(found)
        return through(found) if callable(found) and not isinstance(found, type) else found


_NUMPY = _NumPy()


def _converting(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def convert(content: Any, *args: Any, **options: Any) -> Any:
        if isinstance(content, ArrayOfBoth) and not (args or options) and function.__name__ != "array":
            return content  # `asarray` gives the array itself, to be written to
        if not any(isinstance(leaf, ArrayOfBoth) for leaf in jax.tree.leaves(content)):
            return function(content, *plain(args), **plain(options))
        dtype = plain(options.get("dtype", args[0] if args else None))
        made: dict[str, Any] = {"dtype": dtype, "ndmin": options.get("ndmin", 0)}
        return ArrayOfBoth(jnp.array(plain(content), **made), number=at_the_point(np.array, (content,), made))

    return convert


def _with_our_numpy(value: Any, made: dict[int, Any]) -> Any:
    """A function that finds our `np` where it looks for NumPy, in its own file and in what it calls of its authors':
    functions, and the methods of their classes and of the objects that are there already.
    """
    if value is np:
        return _NUMPY
    if isinstance(value, types.ModuleType) and value.__name__.split(".")[0] == "jax":
        return _JAX(value)
    if isinstance(value, functools.partial):
        return functools.partial(_with_our_numpy(value.func, made), *value.args, **value.keywords)
    if isinstance(value, types.MethodType):
        return types.MethodType(_with_our_numpy(value.__func__, made), value.__self__)
    if isinstance(value, type):
        return _class_with_our_numpy(value, made) if _is_of_the_author(value) else value
    if type(value) in (list, tuple, dict) or (_is_of_the_author(type(value)) and hasattr(value, "__dict__")):
        return _object_with_our_numpy(value, made)
    if not isinstance(value, types.FunctionType):
        name = getattr(value, "__name__", None)
        return getattr(_NUMPY, name) if isinstance(name, str) and vars(np).get(name) is value else value
    if id(value) in made or is_installed(value.__code__.co_filename):
        return made.get(id(value), value)
    names, closure = dict(value.__globals__), value.__closure__ or ()
    cells = tuple(types.CellType() for _ in closure)
    made[id(value)] = own = types.FunctionType(value.__code__, names, value.__name__, value.__defaults__, cells)
    own.__kwdefaults__ = value.__kwdefaults__
    for cell, old in zip(cells, closure, strict=True):
        if old != types.CellType():  # a name that is not assigned yet has an empty cell
            cell.cell_contents = _with_our_numpy(old.cell_contents, made)
    for name in _names(value.__code__):
        if name in names:
            names[name] = _with_our_numpy(names[name], made)
        elif name == "float":
            names[name] = as_float
    return own


def _is_of_the_author(kind: type) -> bool:
    """Whether a class is one that the author of the code wrote, and may be made again: nobody is told of that."""
    file = getattr(sys.modules.get(kind.__module__), "__file__", None) or ""  # a notebook has none
    is_theirs = kind.__module__ not in sys.builtin_module_names and is_users(file)
    is_plain = type(kind) in (type, abc.ABCMeta) and "__slots__" not in vars(kind)
    return is_theirs and is_plain and not any("__init_subclass__" in vars(each) for each in kind.__mro__[:-1])


def _class_with_our_numpy(kind: type, made: dict[int, Any]) -> Any:
    """The same class, of which every method finds our `np`."""
    if id(kind) not in made:
        bases = tuple(_with_our_numpy(base, made) for base in kind.__bases__)
        members = {name: each for name, each in vars(kind).items() if name not in _OF_EACH_CLASS}
        made[id(kind)] = own = type(kind)(kind.__name__, bases, members)
        for name, member in members.items():
            if isinstance(member, staticmethod | classmethod):
                setattr(own, name, type(member)(_with_our_numpy(member.__func__, made)))
            elif isinstance(member, property):
                setattr(own, name, property(*(_with_our_numpy(f, made) for f in (member.fget, member.fset))))
            elif isinstance(member, types.FunctionType):
                setattr(own, name, _with_our_numpy(member, made))
    return made[id(kind)]


_OF_EACH_CLASS = frozenset(("__dict__", "__weakref__", "_abc_impl", "__abstractmethods__"))
"""What each class gets when it is made."""


def _object_with_our_numpy(value: Any, made: dict[int, Any]) -> Any:
    """An object of such a class in the place of one of the author's, also in a list, a tuple or a dictionary.

    What the code writes into any of them stays there, and leaves the author's as they are.
    """
    if id(value) in made:
        return made[id(value)]
    if type(value) is tuple:
        return tuple(_with_our_numpy(item, made) for item in value)
    made[id(value)] = own = copy.copy(value)
    is_an_object = type(value) not in (list, dict)
    content = vars(own) if is_an_object else own
    for place in list(range(len(content)) if isinstance(content, list) else content):
        content[place] = _with_our_numpy(content[place], made)
    if is_an_object:
        own.__class__ = _with_our_numpy(type(value), made)
    return own


def _names(code: types.CodeType) -> set[str]:
    """The names that a function looks up, and the functions written in it."""
    inner = [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return set(code.co_names).union(*map(_names, inner))
