"""A diagnosis that fails falls back on what the leaves alone show: users keep a report, but a test must see it."""

import pytest

from jaxmlp.verify import _findings
from jaxmlp.verify._mistake import _diagnose


@pytest.fixture(autouse=True)
def failures(monkeypatch):
    """The exceptions that the diagnosis has raised; there must be none at the end, unless the test takes them out."""
    raised = []

    def kept(function):
        def called(*args):
            try:
                return function(*args)
            except _diagnose.Unknowable:
                raise
            except Exception as error:
                raised.append(error)
                raise

        return called

    monkeypatch.setattr(_diagnose, "_diagnosed", kept(_diagnose._diagnosed))
    monkeypatch.setattr(_findings, "recognized", kept(_findings.recognized))
    yield raised
    for error in raised:
        raise AssertionError(f"the diagnosis failed: {error!r}") from error
