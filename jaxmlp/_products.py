"""A small product of matrices as multiplications and a sum, which XLA fuses with what stands before and after."""

from typing import Any

from ._program import bind


_MOST = 2048
"""Multiplications, up to which the sum takes less time than the call of a matrix product, about half a microsecond."""


def fused_product(equation: Any, *inputs: Any) -> list[Any]:
    """The equation's outputs; a small product of two matrices is written as `Σ_k lhs_ik rhs_kj`.

    The axes stand in an order that keeps those of the operands, so that nothing is transposed.
    """
    if not is_small_product(equation):
        return bind(equation, *inputs)
    (lhs, rhs), (((k_of_lhs,), (k_of_rhs,)), _) = inputs, equation.params["dimension_numbers"]
    if k_of_lhs == 0:
        rhs = rhs if k_of_rhs == 0 else rhs.T
        return [(lhs[:, :, None] * rhs[:, None, :]).sum(axis=0)]  # k i j
    if k_of_rhs == 0:
        return [(lhs[:, :, None] * rhs[None, :, :]).sum(axis=1)]  # i k j
    return [(lhs[:, None, :] * rhs[None, :, :]).sum(axis=2)]  # i j k


def is_small_product(equation: Any) -> bool:
    """Whether an equation is a product of two small matrices; half precision is left to XLA, which adds in float32."""
    if equation.primitive.name != "dot_general":
        return False
    (lhs, rhs), (out,) = (atom.aval for atom in equation.invars), (atom.aval for atom in equation.outvars)
    (contracted, _), (batch, _) = equation.params["dimension_numbers"]
    is_of_matrices = lhs.ndim == rhs.ndim == 2 and len(contracted) == 1 and not batch
    in_one_dtype = lhs.dtype == rhs.dtype == out.dtype and out.dtype.itemsize >= 4
    return is_of_matrices and in_one_dtype and out.size * lhs.shape[contracted[0]] <= _MOST
