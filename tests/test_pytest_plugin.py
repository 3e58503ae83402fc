"""The plugin, as the pytest of somebody else's project sees it."""

import importlib.metadata
import subprocess
import sys

import pytest

import _jaxmlp_pytest
from jaxmlp import _placement


pytestmark = pytest.mark.long


pytest_plugins = "pytester"

TESTS = """
import jax
import jax.numpy as jnp
import pytest

def loss(params, x):
    return jnp.sum(params["w"] * x)

def right(params, x):
    return {"w": x}

def wrong(params, x):
    return {"w": -x}

PARAMS, X = {"w": jnp.ones(3, "float32")}, jnp.arange(1, 4, dtype="float32")

def test_right(assert_gradients):
    assert assert_gradients(loss, right, PARAMS, X).ok

def test_wrong(assert_gradients):
    assert_gradients(loss, wrong, PARAMS, X)
"""


@pytest.fixture
def project(pytester):
    pytester.makepyfile(test_gradients=TESTS)
    return pytester


def ours(result):
    """What the output shows of files that are not the user's."""
    shown = result.stdout.str()
    return [part for part in ("jaxmlp/verify", "_jaxmlp_pytest.py", "site-packages", "_placement") if part in shown]


def test_the_plugin_is_installed():
    (point,) = [p for p in importlib.metadata.entry_points(group="pytest11") if p.name == "jaxmlp"]
    assert point.load() is _jaxmlp_pytest


def test_the_choices_offered_are_those_there_are():
    assert _jaxmlp_pytest.PLATFORMS == (*_placement.PLATFORMS, "all-available")
    assert _jaxmlp_pytest.DTYPES == _placement.DTYPES


@pytest.mark.parametrize("style", ["auto", "short", "line"])
def test_a_wrong_gradient_shows_the_report_and_the_line_of_the_test_and_no_line_of_ours(project, style):
    result = project.runpytest_inprocess(f"--tb={style}")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*wrong is wrong: 1 of 1 leaf*"])
    if style != "line":
        result.stdout.fnmatch_lines(["*    assert_gradients(loss, wrong, PARAMS, X)", "E *sign*"])
    assert not ours(result)


def test_every_frame_is_there_for_who_asks(project):
    result = project.runpytest_inprocess("--full-trace", "-k", "wrong")
    result.assert_outcomes(failed=1)
    assert "_jaxmlp_pytest.py" in ours(result)


def test_a_refused_argument_and_an_error_in_the_loss_show_the_users_lines_only(pytester):
    pytester.makepyfile(
        TESTS.split("def test_right")[0]
        + """
def test_refused(assert_gradients):
    assert_gradients(loss, right, {"w": 1}, X)

def test_raises(assert_gradients):
    assert_gradients(loss, right, {"v": X}, X)
"""
    )
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(['>*{"w": 1}*', "E*only real floating numbers*", '>*params?"w"?*', "E*KeyError*'w'*"])
    assert not ours(result)


def test_a_wrong_gradient_fails_without_assertions(project):
    project.makepyfile(
        test_function="""
import pytest
from jaxmlp import assert_gradients
from test_gradients import loss, PARAMS, wrong, X

def test_the_function():
    with pytest.raises(AssertionError, match="wrong is wrong"):
        assert_gradients(loss, wrong, PARAMS, X)
"""
    )
    result = project.run(sys.executable, "-O", "-m", "pytest")
    result.assert_outcomes(passed=2, failed=1, warnings=1)  # pytest warns that plain assertions are off
    result.stdout.fnmatch_lines(["E *wrong is wrong: 1 of 1 leaf*"])
    assert not [part for part in ours(result) if part != "site-packages"]  # the warning's own line


def test_workers_fail_and_pass_alike(project):
    result = project.runpytest_subprocess("-p", "xdist", "-n", "2", "--jaxmlp-dtype=float32", "--jaxmlp-dtype=float64")
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["E *wrong is wrong: 1 of 1 leaf*"])
    assert not ours(result)


PLACES = """
import jax
import jax.numpy as jnp
import numpy as np

def loss(params, x):
    return jnp.sum(params * x)

def grads(params, x):
    print(jnp.result_type(params), jnp.result_type(x))
    return x

def test_it(assert_gradients):
    report = assert_gradients(loss, grads, jnp.ones(3, "float32"), np.ones(3, "float32"))
    (leaf,) = report.leaves
    print("seen as", leaf.dtype)
"""


def test_each_dtype_asked_for_is_a_test_of_its_own(pytester):
    pytester.makepyfile(PLACES)
    dtypes = _jaxmlp_pytest.DTYPES
    result = pytester.runpytest_inprocess("-v", "-rP", *(f"--jaxmlp-dtype={dtype}" for dtype in dtypes))
    result.assert_outcomes(passed=4)
    for dtype in dtypes:
        result.stdout.fnmatch_lines([f"*test_it?{dtype}? PASSED*"])
        result.stdout.fnmatch_lines([f"seen as {dtype}"])


def test_the_configuration_file_says_the_same_and_the_command_line_wins(pytester):
    pytester.makepyfile(PLACES)
    pytester.makeini("[pytest]\njaxmlp_dtype = float64\njaxmlp_platform = cpu")
    result = pytester.runpytest_inprocess("-v")
    result.stdout.fnmatch_lines(["*test_it?cpu-float64? PASSED*"])
    result = pytester.runpytest_inprocess("-v", "--jaxmlp-dtype=bfloat16")
    result.stdout.fnmatch_lines(["*test_it?cpu-bfloat16? PASSED*"])


def test_a_value_that_is_no_choice_is_a_sentence(pytester):
    pytester.makepyfile(PLACES)
    assert pytester.runpytest_inprocess("--jaxmlp-dtype=int8").ret == pytest.ExitCode.USAGE_ERROR
    pytester.makeini("[pytest]\njaxmlp_dtype = int8")
    result = pytester.runpytest_inprocess()
    assert result.ret != pytest.ExitCode.OK
    assert "jaxmlp_dtype must be one of float16, " in result.stdout.str() + result.stderr.str()


def test_a_platform_that_is_not_there_skips_with_a_sentence(pytester, monkeypatch):
    import jax

    def cpu_only(*, backend=None):
        if backend in (None, "cpu"):
            return jax.devices("cpu")
        raise RuntimeError(f"Unknown backend {backend}")

    monkeypatch.setattr(jax, "local_devices", cpu_only)
    pytester.makepyfile(PLACES)
    result = pytester.runpytest_inprocess("--jaxmlp-platform=tpu", "--jaxmlp-platform=all-available", "-rs", "-v")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["*test_it?tpu? SKIPPED*", "*test_it?cpu? PASSED*", "*JAX has no tpu device here."])


def test_a_fixture_asked_for_at_run_time_takes_one_place_and_refuses_several(pytester):
    dynamic = "def test_it(request):\n    assert_gradients = request.getfixturevalue('assert_gradients')"
    pytester.makepyfile(PLACES.replace("def test_it(assert_gradients):", dynamic))
    result = pytester.runpytest_inprocess("--jaxmlp-dtype=float64", "-rP")
    result.stdout.fnmatch_lines(["seen as float64"])
    result = pytester.runpytest_inprocess("--jaxmlp-dtype=float64", "--jaxmlp-dtype=float32")
    assert result.ret != pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*take it as an argument of the test*"])


def test_the_options_have_a_group_of_their_own(pytester):
    result = pytester.runpytest_inprocess("--help")
    result.stdout.fnmatch_lines(["jaxmlp: hand-written gradients:", "*--jaxmlp-platform=*", "*--jaxmlp-dtype=*"])


def test_a_project_that_checks_no_gradient_never_imports_jax(pytester):
    pytester.makepyfile("import sys\ndef test_it():\n    assert not {'jax', 'jaxmlp', 'numpy'} & set(sys.modules)\n")
    args = ("-p", "no:jaxtyping", "-p", "no:hypothesispytest", "--jaxmlp-platform=all-available")
    result = pytester.runpytest_subprocess(*args)
    result.assert_outcomes(passed=1)


def test_loading_the_plugin_imports_nothing_but_pytest():
    code = "import sys, pytest; before = set(sys.modules); import _jaxmlp_pytest; print(set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "{'_jaxmlp_pytest'}\n"
