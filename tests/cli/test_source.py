"""The user's file is run as Python runs it, and what goes wrong in it is theirs to read."""

import dataclasses
import inspect
import pickle
import sys

import pytest

from jaxmlp._cli._source import MODULE, named, program, running as running_program
from jaxmlp._cli._terminal import CommandError


def running(path):
    return running_program(program(path), prints=sys.stderr)


@pytest.fixture
def file(tmp_path):
    """`file(source)` writes it and returns its path as text."""

    def write(source, name="candidate.py"):
        path = tmp_path / name
        path.write_bytes(source if isinstance(source, bytes) else source.encode())
        return str(path)

    return write


def refusal(path, call=lambda module: None):
    with pytest.raises(CommandError) as error, running(path) as module:
        call(module)
    return str(error.value)


def test_a_file_is_run_under_a_name_of_its_own(file):
    path = file('ran = __name__\nhere = __file__\nif __name__ == "__main__":\n    1 / 0\n')
    with running(path) as module:
        assert vars(module)["ran"] == MODULE and vars(module)["here"] == path
        assert sys.modules[MODULE] is module


def test_dataclasses_pickles_and_sources_work(file):
    source = """\
from __future__ import annotations
import dataclasses

@dataclasses.dataclass
class Point:
    x: float

def f(x):
    return x
"""
    with running(file(source)) as module:
        point = vars(module)["Point"](1.0)
        assert pickle.loads(pickle.dumps(point)) == point and dataclasses.asdict(point) == {"x": 1.0}
        assert inspect.getsource(vars(module)["f"]) == "def f(x):\n    return x\n"


def test_neighbours_are_imported_even_late_and_everything_is_put_back(file, tmp_path):
    file("value = 7\n", "neighbour_of_the_candidate.py")
    before = (list(sys.path), list(sys.argv))
    late = "def f():\n    import neighbour_of_the_candidate as n\n    return n.value\n"
    path = file(f"import sys\narguments = sys.argv[:]\n{late}")
    with running(path) as module:
        assert sys.path[0] == str(tmp_path) and vars(module)["arguments"] == [path]
        assert vars(module)["f"]() == 7
    assert (sys.path, sys.argv) == before and MODULE not in sys.modules


def test_what_the_file_prints_goes_where_it_is_told(file, capsys):
    with running(file('print("loading")\ndef f():\n    print("running")')) as module:
        vars(module)["f"]()
    print("report")  # noqa: T201
    out, err = capsys.readouterr()
    assert out == "report\n" and err == "loading\nrunning\n"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("-", "standard input"),
        (".", ". is a directory"),
        ("none.py", "there is no file none.py."),
        ("candidat.py", "there is no file candidat.py. Did you mean candidate.py?"),
        ("missing/none.py", "there is no file"),
        ("lesson.ipynb", "is a notebook"),
    ],
)
def test_what_is_no_python_file_is_one_sentence(file, tmp_path, monkeypatch, name, sentence):
    file("")
    file("{}", "lesson.ipynb")
    monkeypatch.chdir(tmp_path)
    said = refusal(name)
    assert sentence in said and "\n" not in said


def test_a_suffix_alone_is_no_likeness(file, tmp_path, monkeypatch):
    file("", "nojit.py")
    monkeypatch.chdir(tmp_path)
    assert refusal("none.py") == "there is no file none.py."


def test_a_syntax_error_is_shown_with_its_caret_and_no_frame(file):
    said = refusal(file("x = 1\ndef f(:\n    pass\n"))
    assert said.startswith("candidate.py is not valid Python.") and "line 2" in said
    assert "    def f(:\n" in said and "^" in said and said.endswith("SyntaxError: invalid syntax")
    assert "Traceback" not in said and "jaxmlp" not in said.replace("candidate", "")


@pytest.mark.parametrize("source", [b"\x89PNG\0\0", b"caf\xe9 = 1\n"])
def test_bytes_that_are_no_text_are_told(file, source):
    assert "is not" in refusal(file(source))


@pytest.mark.parametrize(
    ("name", "advice"),
    (
        ("jax.nupmy", "jax is installed, and has no module nupmy. Did you mean numpy?"),
        ("json.decoder.x", "json.decoder is installed, and has no module x."),
        ("no_such_package", "install what is missing there."),
    ),
)
def test_a_module_that_is_not_there_is_told_from_a_slip_of_the_pen(file, name, advice):
    assert refusal(file(f"import {name}\n")).endswith(advice)


def frames(said):
    return [line.strip() for line in said.splitlines() if line.lstrip().startswith("File ")]


def test_an_error_shows_the_lines_of_the_user_only(file):
    file("def g(x):\n    return x['no']\n", "helper_of_the_candidate.py")
    path = file("import jax\nfrom helper_of_the_candidate import g\ndef f(x):\n    return jax.jit(g)(x)\n")
    said = refusal(path, lambda module: vars(module)["f"]({"yes": 1.0}))
    assert said.startswith("candidate.py raised an error.") and said.endswith("KeyError: 'no'")
    theirs = [frame.split(", ", 1)[1] for frame in frames(said) if __file__ not in frame]  # this file is no less theirs
    assert theirs == ["line 4, in f", "line 2, in g"]
    assert "return x['no']" in said and "JAX_TRACEBACK_FILTERING" not in said


def test_an_error_of_jax_is_shown_at_the_users_line(file):
    said = refusal(file("import jax.numpy as jnp\njnp.ones(2) @ jnp.ones(3)\n"))
    assert len(frames(said)) == 1 and "line 2" in said and "TypeError" in said
    assert "JAX_TRACEBACK_FILTERING" not in said


def test_every_link_of_a_chain_is_cut(file):
    source = "import json\ntry:\n    json.loads('{')\nexcept ValueError as error:\n    raise KeyError('k') from error\n"
    said = refusal(file(source))
    assert len(frames(said)) == 2 and "direct cause" in said and "JSONDecodeError" in said


def test_a_neighbour_that_is_no_python_shows_its_line(file):
    file("def (:\n", "broken_neighbour.py")
    said = refusal(file("import broken_neighbour\n"))
    assert len(frames(said)) == 2 and "def (:" in said and "importlib" not in said


def test_an_endless_recursion_is_folded(file):
    said = refusal(file("def f():\n    return f()\nf()\n"))
    assert "more times]" in said and "RecursionError" in said and len(said.splitlines()) < 20


def test_a_missing_package_says_where_to_install_it(file):
    said = refusal(file("import no_such_package_anywhere\n"))
    assert "No module named 'no_such_package_anywhere'" in said and sys.executable in said


def test_a_file_that_ends_the_program_is_told_where_and_what_to_do(file):
    said = refusal(file("x = 1\nraise SystemExit(3)\n"))
    assert said.startswith("line 2 of candidate.py ends the program (SystemExit: 3), so nothing was checked.")
    assert '`if __name__ == "__main__":`' in said


def test_a_program_without_the_guard_is_told_the_line_that_starts_it(file):
    said = refusal(file("import sys\ndef main():\n    sys.exit(0)\nmain()\n"))
    assert said.startswith("line 4 of candidate.py") and "__main__" in said


def test_a_function_that_ends_the_program_is_told_without_that_advice(file):
    said = refusal(file("import sys\ndef f():\n    sys.exit()\n"), lambda module: vars(module)["f"]())
    assert said.startswith("line 3 of candidate.py ends the program") and "__main__" not in said


def test_arguments_on_the_command_line_are_not_the_files(file, capsys):
    said = refusal(file("import argparse\np = argparse.ArgumentParser()\np.add_argument('data')\np.parse_args()\n"))
    assert "line 4" in said and "the following arguments are required: data" in capsys.readouterr().err


def test_a_file_that_reads_standard_input_reads_it(file, monkeypatch, capsys):
    import io

    monkeypatch.setattr(sys, "stdin", io.StringIO("Ada\n"))
    with running(file("name = input('who? ')")) as module:
        assert vars(module)["name"] == "Ada"
    assert capsys.readouterr().out == ""


def test_an_error_that_is_no_exception_is_one_of_theirs(file):
    said = refusal(file("class Stop(BaseException): ...\nraise Stop('enough')\n"))
    assert said.startswith("candidate.py raised an error.") and said.endswith("Stop: enough")


def test_an_interrupt_passes_through(file):
    with pytest.raises(KeyboardInterrupt), running(file("raise KeyboardInterrupt")):
        pass
    assert MODULE not in sys.modules


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def lose(): ...\ndef g(): ...", "no `loss`. Did you mean `lose`? It has `lose`, `g`. Say which with --loss"),
        ("from math import sin", "no `loss`, and defines no function. `jaxmlp new FILE` writes a file to begin with."),
        ("def f(): ...", "no `loss`, which must be a function. It has `f`. Say which with --loss NAME."),
        ("loss = 3", "`loss` in candidate.py has type int, but must be a function."),
        ("\n".join(f"def f{n}(): ..." for n in range(9)), "`f7`, ..."),
    ],
)
def test_a_name_that_is_not_there_is_one_helpful_sentence(file, source, said):
    with running(file(source)) as module, pytest.raises(CommandError) as error:
        named(module, "loss", ("loss",), callable, "a function")
    assert said in str(error.value) and "\n" not in str(error.value)


def test_two_names_that_would_do_are_not_guessed_between(file):
    with running(file("def grads(): ...\ndef hand_grads(): ...")) as module:
        with pytest.raises(CommandError, match="has `grads` and `hand_grads`: say which with --grads NAME"):
            named(module, "grads", ("grads", "hand_grads"), callable, "a function")


def test_only_what_is_usable_counts_and_a_name_may_have_dots(file):
    with running(file("grads = {'w': 1}\nclass M:\n    def f(): ...\ndef hand_grads(): ...")) as module:
        assert named(module, "grads", ("grads", "hand_grads"), callable, "").__name__ == "hand_grads"
        assert named(module, "grads", ("M.f",), callable, "").__name__ == "f"
