"""A diagnosis that raises is no diagnosis: `check` would only say what the leaves show, and no test would notice."""

import pytest

from jaxmlp.verify import _findings
from jaxmlp.verify._mistake._diagnose import diagnosed, Unknowable


@pytest.fixture(autouse=True)
def nothing_raised_in_a_diagnosis(monkeypatch):
    raised = []

    def noted(*args):
        try:
            return diagnosed(*args)
        except Unknowable:
            raise
        except Exception as error:
            raised.append(error)
            raise

    monkeypatch.setattr(_findings, "diagnosed", noted)
    yield
    assert not raised
