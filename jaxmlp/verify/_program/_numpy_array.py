"""An array of JAX where NumPy code expects one of its own, and NumPy's numbers beside it at one point."""

import builtins
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer


class ArrayOfBoth(np.lib.mixins.NDArrayOperatorsMixin):
    """An array of JAX where NumPy expects its own: it can be written to, and what is written replaces its `value`.

    Attributes:
      value: the array.
      mask: where `x[mask]` is meant with a mask that JAX does not know yet; `value` is then that of all of `x`.
      number: what NumPy has in its place at the point, or None where that is not known.
      whole: the array that it is a view into, and at which index: what is written to that is seen here.
    """

    def __init__(
        self,
        value: jax.Array,
        mask: jax.Array | None = None,
        number: Any = None,
        whole: tuple["ArrayOfBoth", Any] | None = None,
    ) -> None:
        self.mask, self.whole = mask, whole
        self._value, self._number = value, number
        self._changes = 0
        self._seen = self.changes

    @property
    def value(self) -> jax.Array:
        self._look_again()
        return self._value

    @property
    def number(self) -> Any:
        self._look_again()
        return self._number

    @property
    def changes(self) -> int:
        """How often it was written to, or the array that it is a view into."""
        return self._changes if self.whole is None else self.whole[0].changes

    def _look_again(self) -> None:
        """Reads anew what it is a view into, if that was written to since."""
        if self.whole is not None and self._seen != self.changes:
            array, index = self.whole
            self._value, self._number = array.value[_as_index(index)], at_the_point(_read, (array, index), {})
            self._seen = self.changes

    def _write(self, value: jax.Array, number: Any) -> None:
        """Another content, here and in what it is a view into."""
        self._value, self._number = value, number
        self._changes += 1
        if self.whole is not None:
            array, index = self.whole
            array[index] = ArrayOfBoth(value, number=number)
            self._seen = self.changes

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        function: Any = getattr(jnp, ufunc.__name__, None) or getattr(jax.scipy.special, ufunc.__name__, None)
        into = options.pop("out", (None,))
        if function is None or len(into) != 1:
            return NotImplemented
        if method == "at":  # np.add.at(x, rows, values)
            inputs[0]._write(function.at(*map(plain, inputs), inplace=False), None)
            return None
        called = function if method == "__call__" else getattr(function, method)
        result = called(*map(plain, inputs), **plain(options))
        number = at_the_point(getattr(ufunc, method), inputs, options)
        if isinstance(into[0], ArrayOfBoth):
            return into[0].written(result, number)
        mask = next((i.mask for i in inputs if isinstance(i, ArrayOfBoth) and i.mask is not None), None)
        return ArrayOfBoth(result, mask, number if mask is None else None)

    def __array_function__(self, function: Any, kinds: Any, args: Any, options: Any) -> Any:
        room = jnp.linalg if function.__module__ == "numpy.linalg" else jnp
        like = getattr(room, function.__name__, None)
        if like is None:
            return NotImplemented
        number = at_the_point(function, args, options)
        try:
            return _wrapped(like(*plain(args), **plain(options)), number)
        except jax.errors.ConcretizationTypeError:
            if _is_of_places(number):
                return number  # `np.where(x > 0)`: as many places as there are at the point
            raise

    def __repr__(self) -> str:
        return repr(self.value)

    def __array__(self, *args: Any, **options: Any) -> Any:
        raise TypeError("an array that JAX traces has no numbers for NumPy")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found, own = getattr(self.value, name), getattr(self.number, name, None)
        return through(found, own) if callable(found) else _wrapped(found, own)

    def __getitem__(self, index: Any) -> "ArrayOfBoth":
        if _is_mask(index):
            return ArrayOfBoth(self.value, plain(index))
        number = at_the_point(_read, (self, index), {})
        return ArrayOfBoth(
            self.value[_as_index(index)], number=number, whole=(self, index) if _is_basic(index) else None
        )

    def __setitem__(self, index: Any, item: Any) -> None:
        of = item.whole if isinstance(item, ArrayOfBoth) else None
        if of is not None and of[0] is self and of[1] is index:
            return  # `x[i] += y` has written to the view already
        number = at_the_point(_written, (self, index, item), {})
        if _is_mask(index):
            mask = plain(index)
            mask = mask.reshape(mask.shape + (1,) * (self.value.ndim - mask.ndim))
            self._write(jnp.where(mask, plain(item), self.value).astype(self.value.dtype), number)
        else:
            self._write(self.value.at[_as_index(index)].set(plain(item)), number)

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Any:
        return (self[row] for row in range(len(self)))

    def __bool__(self) -> bool:
        return bool(self._asked())

    def __float__(self) -> float:
        return float(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __index__(self) -> int:
        return self.value.__index__()

    def _asked(self) -> Any:
        """What is known of it for a branch: its own value, or that at the point."""
        return self.value if self.number is None or not isinstance(self.value, Tracer) else self.number

    def written(self, result: Any, number: Any = None) -> "ArrayOfBoth":
        """Itself, with another content of the same shape and dtype."""
        if result.shape != self.value.shape:
            raise ValueError(f"an array of shape {self.value.shape} cannot hold one of shape {result.shape}")
        self._write(result.astype(self.value.dtype), number)
        return self

    def item(self, *index: int) -> "ArrayOfBoth":
        """Its only number, or the one at an index: as an array, for JAX does not know it yet."""
        number = None if self.number is None else np.array(self.number.item(*index))
        return ArrayOfBoth(self.value[index] if index else self.value.reshape(()), number=number)


def as_float(number: Any = 0.0) -> Any:
    """`float`, which JAX cannot give of what it traces."""
    return number.item() if isinstance(number, ArrayOfBoth) else builtins.float(number)


def plain(tree: Any) -> Any:
    """What JAX takes in the place of our arrays, wherever they stand."""
    return _in_place(tree, lambda array: array.value)


def _in_place(tree: Any, of: Callable[[ArrayOfBoth], Any]) -> Any:
    """What stands for our arrays, wherever they do."""
    if isinstance(tree, ArrayOfBoth):
        return of(tree)
    if tree is as_float:
        return float
    if isinstance(tree, slice):
        return slice(*(_in_place(part, of) for part in (tree.start, tree.stop, tree.step)))
    if isinstance(tree, tuple | list):
        return type(tree)(_in_place(item, of) for item in tree)
    return {key: _in_place(item, of) for key, item in tree.items()} if isinstance(tree, dict) else tree


def _wrapped(result: Any, number: Any = None) -> Any:
    """Our arrays in the place of those of JAX, with what NumPy has in their place."""
    if isinstance(result, jax.Array):
        known = isinstance(number, np.ndarray | np.generic) and np.shape(number) == result.shape
        return ArrayOfBoth(result, number=np.array(number) if known else None)
    if type(result) not in (tuple, list):
        return result
    numbers = number if isinstance(number, tuple | list) and len(number) == len(result) else [None] * len(result)
    return type(result)(map(_wrapped, result, numbers))


def through(method: Callable[..., Any], own: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """A function of JAX on our arrays, and NumPy's `own` on the numbers beside."""

    def called(*args: Any, **options: Any) -> Any:
        result = method(*plain(args), **plain(options))
        return _wrapped(result, None if own is None else at_the_point(own, args, options))

    return called


class _Unknown(Exception):
    """What has no number at the point."""


def at_the_point(function: Callable[..., Any], args: Any, options: Any) -> Any:
    """What NumPy gives of the numbers beside our arrays; None if one of these is not known, or it gives nothing."""
    try:
        with np.errstate(all="ignore"):
            return function(*_in_place(tuple(args), _number), **_in_place(dict(options), _number))
    except Exception:  # any operation may fail in its own way: then nothing is known
        return None


def _number(array: ArrayOfBoth) -> Any:
    if array.number is None:
        raise _Unknown
    return array.number


def _read(array: np.ndarray, index: Any) -> np.ndarray:
    return np.array(array[index])


def _written(array: np.ndarray, index: Any, item: Any) -> np.ndarray:
    array = array.copy()
    array[index] = item
    return array


def _as_index(index: Any) -> Any:
    """An index as JAX takes it: a list of rows, which NumPy reads as an array, has to be one."""
    if isinstance(index, tuple):
        return tuple(map(_as_index, index))
    return jnp.asarray(plain(index)) if isinstance(index, list) else plain(index)


def _is_of_places(number: Any) -> bool:
    """Whether NumPy gives places in an array: integers."""
    each = number if isinstance(number, tuple) else (number,)
    return all(isinstance(part, np.ndarray) and part.dtype.kind == "i" for part in each)


def _is_basic(index: Any) -> bool:
    """Whether NumPy gives a view at an index: of integers and slices."""
    each = index if isinstance(index, tuple) else (index,)
    each = tuple(i.number if isinstance(i, ArrayOfBoth) else i for i in each)
    return all(i is Ellipsis or isinstance(i, int | np.integer | slice) for i in each)


def _is_mask(index: Any) -> bool:
    return isinstance(index, ArrayOfBoth) and index.value.dtype == bool
