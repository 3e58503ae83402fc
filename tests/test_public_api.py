"""The public names, their documentation, and the version."""

import importlib.metadata
import importlib.resources
import inspect
import subprocess
import sys
import types

import pytest

import jaxmlp


FUNCTIONS = {
    *("init_params", "predict", "forward", "backward", "loss_value", "loss_and_grads", "fit", "run"),
    *("bce_stabilized", "population", "small_network_options"),
    *("gate", "boolean_functions", "parity", "spirals", "digits"),
    *("check", "check_pair", "check_rule", "assert_gradients", "trace_nonfinite"),
}
CLASSES = {
    *("Dense", "Activation", "Loss", "TrainState", "History", "RunResult"),
    *("GradientReport", "LeafCheck", "Finding", "Line", "GradientError", "NonfiniteReport"),
}
ACTIVATIONS = {
    *("identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "softplus", "silu", "gelu", "gelu_tanh", "softmax"),
}
LOSSES = {"bce", "bce_with_logits", "half_squared_error", "mean_squared_error", "softmax_cross_entropy"}


def public(package):
    """What can be reached by `package.name`, but for the modules, which come with it."""
    values = {name: getattr(package, name) for name in dir(package) if not name.startswith("_")}
    return {name: value for name, value in values.items() if not isinstance(value, types.ModuleType)}


PUBLIC = public(jaxmlp)


def test_the_names_of_the_contract_are_there():
    assert FUNCTIONS | CLASSES | ACTIVATIONS | LOSSES | {"Params"} <= set(PUBLIC)


def test_all_of_verify_is_there_too():
    assert public(jaxmlp.verify).items() <= PUBLIC.items()


def test_a_name_is_imported_when_it_is_used():
    code = """
import sys, jaxmlp
loaded = lambda: [name for name in ("jax", "jaxmlp._data", "jaxmlp.verify", "jaxmlp._run") if name in sys.modules]
print(loaded(), [name for name in dir(jaxmlp) if name in ("check", "gate", "verify")])
from jaxmlp import gate
print(loaded(), jaxmlp.gate is gate is vars(jaxmlp)["gate"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[] ['check', 'gate', 'verify']", "['jax', 'jaxmlp._data'] True"]


def test_all_names_can_be_had_without_matplotlib():
    code = """
import sys
sys.modules["matplotlib"] = None
from jaxmlp import *
import pydoc, jaxmlp
assert "check(loss" in pydoc.plain(pydoc.render_doc(jaxmlp))
print(check is jaxmlp.check, "plot" in dir(jaxmlp))
try:
    jaxmlp.plot
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["True False", "jaxmlp.plot needs matplotlib: pip install 'jaxmlp[plot]'."]


def test_a_name_that_is_not_there_is_told():
    with pytest.raises(AttributeError, match="chek"):
        jaxmlp.chek  # type: ignore[attr-defined]  # noqa: B018


def test_the_tables_of_these_tests_hold_every_activation_and_loss():
    assert ACTIVATIONS == {name for name, value in PUBLIC.items() if isinstance(value, jaxmlp.Activation)}
    assert LOSSES == {name for name, value in PUBLIC.items() if isinstance(value, jaxmlp.Loss)}


@pytest.mark.parametrize("name", sorted(ACTIVATIONS | LOSSES))
def test_an_activation_or_loss_bears_its_own_name(name):
    assert PUBLIC[name].name == name


@pytest.mark.parametrize("name", sorted(name for name, value in PUBLIC.items() if inspect.isroutine(value)))
def test_a_public_function_is_documented_and_typed(name):
    function = PUBLIC[name]
    assert inspect.getdoc(function)
    signature = inspect.signature(function)
    assert signature.return_annotation is not inspect.Signature.empty
    assert all(parameter.annotation is not parameter.empty for parameter in signature.parameters.values())


@pytest.mark.parametrize("name", sorted(name for name, value in PUBLIC.items() if inspect.isclass(value)))
def test_a_public_class_and_its_methods_are_documented(name):
    cls = PUBLIC[name]
    # A dataclass or NamedTuple without a docstring is given its signature for one.
    assert cls.__doc__ and not cls.__doc__.startswith(f"{name}(")
    own = {attr: value for attr, value in vars(cls).items() if not attr.startswith("_")}
    assert all(inspect.getdoc(value) for value in own.values() if inspect.isfunction(value))


def test_the_version_is_that_of_the_installed_package():
    assert jaxmlp.__version__ == importlib.metadata.version("jaxmlp")


def test_type_checkers_see_the_annotations():
    assert (importlib.resources.files(jaxmlp) / "py.typed").is_file()
