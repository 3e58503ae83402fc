"""The site of jaxmlp: `sphinx-build -W docs docs/_build`."""

import doctest
import io
import shutil
from importlib import metadata
from pathlib import Path

import matplotlib
from docutils import nodes
from latex2mathml.converter import convert
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
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
nb_execution_mode = "off"  # they are shown with the outputs that they have
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
html_math_renderer = "mathml"
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


HERE = Path(__file__).parent
for notebook in (HERE.parent / "notebooks").rglob("[1-9]*.ipynb"):
    copy = HERE / notebook.relative_to(HERE.parent)  # Sphinx reads nothing that lies outside
    copy.parent.mkdir(parents=True, exist_ok=True)
    if not copy.is_file() or copy.read_bytes() != notebook.read_bytes():
        shutil.copy(notebook, copy)


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
    del app, what, obj, options
    examples = doctest.DocTestParser().get_examples("\n".join(lines))
    if not (name.startswith("jaxmlp.plot.") and examples):
        return
    pyplot.close("all")
    known = {}
    for example in examples:
        if "savefig" not in example.source:
            exec(example.source, known)
    file = HERE.joinpath("_pictures", f"{name.rpartition('.')[2]}.svg")
    file.parent.mkdir(exist_ok=True)
    drawn = io.StringIO()
    pyplot.savefig(drawn, format="svg", metadata={"Date": None}, bbox_inches="tight")
    if not file.is_file() or file.read_text(encoding="utf-8") != drawn.getvalue():
        file.write_text(drawn.getvalue(), encoding="utf-8")
    lines += ["", f".. image:: /_pictures/{file.name}", f"   :alt: what the example of {name} draws"]


def inline_formula(translator, node):
    """A formula as MathML, which browsers draw by themselves, without a script from elsewhere."""
    translator.body.append(convert(node.astext()))
    raise nodes.SkipNode


def displayed_formula(translator, node):
    """The same, on lines of its own."""
    translator.body.append(f'<div class="formula">{convert(node.astext(), display="block")}</div>')
    raise nodes.SkipNode


def names_as_written(app, what, name, obj, options, signature, returns):
    """The types of JAX by their public names."""
    del app, what, name, obj, options
    written = lambda text: text and text.replace("jaxlib._jax.Array", "Array").replace("[[...], ", "[..., ")
    return written(signature), written(returns)


def setup(app):
    """Before napoleon, which is connected at 500, has indented what it writes."""
    app.add_html_math_renderer("mathml", (inline_formula, None), (displayed_formula, None))
    matplotlib.use("agg")
    matplotlib.rcParams["svg.hashsalt"] = "jaxmlp"  # the same picture in every build
    app.connect("autodoc-process-docstring", formulas_as_code, priority=400)
    app.connect("autodoc-process-docstring", pictures_of_examples, priority=600)
    app.connect("autodoc-process-signature", names_as_written)
