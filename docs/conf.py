"""The site of jaxmlp: `sphinx-build -W docs docs/_build`."""

from importlib import metadata


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
autodoc_default_options = {"members": True}
python_maximum_signature_line_length = 80
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # "Attributes:" as a list, for the fields of a dataclass would else be described twice
add_module_names = False
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


def names_as_written(app, what, name, obj, options, signature, returns):
    """The types of JAX by their public names."""
    del app, what, name, obj, options
    written = lambda text: text and text.replace("jaxlib._jax.Array", "Array").replace("[[...], ", "[..., ")
    return written(signature), written(returns)


def setup(app):
    """Before napoleon, which is connected at 500, has indented what it writes."""
    app.connect("autodoc-process-docstring", formulas_as_code, priority=400)
    app.connect("autodoc-process-signature", names_as_written)
