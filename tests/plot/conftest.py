"""Every test here draws in memory, and leaves matplotlib as it was."""

import matplotlib
import pytest
from matplotlib import pyplot


@pytest.fixture(autouse=True)
def nothing_global(capsys, monkeypatch):
    """No setting is changed, nothing is shown, nothing is printed."""
    matplotlib.use("Agg")
    monkeypatch.setattr(pyplot, "show", lambda *args, **kwargs: pytest.fail("a picture was shown"))
    before = matplotlib.rcParams.copy()
    yield
    pyplot.close("all")
    assert dict(matplotlib.rcParams) == dict(before)
    printed = capsys.readouterr()
    assert printed.out == printed.err == ""
