"""A diagnosis that fails falls back on what the leaves alone show: users keep a report, but a test must see it."""

import pytest

from jaxmlp.verify._mistake import _diagnose


@pytest.fixture(autouse=True)
def failures(monkeypatch):
    """The exceptions that the diagnosis has raised; there must be none at the end, unless the test takes them out."""
    raised, diagnosed = [], _diagnose._diagnosed

    def kept(*args):
        try:
            return diagnosed(*args)
        except _diagnose.Unknowable:
            raise
        except Exception as error:
            raised.append(error)
            raise

    monkeypatch.setattr(_diagnose, "_diagnosed", kept)
    yield raised
    for error in raised:
        raise AssertionError(f"the diagnosis failed: {error!r}") from error
