import numpy as np
import pytest

from jaxmlp.lectures import _matrix_forms
from jaxmlp.lectures._matrix_forms import _fitting


def test_a_transposed_backward_pass_is_caught(monkeypatch):
    right = _matrix_forms._backward

    def transposed(layer, x, dz):
        dw, db, dx = right(layer, x, dz)
        return dw[::-1], db, dx

    monkeypatch.setattr(_matrix_forms, "_backward", transposed)
    wrong = [claim.name for claim in _matrix_forms.claims() if not claim.ok]
    assert wrong == ["on paper: dW = Xᵀ dZ", "dW = Xᵀ dZ and its sums, index by index, differ by"]


@pytest.mark.parametrize("shape", [(4, 4), (7, 5)])
def test_products_that_fit_are_found_by_shape_alone(shape):
    a, b = np.zeros((3, 7)), np.zeros((3, 5))
    assert _fitting("A", a, "B", b, shape) == (("Aᵀ B",) if shape == (7, 5) else ())
