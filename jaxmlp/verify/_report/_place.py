"""Where a line stands, as people name it."""

import sys
from pathlib import Path


def place(file: str, number: int) -> str:
    """`file:number`; in a notebook `Cell In[3], line 5`, as IPython's own tracebacks say it."""
    cell = _cell(file)
    return f"{' '.join(cell)}, line {number}" if cell else f"{file}:{number}"


def short_place(file: str, number: int) -> str:
    """The same in fewer letters: `backprop.py:5`, or `In[3]:5`."""
    cell = _cell(file)
    return f"{cell[1] if cell else Path(file).name}:{number}"


def _cell(file: str) -> tuple[str, str] | None:
    """`("Cell", "In[3]")` if `file` is where a running notebook keeps the code of that cell."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    name = getattr(getattr(shell, "compile", None), "format_code_name", None)  # from IPython 8 on
    return name(file) if name else None
