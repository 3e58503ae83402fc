"""Each lecture's claims, computed once a session."""

from functools import cache

import pytest

from jaxmlp.lectures import Claim, run


@pytest.fixture(scope="session")
def claims_of():
    """`claims_of(lecture)`: its claims in float32, as a tuple."""

    @cache
    def compute(lecture: str) -> tuple[Claim, ...]:
        return tuple(run([lecture]))

    return compute
