"""A line in a cell of a notebook is named by the cell."""

import sys
from types import SimpleNamespace

import pytest

from jaxmlp.verify import Finding, GradientReport, Line
from jaxmlp.verify._report._place import place, short_place


CELL = "/tmp/ipykernel_1/2.py"


@pytest.fixture
def notebook(monkeypatch):
    """A running IPython whose third cell is kept at `CELL`."""
    named = lambda file: ("Cell", "In[3]") if file == CELL else None
    shell = SimpleNamespace(compile=SimpleNamespace(format_code_name=named))
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    return shell


def test_a_line_of_a_cell_is_named_by_the_cell(notebook):
    assert place(CELL, 5) == "Cell In[3], line 5"
    assert short_place(CELL, 5) == "In[3]:5"
    assert place("/a/b.py", 5) == "/a/b.py:5"
    assert short_place("/a/b.py", 5) == "b.py:5"


def test_the_report_says_it_as_text_and_as_html(notebook):
    finding = Finding("sign", ("w",), "wrong", line=Line(CELL, 5, "dz = y - p"))
    report = GradientReport("hand_grads", "wrong", (), (finding,))
    assert "--> Cell In[3], line 5" in str(report) and CELL not in str(report)
    assert "Cell In[3], line 5" in report._repr_html_() and CELL not in report._repr_html_()


def test_without_a_notebook_it_is_the_file(notebook, monkeypatch):
    del notebook.compile.format_code_name  # IPython 7
    assert place(CELL, 5) == f"{CELL}:5"
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))  # imported, not running
    assert place(CELL, 5) == f"{CELL}:5"
    monkeypatch.delitem(sys.modules, "IPython")
    assert place(CELL, 5) == f"{CELL}:5"
