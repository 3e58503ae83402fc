"""The notebooks are what their sources give, and the comparison that says so can tell; `build.py --check` runs them."""

import copy
import importlib.util
from pathlib import Path

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config


NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
if not NOTEBOOKS.is_dir():
    pytest.skip("a source distribution has no notebooks", allow_module_level=True)

_spec = importlib.util.spec_from_file_location("build", NOTEBOOKS / "build.py")
assert _spec and _spec.loader
build = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(build)

EACH = [(source, lang) for source in build.SOURCES for lang in build.LANGUAGES]
each = pytest.mark.parametrize("source, lang", EACH, ids=[f"{source.stem}-{lang}" for source, lang in EACH])


def read(source, lang):
    return nbformat.read(build.target(source, lang), as_version=4)


@each
def test_code_and_prose_are_those_of_the_source(source, lang):
    assert not list(build.differences(read(source, lang), build.both(build.cells(source))[lang]))


@each
def test_it_was_run_from_the_top_without_an_error(source, lang):
    code = [cell for cell in read(source, lang).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    kinds = {output.output_type for cell in code for output in cell.outputs}
    assert kinds <= {"stream", "execute_result", "display_data"}
    printed = {output.name for cell in code for output in cell.outputs if output.output_type == "stream"}
    assert printed <= {"stdout"}, "no warnings"


@pytest.mark.parametrize("source", build.SOURCES, ids=lambda source: source.stem)
def test_both_languages_have_the_same_cells_and_outputs(source):
    english, korean = (read(source, lang).cells for lang in build.LANGUAGES)
    assert [cell.cell_type for cell in english] == [cell.cell_type for cell in korean]
    codes = ([cell for cell in cells if cell.cell_type == "code"] for cells in (english, korean))
    for one, other in zip(*codes, strict=True):
        assert one.source.replace(build.ENGLISH, build.KOREAN) == other.source
        if "lang=lang" in one.source or "[lang]" in one.source:  # other words in the picture, and nothing else
            for output in build.pictures([*one.outputs, *other.outputs]):
                del output.data["image/png"]
        assert one.outputs == other.outputs
    assert all("가" <= max(cell.source) <= "힣" for cell in korean if cell.cell_type == "markdown")


def test_every_notebook_has_a_source_and_a_line_in_the_readme():
    expected = {build.target(source, lang) for source, lang in EACH}
    assert expected == {*NOTEBOOKS.glob("*.ipynb"), *NOTEBOOKS.glob("ko/*.ipynb")}
    for page in (NOTEBOOKS / "README.md", NOTEBOOKS.parent / "README.md", NOTEBOOKS.parent / "README.ko.md"):
        lang = "ko" if page.stem.endswith("ko") else "en"
        listed = expected if page.parent == NOTEBOOKS else {build.target(source, lang) for source in build.SOURCES}
        text = page.read_text(encoding="utf-8")
        assert all(f"({path.relative_to(page.parent).as_posix()})" in text for path in listed)
    assert sum(path.stat().st_size for path in expected) < 2_000_000


@pytest.mark.parametrize(
    ("present", "wheels", "asked"),
    (
        (True, [], []),
        (False, [], ['-q "jaxmlp[plot]"']),
        (False, ["jaxmlp-0.1.0-py3-none-any.whl"], ['-q "jaxmlp-0.1.0-py3-none-any.whl[plot]"']),
        (False, ["jaxmlp-0.1.0-py3-none-any.whl", "jaxmlp-0.2.0-py3-none-any.whl"], ["0.2.0"]),
    ),
)
def test_the_install_cell_takes_the_wheel_that_was_uploaded(present, wheels, asked, tmp_path, monkeypatch):
    """In a shell whose `%pip` does nothing but be asked."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: present or None)
    for wheel in wheels:
        (tmp_path / wheel).touch()
    config = Config({"HistoryManager": {"enabled": False}})
    shell, heard = InteractiveShell(config=config), []
    shell.magics_manager.register_function(heard.append, magic_name="pip")
    shell.run_cell(build.INSTALL).raise_error()
    assert len(heard) == len(asked) and all(part in line for part, line in zip(asked, heard, strict=True))


def an_edit(notebook, number, **fields):
    changed = copy.deepcopy(notebook)
    changed.cells[number].update(fields)
    return changed


def test_a_notebook_that_departs_from_its_source_is_caught():
    source = "# %% [markdown]\n# Title\n\n# %%\nprint(1)\n"
    built = build.jupytext.reads(source, fmt="py:percent")
    built.cells[1].update(execution_count=1, outputs=[nbformat.v4.new_output("stream", text="loss 0.6931 at 312\n")])
    assert not list(build.differences(built, copy.deepcopy(built)))

    shown = lambda text: [nbformat.v4.new_output("stream", text=text)]
    wrong = (
        an_edit(built, 0, source="Another title"),
        an_edit(built, 1, source="print(2)"),
        an_edit(built, 1, outputs=shown("loss 0.6931 at step 312\n")),
        an_edit(built, 1, outputs=shown("loss 0.7531 at 312\n")),
        an_edit(built, 1, outputs=[]),
    )
    for notebook in wrong:
        assert len(list(build.differences(notebook, built))) == 1
    fewer = copy.deepcopy(built)
    del fewer.cells[0]
    assert list(build.differences(fewer, built)) == ["1 cells where the source gives 2"]

    # What rounding may change on another machine: the last digits, and in a cell tagged so every number.
    near = an_edit(built, 1, outputs=shown("loss 0.6932 at 312\n"))
    assert not list(build.differences(near, built))
    rounding = an_edit(built, 1, metadata={"tags": ["rounding"]})
    other = an_edit(rounding, 1, outputs=shown("loss 3e-16 at -inf\n"))
    assert list(build.differences(other, rounding)), "inf is a word"
    assert not list(build.differences(an_edit(rounding, 1, outputs=shown("loss 3e-16 at 9\n")), rounding))
