"""Values that no function can use, as hypothesis draws them, and what a function may do with them.

`anything` draws a value for any argument at all, and `in_a_tree` puts one in the place of a leaf, or of a branch, of a
tree. `refusal` calls a function with them: it must raise a TypeError or a ValueError of this package's own that names
the argument, and change nothing; or give a result.
"""

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

import jaxmlp


PACKAGE = Path(jaxmlp.__file__).parent


class RaisesWhenConverted:
    """Raises whatever it is asked to become, with the looks of an array or without."""

    def __init__(self, *looks: Any) -> None:
        if looks:
            self.shape, self.dtype = looks

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("this cannot become an array")

    __float__ = __int__ = __index__ = __len__ = __iter__ = __bool__ = __array__

    def __repr__(self) -> str:
        return "RaisesWhenConverted()"


def deleted(shape: tuple[int, ...] = (4, 2), dtype: Any = "float64") -> jax.Array:
    """An array whose memory is given back, as that of an argument that was donated."""
    array = jax.device_put(np.zeros(shape, dtype))
    array.delete()
    return array


def huge(shape: tuple[int, ...]) -> np.ndarray:
    """A view of one number as an array that no memory can hold."""
    return np.broadcast_to(np.zeros((), "float64"), shape)


_DTYPES = (
    *("bool", "int8", "uint32", "int64", "float16", "bfloat16", "float32", "float64", "complex64", "float8_e4m3fn"),
    *("longdouble", "object", "U3", "S2", "datetime64[s]", "m8[s]", "int4", "V4"),
)
_SHAPES = ((), (0,), (1,), (2,), (4,), (0, 2), (4, 0), (1, 1), (4, 1), (4, 2), (2, 4), (3, 2), (1, 4, 2), (2, 2, 2, 2))

ARRAYS: st.SearchStrategy[Any] = st.builds(
    lambda shape, dtype, on_device: (jax.device_put if on_device and _is_of_jax(dtype) else np.asarray)(
        np.zeros(shape, _dtype(dtype))
    ),
    st.sampled_from(_SHAPES),
    st.sampled_from(_DTYPES),
    st.booleans(),
)
"""Arrays of NumPy and of JAX, of many shapes and dtypes, empty ones among them."""

STRANGE_ARRAYS: st.SearchStrategy[Any] = st.sampled_from(
    (
        lambda: deleted(),
        lambda: deleted((4, 1)),
        lambda: deleted((2, 3)),
        lambda: deleted((), "int32"),
        lambda: huge((2**45, 2)),
        lambda: huge((4, 2**45)),
        lambda: huge((2**45,)),
        lambda: jax.ShapeDtypeStruct((4, 2), "float64"),
        lambda: np.ma.masked_array(np.zeros((4, 2)), mask=True),
        lambda: np.ma.masked_array(np.zeros((4, 1)), mask=True),
        lambda: np.array([[1.0], [1.0, 2.0]], object),
        lambda: jax.random.split(jax.random.key(0), 4),
        lambda: RaisesWhenConverted((4, 2), np.dtype("float64")),
        lambda: RaisesWhenConverted((4, 1), np.dtype("float64")),
        lambda: RaisesWhenConverted(4, "float64"),
        lambda: np.zeros((4, 2), "float64").view(np.recarray),
        lambda: np.float64(np.nan),
        lambda: np.full((4, 2), np.nan),
        lambda: np.full((4, 1), np.inf),
        lambda: memoryview(b"abcd"),
    )
).map(lambda make: make())
"""Arrays that are gone, of no memory, masked, ragged, or that only look like arrays."""

_NOTHING: Any = (None, None)

_THINGS = (
    *(None, True, False, 0, 1, -1, 2**31, 2**63, 10**30, 0.0, 0.5, -1.0, float("nan"), float("inf"), 1e308, 2j),
    *("", "text", "relu", "float64", "tanh", b"bytes", Ellipsis, NotImplemented, object, int, len, object()),
    *((), [], {}, set(), frozenset({1}), (1,), [1, 2], [[1.0], [1.0, 2.0]], [[1.0, 2.0], [3.0, 4.0]], {"w": 1.0}),
    *(range(3), slice(2), lambda: None, lambda *args: None, RaisesWhenConverted(), Path("x"), Exception("no")),
    *(np.dtype("float32"), jnp.float32, jaxmlp.tanh, jaxmlp.bce, jaxmlp.Dense(*_NOTHING), ValueError),
)
THINGS: st.SearchStrategy[Any] = st.sampled_from(_THINGS)
"""What is no array at all."""

anything: st.SearchStrategy[Any] = st.one_of(THINGS, ARRAYS, STRANGE_ARRAYS)


@st.composite
def in_a_tree(draw: st.DrawFn, tree: Any) -> tuple[str, Any]:
    """`tree` with one thing in it replaced, lost, doubled or turned to another kind of container; and what was done."""
    path = draw(st.sampled_from([path for path, _ in jax.tree.leaves_with_path(tree)] or [()]))
    if not path:
        return "replaced", draw(anything)
    depth = draw(st.integers(1, len(path)))
    what = draw(st.sampled_from(("replaced", "replaced", "replaced", "lost", "doubled", "listed")))
    value = draw(anything) if what == "replaced" else None
    return f"{what} at {jax.tree_util.keystr(path[:depth])}", _changed(tree, path[:depth], what, value)


def _changed(tree: Any, path: tuple[Any, ...], what: str, value: Any) -> Any:
    if not path:
        return value if what == "replaced" else list(tree) if what == "listed" and isinstance(tree, tuple) else tree
    entry, rest = path[0], path[1:]
    if isinstance(tree, dict):
        changed = {k: _changed(v, rest, what, value) if k == entry.key else v for k, v in tree.items()}
        return {k: v for k, v in changed.items() if what != "lost" or rest or k != entry.key}
    index = tree._fields.index(entry.name) if hasattr(tree, "_fields") else entry.idx
    children = [_changed(child, rest, what, value) if i == index else child for i, child in enumerate(tree)]
    if not rest and what == "lost":
        children = [None if hasattr(tree, "_fields") and i == index else child for i, child in enumerate(children)]
        children = children if hasattr(tree, "_fields") else [c for i, c in enumerate(children) if i != index]
    if not rest and what == "doubled" and not hasattr(tree, "_fields"):
        children = [*children, children[index]]
    return type(tree)(*children) if hasattr(tree, "_fields") else type(tree)(children)


def refusal(
    function: Callable[..., Any], arguments: dict[str, Any], name: str, *, aliases: tuple[str, ...] = ()
) -> str:
    """What `function(**arguments)` says of the argument `name`; "" if it takes it.

    Raises:
      AssertionError: it raises something else, raises inside JAX or NumPy, does not name the argument, warns, or
        changes an array or JAX's configuration.
    """
    kept = {name: leaf.copy() for name, leaf in _own_arrays(arguments).items()}
    configured = dict(jax.config.values)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            function(**arguments)
            said = ""
        except (TypeError, ValueError) as error:
            said = f"{type(error).__name__}: {error}"
            frame = error.__traceback__
            while frame and frame.tb_next:
                frame = frame.tb_next
            file = Path(frame.tb_frame.f_code.co_filename) if frame else Path()
            assert file.is_relative_to(PACKAGE), f"raised in {file}: {said}"
            named = "|".join(re.escape(each) for each in (name, *aliases))
            assert re.search(rf"`({named})\b", str(error)), f"`{name}` is not named: {said}"
    assert dict(jax.config.values) == configured, "JAX's configuration was changed"
    for name, leaf in _own_arrays(arguments).items():
        np.testing.assert_array_equal(leaf, kept[name], err_msg=f"{name} was changed")
    return said


def _own_arrays(arguments: dict[str, Any]) -> dict[str, np.ndarray]:
    """The arrays that a function could write into."""
    leaves = {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree.leaves_with_path(arguments)}
    return {
        name: leaf
        for name, leaf in leaves.items()
        if type(leaf) is np.ndarray and leaf.flags.writeable and leaf.dtype != object
    }


def _dtype(name: str) -> Any:
    return jnp.dtype(name) if name in ("bfloat16", "float8_e4m3fn", "int4") else np.dtype(name)


def _is_of_jax(name: str) -> bool:
    return name not in ("longdouble", "object", "U3", "S2", "datetime64[s]", "m8[s]", "V4", "int4")
