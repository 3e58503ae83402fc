"""Builds the notebooks: from each source one in English and one in Korean.

A source in `sources/` is a Python file in jupytext's percent format. A Markdown cell belongs to
one language, and code to both:

    # %% [markdown] lang="en"
    # %% [markdown] lang="ko"
    # %%

A notebook is run once, and its outputs are put into both; only the pictures of a cell that
reads `lang` are drawn once more, with Korean words. Of a cell with `tags=["rounding"]`
the check compares the words alone: its numbers are what rounding left, and other machines round
otherwise.

    python notebooks/build.py            build all
    python notebooks/build.py 2 5        build those with these numbers
    python notebooks/build.py --check    run all, and say where they depart from the sources
"""

import argparse
import base64
import io
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jupytext
import nbclient
import nbformat
from PIL import Image


HERE = Path(__file__).parent
SOURCES = sorted((HERE / "sources").glob("*.py"))
LANGUAGES = ("en", "ko")

INSTALL = """\
# Does nothing where jaxmlp is installed. Elsewhere, as in Colab, it installs the wheel that is
# beside the notebook, or, if there is none, what the package index has under this name.
from glob import glob
from importlib.util import find_spec


if not find_spec("jaxmlp"):
    (*_, package) = "jaxmlp", *sorted(glob("jaxmlp-*.whl"))
    %pip install -q "{package}[plot]"

lang = "en"  # of the words in the pictures; "ko" needs a font with Korean letters\
"""
ENGLISH, KOREAN = 'lang = "en"', 'lang = "ko"'

LANGUAGE = {"name": "python"}
COLORS = 64  # of a picture: more make the files larger and nothing clearer
_READS_LANG = re.compile(r"lang=lang|\[lang\]")
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?![\w])")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("numbers", nargs="*", help="of the notebooks; all of them unless given")
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    options = parser.parse_args()
    chosen = [
        source
        for source in SOURCES
        if not options.numbers or source.name.split("_")[0] in options.numbers
    ]
    wrong = 0
    for source in chosen:
        for lang, built in both(run(cells(source))).items():
            path = target(source, lang)
            if options.check:
                for difference in differences(nbformat.read(path, as_version=4), built):
                    wrong += 1
                    print(f"{path.relative_to(HERE)}: {difference}")
            else:
                path.parent.mkdir(exist_ok=True)
                nbformat.write(built, path)
        print(f"{source.stem}: {'compared' if options.check else 'built'}")
    return 1 if wrong else 0


def target(source: Path, lang: str) -> Path:
    return (HERE if lang == "en" else HERE / lang) / f"{source.stem}.ipynb"


def cells(source: Path) -> Any:
    """A source, not yet run, in both languages; before its code, how to install jaxmlp."""
    notebook = jupytext.read(source, fmt="py:percent")
    first = next(i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code")
    notebook.cells.insert(first, nbformat.v4.new_code_cell(INSTALL))
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata = nbformat.from_dict({"kernelspec": kernel, "language_info": LANGUAGE})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def run(notebook: Any) -> Any:
    """Run it where only what is installed can be imported, and make its pictures small."""
    with tempfile.TemporaryDirectory() as folder:
        options = {"record_timing": False, "coalesce_streams": True, "timeout": 300}
        here = {"metadata": {"path": folder}}
        client = nbclient.NotebookClient(notebook, resources=here, **options)
        with client.setup_kernel():
            for index, cell in enumerate(notebook.cells):
                client.execute_cell(cell, index)
                if cell.cell_type == "code" and _READS_LANG.search(cell.source):
                    again = nbformat.v4.new_code_cell(f"{KOREAN}\n{cell.source}\n{ENGLISH}")
                    client.execute_cell(again, index, store_history=False)
                    cell.metadata["korean"] = again.outputs
                    notebook.cells[index] = cell
    outputs = [
        cell.get("outputs", []) + cell.metadata.get("korean", []) for cell in notebook.cells
    ]
    for output in (output for of_cell in outputs for output in of_cell):
        if "image/png" in output.get("data", {}):
            output.data["image/png"] = smaller(output.data["image/png"])
            output.metadata = {}
    notebook.metadata.language_info = LANGUAGE  # a kernel says its version too
    return notebook


def pictures(outputs: Any) -> list[Any]:
    """Those of the outputs that are pictures."""
    return [output for output in outputs if "image/png" in output.get("data", {})]


def smaller(png: str) -> str:
    """A picture, in base64, with few colours."""
    small = io.BytesIO()
    picture = Image.open(io.BytesIO(base64.b64decode(png)))
    picture.quantize(COLORS, method=Image.Quantize.FASTOCTREE).save(small, "png", optimize=True)
    return base64.b64encode(small.getvalue()).decode()


def both(notebook: Any) -> dict[str, Any]:
    """The same notebook with the prose of each language alone."""
    notebooks = {}
    for lang in LANGUAGES:
        notebooks[lang] = nbformat.from_dict(notebook)
        notebooks[lang].cells = [
            cell for cell in notebooks[lang].cells if cell.metadata.get("lang", lang) == lang
        ]
        for cell in notebooks[lang].cells:
            korean = pictures(cell.metadata.pop("korean", []))
            if lang == "ko":
                cell.source = cell.source.replace(ENGLISH, KOREAN)
                for output, other in zip(
                    pictures(cell.get("outputs", [])), korean, strict=False
                ):
                    output.data["image/png"] = other.data["image/png"]
    return notebooks


def differences(committed: Any, built: Any) -> Iterator[str]:
    """Where a notebook departs from its source: in code, prose, and what is put out as text."""
    if len(committed.cells) != len(built.cells):
        yield f"{len(committed.cells)} cells where the source gives {len(built.cells)}"
        return
    for old, new in zip(committed.cells, built.cells, strict=True):
        if written(old) != written(new):
            yield f"{new.id} is not that of the source:\n{new.source}"
        elif new.cell_type == "code" and new.execution_count is not None:
            shown, found = ("\n".join(texts(cell)) for cell in (old, new))
            if not alike(shown, found, numbers="rounding" not in new.metadata.get("tags", ())):
                yield f"{new.id} shows\n{shown}\nand gives\n{found}"


def written(cell: Any) -> tuple:
    """What of a cell the source decides."""
    return cell.id, cell.cell_type, cell.source, cell.metadata


def texts(cell: Any) -> Iterator[str]:
    """What a cell has put out as text, printed or shown."""
    for output in cell.outputs:
        shown = output.get("data", {}).get("text/plain", output.output_type)
        yield output.get("text", shown)


def alike(shown: str, found: str, *, numbers: bool) -> bool:
    """Whether the words of two outputs are the same, and the numbers to 1 % or a millionth."""
    words = [_NUMBER.sub("#", text).split() for text in (shown, found)]
    pairs = zip(_NUMBER.findall(shown), _NUMBER.findall(found), strict=False)
    near = (abs(float(a) - float(b)) <= 1e-6 + 0.01 * abs(float(b)) for a, b in pairs)
    return words[0] == words[1] and (not numbers or all(near))


if __name__ == "__main__":
    sys.exit(main())
