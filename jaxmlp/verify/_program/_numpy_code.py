"""NumPy code as a program of JAX: the same lines, run on arrays that hand every operation on to `jax.numpy`.

NumPy lets foreign arrays into its functions by two protocols, `__array_ufunc__` (NEP 13) and `__array_function__`
(NEP 18). It does not where it makes an array, as in `np.zeros(shape)` or `np.asarray(x)`: for these the code is run
with another `np`. Written elements and `+=` are followed, but not through a view, nor is a branch on a number. What
comes out is therefore compared with what the function itself gives, by whoever looks into it.
"""

import builtins
import functools
import types
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._stacks import is_installed
from ._tree import is_array


def as_jax(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, which is NumPy code, such that JAX can trace it."""
    own = _with_our_numpy(function, {})

    @functools.wraps(function)
    def program(*args: Any) -> Any:
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            result = own(*jax.tree.map(lambda leaf: _Array(jnp.asarray(leaf)) if is_array(leaf) else leaf, args))
            return jax.tree.map(_plain, result)

    return program


class _Array(np.lib.mixins.NDArrayOperatorsMixin):
    """An array of JAX where NumPy expects its own: it can be written to, and what is written replaces its `value`.

    Attributes:
      value: the array.
      mask: where `x[mask]` is meant with a mask that JAX does not know yet; `value` is then that of all of `x`.
    """

    def __init__(self, value: jax.Array, mask: jax.Array | None = None) -> None:
        self.value, self.mask = value, mask

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        function: Any = getattr(jnp, ufunc.__name__, None) or getattr(jax.scipy.special, ufunc.__name__, None)
        into = options.pop("out", (None,))
        if function is None or len(into) != 1:
            return NotImplemented
        if method == "at":  # np.add.at(x, rows, values)
            inputs[0].value = function.at(*map(_plain, inputs), inplace=False)
            return None
        called = function if method == "__call__" else getattr(function, method)
        result = called(*map(_plain, inputs), **_plain(options))
        if isinstance(into[0], _Array):
            return into[0].written(result)
        mask = next((i.mask for i in inputs if isinstance(i, _Array) and i.mask is not None), None)
        return _Array(result, mask)

    def __array_function__(self, function: Any, kinds: Any, args: Any, options: Any) -> Any:
        room = jnp.linalg if function.__module__ == "numpy.linalg" else jnp
        like = getattr(room, function.__name__, None)
        return NotImplemented if like is None else _wrapped(like(*_plain(args), **_plain(options)))

    def __repr__(self) -> str:
        return repr(self.value)

    def __array__(self, *args: Any, **options: Any) -> Any:
        raise TypeError("an array that JAX traces has no numbers for NumPy")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = getattr(self.value, name)
        return _through(found) if callable(found) else _wrapped(found)

    def __getitem__(self, index: Any) -> "_Array":
        if _is_mask(index):
            return _Array(self.value, _plain(index))
        return _Array(self.value[_plain(index)])

    def __setitem__(self, index: Any, item: Any) -> None:
        if _is_mask(index):
            mask = _plain(index)
            mask = mask.reshape(mask.shape + (1,) * (self.value.ndim - mask.ndim))
            self.value = jnp.where(mask, _plain(item), self.value).astype(self.value.dtype)
        else:
            self.value = self.value.at[_plain(index)].set(_plain(item))

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Any:
        return (self[row] for row in range(len(self)))

    def __bool__(self) -> bool:
        return bool(self.value)

    def __float__(self) -> float:
        return float(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __index__(self) -> int:
        return self.value.__index__()

    def written(self, result: Any) -> "_Array":
        """Itself, with another content of the same shape and dtype."""
        if result.shape != self.value.shape:
            raise ValueError(f"an array of shape {self.value.shape} cannot hold one of shape {result.shape}")
        self.value = result.astype(self.value.dtype)
        return self

    def item(self, *index: int) -> "_Array":
        """Its only number, or the one at an index: as an array, for JAX does not know it yet."""
        return _Array(self.value[index] if index else self.value.reshape(()))


class _NumPy:
    """The module `numpy`, but for the functions that make an array of what they are given."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(np, name)
        if name in ("array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray"):
            return _converting(found)
        if name in ("zeros", "ones", "full", "empty", "eye"):
            return _through(getattr(jnp, name))  # an array that can be written to
        return found


class _JAX:
    """A module of JAX whose functions take our arrays, for code that calls both."""

    def __init__(self, module: types.ModuleType) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._module, name)
        if isinstance(found, types.ModuleType):
            return _JAX(found)
        return _through(found) if callable(found) and not isinstance(found, type) else found


_NUMPY = _NumPy()


def _converting(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def convert(content: Any, *args: Any, **options: Any) -> Any:
        if isinstance(content, _Array) and not (args or options) and function.__name__ != "array":
            return content  # `asarray` gives the array itself, to be written to
        if not any(isinstance(leaf, _Array) for leaf in jax.tree.leaves(content)):
            return function(content, *_plain(args), **_plain(options))
        dtype = _plain(options.get("dtype", args[0] if args else None))
        return _Array(jnp.array(_plain(content), dtype))

    return convert


def _float(number: Any = 0.0) -> Any:
    """`float`, which JAX cannot give of what it traces."""
    return number.item() if isinstance(number, _Array) else builtins.float(number)


def _plain(tree: Any) -> Any:
    """What JAX takes in the place of our arrays, wherever they stand."""
    if isinstance(tree, _Array):
        return tree.value
    if tree is _float:
        return float
    if isinstance(tree, slice):
        return slice(*map(_plain, (tree.start, tree.stop, tree.step)))
    if isinstance(tree, tuple | list):
        return type(tree)(map(_plain, tree))
    return {key: _plain(item) for key, item in tree.items()} if isinstance(tree, dict) else tree


def _wrapped(result: Any) -> Any:
    if isinstance(result, jax.Array):
        return _Array(result)
    return type(result)(map(_wrapped, result)) if type(result) in (tuple, list) else result


def _through(method: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **options: _wrapped(method(*_plain(args), **_plain(options)))


def _is_mask(index: Any) -> bool:
    return isinstance(index, _Array) and index.value.dtype == bool


def _with_our_numpy(value: Any, made: dict[int, Any]) -> Any:
    """A function that finds our `np` where it looks for NumPy, in its own file and in what it calls of its authors'."""
    if value is np:
        return _NUMPY
    if isinstance(value, types.ModuleType) and value.__name__.split(".")[0] == "jax":
        return _JAX(value)
    if isinstance(value, functools.partial):
        return functools.partial(_with_our_numpy(value.func, made), *value.args, **value.keywords)
    if isinstance(value, types.MethodType):
        return types.MethodType(_with_our_numpy(value.__func__, made), value.__self__)
    if not isinstance(value, types.FunctionType):
        name = getattr(value, "__name__", None)
        return getattr(_NUMPY, name) if isinstance(name, str) and getattr(np, name, None) is value else value
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
            names[name] = _float
    return own


def _names(code: types.CodeType) -> set[str]:
    """The names that a function looks up, and the functions written in it."""
    inner = [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return set(code.co_names).union(*map(_names, inner))
