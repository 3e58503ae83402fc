"""`jaxmlp new FILE`: the file, its mistake, and the way on."""

import io
import tokenize

import jax
import pytest

from jaxmlp import _cli
from jaxmlp._cli._template import LANGUAGES, template


@pytest.fixture(autouse=True)
def promotion():
    """A file of a user's runs with JAX as it comes."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_mistake_is_found_by_the_command_that_is_named(capsys, folder, lang):
    assert _cli.main(["new", "backprop.py", "--lang", lang]) == 0
    out, err = capsys.readouterr()
    source = (folder / "backprop.py").read_text(encoding="utf-8")
    command = out.splitlines()[-1].split()
    assert err == "" and command[:3] == ["jaxmlp", "check", "backprop.py"] and " ".join(command) in source

    assert _cli.main(command[1:]) == 1
    out, err = capsys.readouterr()
    assert "wrong-activation-derivative" in out and " > 31 | dz1 = da1 * a1 * (1 - a1)" in out and err == ""

    (folder / "backprop.py").write_text(source.replace("a1 * (1 - a1)", "(1 - a1**2)"), encoding="utf-8")
    assert _cli.main(command[1:]) == 0


def test_the_program_is_the_same_in_every_language():
    def program(lang):
        lines = io.StringIO(template(lang, "jaxmlp check f.py")).readline
        return [token.string for token in tokenize.generate_tokens(lines) if not token.string.startswith('"""')]

    assert all(program(lang) == program(LANGUAGES[0]) for lang in LANGUAGES)
    assert len({template(lang, "") for lang in LANGUAGES}) == len(LANGUAGES)


def test_what_exists_is_kept_unless_it_is_forced(capsys, folder):
    (folder / "mine.py").write_text("work of a week")
    assert _cli.main(["new", "mine.py"]) == 2
    assert capsys.readouterr().err == "jaxmlp: mine.py exists: name another file, or add --force to overwrite it.\n"
    assert (folder / "mine.py").read_text() == "work of a week"
    assert _cli.main(["new", "mine.py", "--force"]) == 0
    assert "jaxmlp check mine.py" in (folder / "mine.py").read_text()


def test_a_name_with_a_blank_is_quoted_where_it_is_to_be_typed(capsys):
    assert _cli.main(["new", "my gradient.py"]) == 0
    assert capsys.readouterr().out.endswith("jaxmlp check 'my gradient.py'\n")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("backprop", "backprop must end in .py, as backprop.py."),
        ("-", "- must end in .py, as backprop.py."),
        (".", ". must end in .py, as backprop.py."),
        ("backprop.ipynb", "backprop.ipynb must end in .py, as backprop.py."),
        ("none/f.py", "cannot write none/f.py: there is no directory none."),
    ],
)
def test_a_name_that_cannot_be_used_is_one_sentence(capsys, folder, name, said):
    assert _cli.main(["new", name]) == 2
    assert capsys.readouterr() == ("", f"jaxmlp: {said}\n") and list(folder.iterdir()) == []
