"""What the library claims of itself, read from its syntax trees: by hand, one way, and quiet."""

import ast
from pathlib import Path

import pytest

import jaxmlp


PACKAGE = Path(jaxmlp.__file__).parent
EVERY_FILE = sorted((*PACKAGE.rglob("*.py"), PACKAGE.parent / "_jaxmlp_pytest.py"))
VERIFY = sorted(path for path in (PACKAGE / "verify").rglob("_*.py") if path.name != "__init__.py")
CORE = sorted(path for path in PACKAGE.glob("_*.py") if path.name not in ("__init__.py", "__main__.py"))

# A module imports from lower floors only. A new module needs a floor.
FLOORS = (
    {"_arguments", "_types", "_frames", "_launch", "_placement", "_progress", "_version"},
    {"_checks", "_layouts", "_logistic", "_once", "_program"},
    {"_activations", "_losses", "_dense", "_init", "_data", "_numbers", "_products"},
    {"_mlp", "_lanes", "_loops"},
    {"_spread", "_small", "_population", "_options"},
    {"_kernel"},
    {"_train"},
)
FLOOR_OF = {name: floor for floor, names in enumerate(FLOORS) for name in names}

# The rooms of `verify`, and the modules beside them, likewise; a room is a folder, and free in itself.
VERIFY_FLOORS = (
    {"_program", "_report"},
    {"_verdict", "_nonfinite"},
    {"_numeric", "_line"},
    {"_mistake", "_mutants", "_in_jax"},
    {"_findings", "_power", "_repeated"},
    {"_judge"},
    {"_measured"},
    {"_rule"},
    {"_check"},
)
VERIFY_FLOOR_OF = {name: floor for floor, names in enumerate(VERIFY_FLOORS) for name in names}

DIFFERENTIATES = {
    *("grad", "value_and_grad", "vjp", "jvp", "linearize", "linear_transpose", "fwd_and_bwd", "saved_input_vjp"),
    *("jacfwd", "jacrev", "jacobian", "hessian", "hvp", "jet", "check_grads", "vjp3"),
    *("custom_vjp", "custom_jvp", "custom_gradient", "custom_derivatives", "closure_convert", "defvjp", "defjvp"),
    *("checkpoint", "remat", "ad", "ad_checkpoint", "api_boundary"),
}


def names_used(tree):
    """Every name by which something could be reached: attribute, name, import, or a string as `getattr` takes it."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name) | ast.Name(id=name):
                yield name
            case ast.Import(names=aliases):
                yield from (part for alias in aliases for part in alias.name.split("."))
            case ast.ImportFrom(module=module, names=aliases):
                yield from (module or "").split(".")
                yield from (alias.name for alias in aliases)
            case ast.Constant(value=str() as text):
                yield text


def imported_modules(tree, inside):
    """The modules of the package that a file in the folders `inside` imports, as paths from the package's root."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(inside[: len(inside) + 1 - node.level]) if node.level else []
            base = (["jaxmlp", *base] if node.level else []) + (node.module.split(".") if node.module else [])
            modules = [[*base, alias.name] for alias in node.names]
        else:
            continue
        yield from (tuple(parts[1:]) for parts in modules if parts[0] == "jaxmlp")


def differentiates(source):
    return DIFFERENTIATES & set(names_used(ast.parse(source)))


def above(source, module):
    """What a core module imports that is not on a lower floor."""
    imports = {path[0] if path else "jaxmlp" for path in imported_modules(ast.parse(source), ())}
    return {name for name in imports if FLOOR_OF.get(name, len(FLOORS)) >= FLOOR_OF[module]}


def crosses(source, *folders):
    """What a file in `folders`, from the outermost inward, imports of the package outside the first of them."""
    imports = imported_modules(ast.parse(source), folders)
    return {".".join(path) or "jaxmlp" for path in imports if path[:1] != folders[:1]}


def above_in_verify(source, *rooms):
    """What a file of `verify`, in a room or itself the last of `rooms`, imports that is not on a lower floor."""
    own, *module = rooms
    inside = ("verify", own) if module else ("verify",)
    imports = {path[1] for path in imported_modules(ast.parse(source), inside) if path[1:] and path[0] == "verify"}
    return {name for name in imports - {own} if VERIFY_FLOOR_OF.get(name, len(VERIFY_FLOORS)) >= VERIFY_FLOOR_OF[own]}


def loud(source):
    """Printing, or touching JAX's global configuration."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id="print")):
                found.add("print")
            case ast.Attribute(value=ast.Name(id="jax"), attr="config"):
                found.add("jax.config")
            case ast.ImportFrom(module="jax" | "jax.config", names=aliases):
                found |= {"jax.config" for alias in aliases if node.module == "jax.config" or alias.name == "config"}
            case ast.Import(names=aliases):
                found |= {"jax.config" for alias in aliases if alias.name == "jax.config"}
    return found


def private(source):
    """Whether the source reaches into JAX's private modules."""
    tree = ast.parse(source)
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    jax_imports = {part for node in imports for part in names_used(node)} & {"_src"}
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} & {"_src"}
    return jax_imports | attributes


def id_of(path):
    return path.relative_to(PACKAGE.parent).as_posix()


def test_there_is_something_to_read():
    assert {"_types.py", "_mlp.py", "_train.py"} <= {path.name for path in CORE}
    assert set(CORE) < set(EVERY_FILE)


@pytest.mark.parametrize("path", CORE, ids=id_of)
def test_the_core_never_differentiates_automatically(path):
    assert not differentiates(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "source",
    (
        "from jax import grad",
        "from jax import grad as slope",
        "import jax; jax.vjp(f, x)",
        'import jax; g = getattr(jax, "grad")',
        "import jax as j; j.value_and_grad(f)",
        "from jax.ad_checkpoint import checkpoint",
        "import jax.custom_derivatives",
        "@jax.custom_jvp\ndef f(x): ...",
        "from jax import *; jacrev(f)",
        "def f():\n    from jax.experimental.jet import jet",
    ),
)
def test_planted_autodiff_is_caught(source):
    assert differentiates(source)


def test_talking_of_autodiff_is_no_use_of_it():
    assert not differentiates('"""Equals `jax.grad` of the loss."""\ngrads = 1  # as jax.grad has it')


def test_every_core_module_has_a_floor():
    assert {path.stem for path in CORE} <= set(FLOOR_OF)


@pytest.mark.parametrize("path", CORE, ids=id_of)
def test_imports_point_down(path):
    assert not above(path.read_text(encoding="utf-8"), path.stem)


@pytest.mark.parametrize(
    "source",
    (
        "from ._mlp import forward",
        "from . import _train",
        "from .verify import check",
        "from jaxmlp import predict",
        "import jaxmlp._losses",
        "def f():\n    from jaxmlp.verify import check",
    ),
)
def test_a_planted_import_from_above_is_caught(source):
    assert above(source, "_dense")
    assert not above("from ._types import Dense\nimport jax", "_dense")


@pytest.mark.parametrize("path", VERIFY, ids=id_of)
def test_verify_knows_nothing_of_the_core(path):
    assert not crosses(path.read_text(encoding="utf-8"), *path.relative_to(PACKAGE).parts[:-1])


def test_every_room_of_verify_has_a_floor():
    rooms = {path.relative_to(PACKAGE / "verify").parts[0].removesuffix(".py") for path in VERIFY}
    assert rooms == set(VERIFY_FLOOR_OF)


@pytest.mark.parametrize("path", VERIFY, ids=id_of)
def test_the_imports_of_verify_point_down(path):
    *rooms, _ = path.relative_to(PACKAGE / "verify").parts
    assert not above_in_verify(path.read_text(encoding="utf-8"), *(rooms or ()), path.stem)


@pytest.mark.parametrize(
    ("source", "rooms"),
    (
        ("from .._judge import judged", ("_line", "_bench")),
        ("from .._mistake import _diagnose", ("_line", "_bench")),
        ("from ._check import check", ("_judge",)),
        ("from jaxmlp.verify import check", ("_line", "_bench")),
    ),
)
def test_a_planted_import_from_a_higher_room_is_caught(source, rooms):
    assert above_in_verify(source, *rooms)
    assert not above_in_verify("from .._program._trace import traced\nfrom ._quantities import Run", "_line", "_bench")


@pytest.mark.parametrize(
    "source",
    (
        "from .._types import Dense",
        "from .. import _mlp",
        "from jaxmlp import predict",
        "import jaxmlp",
        "import jaxmlp._mlp",
    ),
)
def test_a_planted_import_from_verify_is_caught(source):
    assert crosses(source, "verify")
    assert not crosses("from ._report import Finding\nfrom . import _trace\nfrom jaxmlp.verify import check", "verify")


def below_pictures(source):
    """What a file in `plot` imports that is neither of the core, nor of `verify`, nor its own."""
    rooms = {path[0] if path else "jaxmlp" for path in imported_modules(ast.parse(source), ("plot",))}
    return rooms - set(FLOOR_OF) - {"verify", "plot"}


def draws(source, inside):
    """Whether a file in the folder `inside` imports matplotlib, or `plot`, which does."""
    tree = ast.parse(source)
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    return "matplotlib" in {part for node in imports for part in names_used(node)} or "plot" in {
        path[0] for path in imported_modules(tree, inside) if path
    }


@pytest.mark.parametrize("path", sorted((PACKAGE / "plot").rglob("*.py")), ids=id_of)
def test_pictures_stand_on_the_core_and_on_verify(path):
    assert not below_pictures(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "path",
    [path for path in EVERY_FILE if path.parent.name not in ("plot", "_cli") and path != PACKAGE / "__init__.py"],
    ids=id_of,
)
def test_only_the_command_line_draws(path):
    assert not draws(path.read_text(encoding="utf-8"), path.relative_to(PACKAGE.parent).parts[1:-1])


@pytest.mark.parametrize(
    ("source", "folder"),
    (
        ("from ..plot import loss_curve", "verify"),
        ("from .. import plot", "verify"),
        ("def f():\n    from jaxmlp.plot import panels", "lectures"),
        ("import matplotlib.pyplot as plt", "lectures"),
    ),
)
def test_a_planted_picture_is_caught(source, folder):
    assert draws(source, (folder,))
    assert not draws("from ._plot import plot", (folder,))


@pytest.mark.parametrize("source", ("from ..lectures import run", "from jaxmlp._cli import main", "import jaxmlp"))
def test_a_planted_import_from_pictures_is_caught(source):
    assert below_pictures(source)
    assert not below_pictures(
        "from .._types import Dense\nfrom ..verify._report._heat import BANDS\nfrom ._canvas import INK"
    )


@pytest.mark.parametrize("path", EVERY_FILE, ids=id_of)
def test_a_file_is_short_quiet_and_uses_public_jax_only(path):
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 300, "a file of more than 300 lines holds two ideas"
    assert not private(source)
    assert not loud(source)


@pytest.mark.parametrize(
    "source",
    (
        "import jax._src.core",
        "from jax._src import core",
        "from jax import _src",
        "import jax; jax._src.core.eval_jaxpr",
    ),
)
def test_planted_private_jax_is_caught(source):
    assert private(source)


@pytest.mark.parametrize(
    "source",
    (
        "print(1)",
        'jax.config.update("jax_enable_x64", True)',
        "from jax import config",
        "import jax.config",
        "from jax.config import config",
    ),
)
def test_a_planted_print_or_configuration_is_caught(source):
    assert loud(source)
