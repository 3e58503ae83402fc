"""The site of jaxmlp: `sphinx-build -W docs docs/_build`."""

import doctest
import io
from importlib import metadata
from pathlib import Path

import matplotlib
from matplotlib import pyplot


project = "jaxmlp"
author = "the jaxmlp developers"
release = metadata.version("jaxmlp")
html_title = "jaxmlp"
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
templates_path: list[str] = []
exclude_patterns = ["_build"]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
myst_heading_anchors = 3
myst_links_external_new_tab = False

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True}
python_maximum_signature_line_length = 80
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # "Attributes:" as a list, for the fields of a dataclass would else be described twice
add_module_names = False
copybutton_prompt_text = ">>> |[.]{3} "
copybutton_prompt_is_regexp = True
default_role = "py:obj"  # `name` is a link where the name is known, and code where it is not


def formulas_as_code(app, what, name, obj, options, lines):
    """What is indented by four in a docstring, after an empty line, is a formula or code, as in Markdown."""
    del app, what, name, obj, options
    inside, shown = False, []
    for line in lines:
        starts = line.startswith("    ") and (not shown or not shown[-1].strip()) and not inside
        if starts:
            shown += [".. code-block:: text", ""]
        inside = (inside or starts) and (line.startswith("    ") or not line.strip())
        shown.append(line)
    lines[:] = shown


def pictures_of_examples(app, what, name, obj, options, lines):
    """Below the example of a function of `jaxmlp.plot`, what it draws."""
    del what, obj, options
    examples = doctest.DocTestParser().get_examples("\n".join(lines))
    if not (name.startswith("jaxmlp.plot.") and examples):
        return
    pyplot.close("all")
    known = {}
    for example in examples:
        if "savefig" not in example.source:
            exec(example.source, known)
    file = Path(app.srcdir, "_pictures", f"{name.rpartition('.')[2]}.svg")
    file.parent.mkdir(exist_ok=True)
    drawn = io.StringIO()
    pyplot.savefig(drawn, format="svg", metadata={"Date": None}, bbox_inches="tight")
    if not file.is_file() or file.read_text(encoding="utf-8") != drawn.getvalue():
        file.write_text(drawn.getvalue(), encoding="utf-8")
    lines += ["", f".. image:: /_pictures/{file.name}", f"   :alt: what the example of {name} draws"]


def names_as_written(app, what, name, obj, options, signature, returns):
    """The types of JAX by their public names."""
    del app, what, name, obj, options
    written = lambda text: text and text.replace("jaxlib._jax.Array", "Array").replace("[[...], ", "[..., ")
    return written(signature), written(returns)


def setup(app):
    """Before napoleon, which is connected at 500, has indented what it writes."""
    matplotlib.use("agg")
    matplotlib.rcParams["svg.hashsalt"] = "jaxmlp"  # the same picture in every build
    app.connect("autodoc-process-docstring", formulas_as_code, priority=400)
    app.connect("autodoc-process-docstring", pictures_of_examples, priority=600)
    app.connect("autodoc-process-signature", names_as_written)
