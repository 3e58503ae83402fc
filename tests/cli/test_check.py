"""`jaxmlp check FILE`, from the file to the exit status."""

import json

import jax
import pytest

from jaxmlp import _cli, verify
from jaxmlp._cli import _check


RIGHT = """\
import jax.numpy as jnp

def loss(params, x, y):
    return jnp.mean((x @ params["w"] - y) ** 2)

def hand_grads(params, x, y):
    return {"w": 2 * x.T @ (x @ params["w"] - y) / y.size}

def inputs():
    x = jnp.arange(12.0, dtype="float32").reshape(4, 3) / 10
    return {"w": jnp.ones((3, 1), "float32")}, x, jnp.ones((4, 1), "float32")
"""
WRONG = RIGHT.replace('{"w": 2', '{"w": -2')
WITH_VALUE = RIGHT.replace('return {"w": 2', 'return loss(params, x, y), {"w": 2')


@pytest.fixture
def file(tmp_path):
    def write(source):
        path = tmp_path / "candidate.py"
        path.write_text(source)
        return str(path)

    return write


def test_a_right_gradient_exits_with_0(file, capsys):
    assert _cli.main(["check", file(RIGHT)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("hand_grads is right") and "\x1b" not in out and err == ""


def test_a_wrong_gradient_exits_with_1_and_names_the_mistake(file, capsys):
    assert _cli.main(["check", file(WRONG)]) == 1
    out = capsys.readouterr().out
    assert out.startswith("hand_grads is wrong") and "sign" in out


def test_nothing_to_decide_exits_with_2_and_the_reason(file, capsys):
    source = RIGHT.replace("return jnp.mean(", "return 0.0 * jnp.mean(").replace('{"w": 2', '{"w": 0.0')
    assert _cli.main(["check", file(source)]) == 2
    assert capsys.readouterr().out.startswith("hand_grads is undecided")


@pytest.mark.parametrize(
    "make",
    [
        "def make():\n    params, *args = inputs_()\n    return params, tuple(args)",
        "make = inputs_()",
        "inputs = inputs_",
    ],
)
def test_inputs_may_come_in_any_of_the_forms(file, make):
    assert _cli.main(["check", file(RIGHT.replace("def inputs()", "def inputs_()") + make)]) == 0


def test_other_names_are_given_by_options(file):
    mine = "def mine(params, x, y):\n    return {'w': -hand_grads(params, x, y)['w']}\n"
    source = f"{WRONG}\n{mine}\nclass at:\n    one = inputs()\n"
    assert _cli.main(["check", file(source), "--grads", "mine", "--loss", "loss", "--inputs", "at.one"]) == 0


def test_a_value_is_checked_on_request_and_the_request_suggested(file, capsys):
    assert _cli.main(["check", file(WITH_VALUE), "--has-value"]) == 0
    assert capsys.readouterr().err == ""
    assert _cli.main(["check", file(WITH_VALUE)]) == 1
    assert "say --has-value" in capsys.readouterr().err


def test_the_suggestion_is_for_pairs_only(file, capsys):
    assert _cli.main(["check", file(RIGHT.replace('return {"w": 2', 'return {"v": 2'))]) == 1
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("dtype", ["bfloat16", "float64"])
def test_inputs_are_converted_on_request(file, capsys, dtype):
    _cli.main(["check", file(RIGHT), "--dtype", dtype, "--platform", "cpu", "--json", "-"])
    (leaf,) = json.loads(capsys.readouterr().out)["leaves"]
    assert leaf["dtype"] == dtype


def test_a_missing_platform_is_one_sentence(file, capsys, monkeypatch):
    def no_devices(**asked):
        raise RuntimeError(f"Unknown backend {asked}")

    monkeypatch.setattr(jax, "local_devices", no_devices)
    assert _cli.main(["check", file(RIGHT), "--platform", "tpu"]) == 2
    assert capsys.readouterr() == ("", "jaxmlp: JAX has no tpu device here.\n")


def test_json_on_standard_output_stands_alone(file, capsys):
    assert _cli.main(["check", file('print("hello")\n' + WRONG), "--json", "-"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out, parse_constant=pytest.fail)["verdict"] == "wrong" and err == "hello\n"


def test_both_documents_are_written_beside_the_report(file, tmp_path, capsys):
    page, data = tmp_path / "report.html", tmp_path / "report.json"
    assert _cli.main(["check", file(WRONG), "--html", str(page), "--json", str(data), "--lang", "ko"]) == 1
    assert "<table" in page.read_text(encoding="utf-8") and json.loads(data.read_text())["ok"] is False
    assert capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["candidate.py", "report.html", "report.json"]


def test_two_documents_on_standard_output_are_refused(file, capsys):
    assert _cli.main(["check", file(RIGHT), "--html", "-", "--json", "-"]) == 2
    assert "cannot both" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_costs_the_document_and_not_the_report(file, tmp_path, capsys):
    assert _cli.main(["check", file(RIGHT), "--html", str(tmp_path / "missing" / "report.html")]) == 2
    out, err = capsys.readouterr()
    assert out.startswith("hand_grads is right") and err.startswith("jaxmlp: cannot write") and err.count("\n") == 1


def test_the_language_is_that_asked_for(file, capsys):
    _cli.main(["check", file(RIGHT)])
    english = capsys.readouterr().out
    _cli.main(["check", file(RIGHT), "--lang", "ko"])
    assert capsys.readouterr().out != english


def test_more_than_two_are_no_pair(file, capsys):
    source = RIGHT.replace('return {"w": 2 *', "return 1, 2, (2 *").replace("y.size}", "y.size)")
    assert _cli.main(["check", file(source)]) == 1
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (RIGHT.replace("def loss", "def lose"), "Did you mean `lose`?"),
        (
            RIGHT.replace('return {"w": 2', '{"w": 2'),
            "`hand_grads` returns None instead of a tree",
        ),
        (RIGHT.replace("x.T @", "x.T @ missing @"), "NameError: name 'missing' is not defined"),
        (RIGHT.replace("reshape(4, 3)", "reshape(5, 3)"), ", in inputs\n"),
        (RIGHT.replace('params["w"] - y) **', 'params["v"] - y) **'), "KeyError: 'v'"),
        (RIGHT.replace('jnp.ones((3, 1), "float32")', "jnp.ones((3, 1), int)"), "only real floating numbers"),
        (RIGHT.replace("jnp.mean(", "jnp.square("), "`loss` must return a scalar"),
        (RIGHT.replace("def inputs()", "def inputs(seed)"), "must take no arguments"),
    ],
)
def test_a_file_that_cannot_be_used_exits_with_2_and_no_line_of_ours(file, capsys, source, said):
    assert _cli.main(["check", file(source)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("jaxmlp: ") and said in err
    assert all("candidate.py" in line for line in err.splitlines() if line.lstrip().startswith('File "'))


def test_what_the_check_says_of_its_arguments_needs_no_traceback(file, capsys):
    assert _cli.main(["check", file(RIGHT.replace('jnp.ones((3, 1), "float32")', "jnp.ones((3, 1), int)"))]) == 2
    err = capsys.readouterr().err
    assert err.startswith("jaxmlp: `params` leaf `w` has dtype int") and err.count("\n") == 1


def test_a_failure_of_the_check_itself_is_told_from_one_of_the_users(file, capsys, monkeypatch):
    # Compiled under a name that is no file of the user's, as this file would be.
    monkeypatch.setattr(verify, "check", eval(compile("lambda *args, **options: {}['x']", "<check>", "eval")))
    assert _cli.main(["check", file(RIGHT)]) == 2
    err = capsys.readouterr().err
    assert "a mistake in jaxmlp" in err and "Traceback" in err and "KeyError: 'x'" in err


def test_an_error_in_a_callback_is_the_users_and_shows_its_line(file, capsys):
    source = RIGHT.replace("def hand_grads", "def bad(x):\n    raise ValueError('mine')\n\ndef hand_grads")
    called_back = "x = jax.pure_callback(bad, jax.ShapeDtypeStruct(x.shape, x.dtype), x)"
    source = "import jax\n" + source.replace('    return {"w": 2', f'    {called_back}\n    return {{"w": 2')
    assert _cli.main(["check", file(source)]) == 2
    out, err = capsys.readouterr()
    said = err[err.index("jaxmlp: ") :]
    assert out == "" and said.startswith("jaxmlp: a function that JAX calls back raised an error.")
    assert "candidate.py" in said and "in bad" in said and said.endswith("ValueError: mine\n") and len(said) < 400


def test_too_little_memory_is_one_sentence(file, capsys):
    large = "z = jnp.sort(jnp.ones((10**6, 10**6), x.dtype) * x[0, 0], axis=0)"
    source = RIGHT.replace('    return {"w": 2', f'    {large}\n    return {{"w": (z @ z)[:3, :1] + 2')
    assert _cli.main(["check", file(source)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("jaxmlp: the functions need more memory than there is (") and err.count("\n") == 1


def test_documents_land_where_the_command_was_given_wherever_the_file_goes(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    source = f"import os\nos.chdir({str(tmp_path / 'elsewhere')!r})\n{RIGHT}"
    assert _cli.main(["check", file(source), "--json", "report.json"]) == 0
    assert (tmp_path / "report.json").exists()


def test_an_interrupt_exits_with_130(file, capsys):
    assert _cli.main(["check", file(RIGHT + "\nraise KeyboardInterrupt")]) == 130
    assert capsys.readouterr() == ("", "jaxmlp: interrupted\n")


def test_every_verdict_has_a_status():
    assert _check.STATUS == {"right": 0, "wrong": 1, "undecided": 2}
