"""The operations of a jaxpr that read or write windows of an array: indexing, slices at a computed place, convolution.

Each takes the parameters of its primitive and NumPy arrays, as those in `_operations` do.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jax.lax import GatherScatterMode


def gather(params: dict[str, Any], operand: Any, indices: Any) -> Any:
    """`jax.lax.gather`: a window of the operand for each index."""
    numbers, sizes = params["dimension_numbers"], params["slice_sizes"]
    clip = params["mode"] == GatherScatterMode.CLIP
    if indices.ndim == 1:
        one = _one_window(operand.shape, indices, sizes, numbers.start_index_map, clip=clip)
        shape = [size for axis, size in enumerate(sizes) if axis not in numbers.collapsed_slice_dims]
        if one is None:
            return np.full(shape, _filling(params["fill_value"], operand.dtype), operand.dtype)
        return operand[one].reshape(shape)
    dropped = (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
    where, inside = _windows(
        operand.shape,
        indices,
        sizes,
        dropped,
        numbers.start_index_map,
        dict(zip(numbers.operand_batching_dims, numbers.start_indices_batching_dims, strict=True)),
        clip=clip,
    )
    windows = operand[where]
    if not inside.all():
        windows = np.where(inside, windows, _filling(params["fill_value"], operand.dtype))
    batch = [axis for axis in range(windows.ndim) if axis not in numbers.offset_dims]
    return np.moveaxis(windows, range(windows.ndim), (*batch, *numbers.offset_dims))


def scatter(combine: np.ufunc | None) -> Callable[..., Any]:
    """`jax.lax.scatter` and its kin: a window of the operand for each index, combined with an update."""

    def scattered(params: dict[str, Any], operand: Any, indices: Any, updates: Any) -> Any:
        if combine is None and params["update_jaxpr"] is not None:
            return NotImplemented
        numbers = params["dimension_numbers"]
        dropped = (*numbers.inserted_window_dims, *numbers.operand_batching_dims)
        batch = [axis for axis in range(updates.ndim) if axis not in numbers.update_window_dims]
        windows = np.moveaxis(updates, (*batch, *numbers.update_window_dims), range(updates.ndim))
        if windows.shape[: len(batch)] != indices.shape[:-1]:
            raise ValueError(f"updates of shape {updates.shape} at indices of shape {indices.shape}")
        kept = iter(windows.shape[len(batch) :])
        sizes = [1 if axis in dropped else next(kept) for axis in range(operand.ndim)]
        result, clip = np.array(operand), params["mode"] == GatherScatterMode.CLIP
        if indices.ndim == 1:
            one = _one_window(operand.shape, indices, sizes, numbers.scatter_dims_to_operand_dims, clip=clip)
            if one is not None:
                update = windows.reshape(sizes)
                result[one] = update if combine is None else combine(result[one], update)
            return result
        where, inside = _windows(
            operand.shape,
            indices,
            sizes,
            dropped,
            numbers.scatter_dims_to_operand_dims,
            dict(zip(numbers.operand_batching_dims, numbers.scatter_indices_batching_dims, strict=True)),
            clip=clip,
        )
        which = np.broadcast_to(inside, windows.shape)
        where = tuple(np.broadcast_to(axis, windows.shape)[which] for axis in where)
        if combine is None:
            result[where] = windows[which]
        else:
            combine.at(result, where, windows[which])
        return result

    return scattered


def _one_window(
    shape: tuple[int, ...], index: Any, sizes: Sequence[int], axes: Sequence[int], *, clip: bool
) -> tuple[slice, ...] | None:
    """The only window, of an index that is one row of numbers; None if it does not lie inside of the array."""
    _check_integers(index)
    starts = [0] * len(shape)
    for axis, start in zip(axes, index.tolist(), strict=True):
        starts[axis] = start
    if any(width > size for width, size in zip(sizes, shape, strict=True)):
        raise ValueError(f"a window of shape {tuple(sizes)} in an array of shape {shape}")
    fits = [min(max(start, 0), size - width) for start, size, width in zip(starts, shape, sizes, strict=True)]
    if not clip and fits != starts:
        return None
    return tuple(slice(start, start + width) for start, width in zip(fits, sizes, strict=True))


def _windows(
    shape: tuple[int, ...],
    indices: Any,
    sizes: Sequence[int],
    dropped: Sequence[int],
    axes: Sequence[int],
    batching: dict[int, int],
    *,
    clip: bool,
) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """The elements of a window for each index, and whether the window lies inside of the array.

    Both have the axes of the indices without their last, then those of the window that are not `dropped`.

    Args:
      shape: of the array.
      indices: where the windows start, along the last axis.
      sizes: of a window, in all axes of the array.
      dropped: axes of the array that a window lacks.
      axes: those of the array that the numbers of an index belong to.
      batching: axes of the array that run along with one of the indices.
      clip: whether a window that does not fit is moved to where it does.
    """
    _check_integers(indices)
    batch = indices.shape[:-1]
    offsets = [axis for axis in range(len(shape)) if axis not in dropped]
    tail = (1,) * len(offsets)
    where, inside = [], np.ones((*batch, *tail), bool)
    for axis, (size, width) in enumerate(zip(shape, sizes, strict=True)):
        if width > size:
            raise ValueError(f"a window of shape {tuple(sizes)} in an array of shape {shape}")
        if axis in axes:
            start = np.asarray(indices[..., list(axes).index(axis)], np.int64)
        elif axis in batching:
            along = [-1 if a == batching[axis] else 1 for a in range(len(batch))]
            start = np.arange(size).reshape(along)
        else:
            start = np.zeros((1,) * len(batch), np.int64)
        start = start.reshape((*start.shape, *tail))
        fits = np.clip(start, 0, size - width)
        if not clip:
            inside &= start == fits
        where.append(fits + np.arange(width).reshape([-1 if a == axis else 1 for a in offsets]))
    return tuple(np.broadcast_arrays(*where)), inside


def _check_integers(*indices: Any) -> None:
    for index in indices:
        if index.dtype.kind not in "iu":
            raise TypeError(f"indices of dtype {index.dtype}")


def _filling(value: Any, dtype: Any) -> Any:
    """What stands for a window that lies outside, as `jax.lax.gather` has it."""
    if value is not None:
        return value
    if dtype.kind in "fc":
        return np.nan
    return True if dtype.kind == "b" else np.iinfo(dtype).max if dtype.kind == "u" else np.iinfo(dtype).min


def dynamic_slice(params: dict[str, Any], operand: Any, *starts: Any) -> Any:
    """`jax.lax.dynamic_slice`."""
    return operand[_at(operand.shape, params["slice_sizes"], starts)]


def dynamic_update_slice(params: dict[str, Any], operand: Any, update: Any, *starts: Any) -> Any:
    """`jax.lax.dynamic_update_slice`."""
    del params
    result = np.array(operand)
    result[_at(operand.shape, update.shape, starts)] = update
    return result


def _at(shape: tuple[int, ...], sizes: Sequence[int], starts: Sequence[Any]) -> tuple[slice, ...]:
    _check_integers(*starts)
    firsts = [min(max(int(s), 0), n - m) for s, n, m in zip(starts, shape, sizes, strict=True)]
    return tuple(slice(first, first + size) for first, size in zip(firsts, sizes, strict=True))


def pad(params: dict[str, Any], operand: Any, filling: Any) -> Any:
    """`jax.lax.pad`: padding and dilation; a negative width cuts."""
    for axis, (low, high, between) in enumerate(params["padding_config"]):
        size = operand.shape[axis] + max(operand.shape[axis] - 1, 0) * between
        wide = np.full((*operand.shape[:axis], size, *operand.shape[axis + 1 :]), filling, operand.dtype)
        np.moveaxis(wide, axis, 0)[:: between + 1] = np.moveaxis(operand, axis, 0)
        widths = [(max(low, 0), max(high, 0)) if a == axis else (0, 0) for a in range(operand.ndim)]
        operand = np.pad(wide, np.asarray(widths), constant_values=filling)
        kept = slice(max(-low, 0), operand.shape[axis] - max(-high, 0))
        operand = np.moveaxis(np.moveaxis(operand, axis, 0)[kept], 0, axis)
    return operand


def convolution(params: dict[str, Any], lhs: Any, rhs: Any) -> Any:
    """`jax.lax.conv_general_dilated`, as a matrix product with the windows of `lhs`."""
    numbers, groups, batches = (
        params[name] for name in ("dimension_numbers", "feature_group_count", "batch_group_count")
    )
    edges = zip(params["padding"], params["lhs_dilation"], strict=True)
    still = [(0, 0, 0)] * 2
    image = pad({"padding_config": [*still, *((*e, d - 1) for e, d in edges)]}, lhs.transpose(numbers.lhs_spec), 0)
    holes = [(0, 0, d - 1) for d in params["rhs_dilation"]]
    kernel = pad({"padding_config": [*still, *holes]}, rhs.transpose(numbers.rhs_spec), 0)
    space = tuple(range(2, image.ndim))
    windows = np.lib.stride_tricks.sliding_window_view(image, kernel.shape[2:], space)
    windows = windows[(slice(None), slice(None), *(slice(None, None, step) for step in params["window_strides"]))]
    count = groups * batches  # one of them is 1: groups of the features, or of the examples
    if batches > 1:
        parts = windows.reshape(batches, -1, *windows.shape[1:])
    else:
        parts = np.moveaxis(windows.reshape(windows.shape[0], groups, -1, *windows.shape[2:]), 1, 0)
    kernels = kernel.reshape(count, -1, *kernel.shape[1:])
    inner = (1, *range(parts.ndim - 1 - len(space), parts.ndim - 1))
    summed = [np.tensordot(p, k, (inner, (1, *space))) for p, k in zip(parts, kernels, strict=True)]
    result = np.moveaxis(np.concatenate(summed, axis=-1), -1, 1)
    return result.transpose(np.argsort(numbers.out_spec))
