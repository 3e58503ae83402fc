"""Wrong arguments are a sentence that says what to do, and where to read more."""

import sys

import pytest

from jaxmlp import _cli
from jaxmlp._cli import _commands
from jaxmlp._cli._parser import count, number, seed


@pytest.mark.parametrize(
    ("arguments", "command", "sentence"),
    [
        ("chek f.py", "", "there is no command chek. Did you mean check? Choose from new, check, train, verify."),
        ("f.py", "", "there is no command f.py. Did you mean check f.py? Choose from new, check, train, verify."),
        ("--vershion", "", "there is no option --vershion. Did you mean --version?"),
        ("check", " check", "FILE is missing."),
        ("check f.py --gards=mine", " check", "there is no option --gards. Did you mean --grads?"),
        ("check f.py --qqq", " check", "there is no option --qqq."),
        ("check f.py g.py", " check", "g.py is one argument too many."),
        (
            "check f.py --dtype int8",
            " check",
            "--dtype cannot be int8. Choose from float16, bfloat16, float32, float64.",
        ),
        ("check f.py --loss", " check", "--loss needs a value."),
        ("check f.py --p cpu --dtype float61", " check", "--dtype cannot be float61. Did you mean float64?"),
        ("train", " train", "DATA is missing."),
        ("train xor --optimiser sgd", " train", "there is no option --optimiser. Did you mean --optimizer?"),
        (
            "train xor --activation tahn",
            " train",
            "--activation cannot be tahn. Did you mean tanh? Choose from identity",
        ),
        ("train xor --hidden 4,x", " train", "--hidden must be none, or widths with commas between as 10,10, got 4,x."),
        ("train xor --hidden 4,0", " train", "--hidden must be none, or widths with commas between as 10,10, got 4,0."),
        ("train xor --steps 0", " train", "--steps must be a whole number of at least 1, got 0."),
        ("train xor --seed 1.5", " train", "--seed must be a whole number, got 1.5."),
        ("train xor --seed 4294967296", " train", "--seed must be a whole number of at most 32 bits, got 4294967296."),
        ("train xor --stop-below nan", " train", "--stop-below must be a number, got nan."),
        ("train xor --set", " train", "--set needs a value."),
        ("train xor --pl x", " train", "ambiguous option: --pl could match --platform, --plot"),
        ("verify --lecture 9", " verify", "--lecture cannot be 9. Choose from 000, 001, 002, 003, 004, formulas."),
        ("new", " new", "FILE is missing."),
        ("--print-completion cmd", "", "--print-completion cannot be cmd. Choose from bash, zsh, fish."),
    ],
)
def test_wrong_usage_exits_with_2_and_a_sentence(capsys, arguments, command, sentence):
    with pytest.raises(SystemExit) as exit:
        _cli.main(arguments.split())
    out, err = capsys.readouterr()
    said, see = err.splitlines()
    assert (exit.value.code, out) == (2, "") and said.startswith(f"jaxmlp{command}: {sentence}")
    assert see == f"See jaxmlp{command} --help."


def test_numbers_are_read():
    assert (seed("-3"), count(" 12 "), number("1e-3")) == (-3, 12, 0.001)


@pytest.mark.parametrize("shell", _commands.SHELLS)
def test_a_completion_knows_commands_options_choices_and_paths(capsys, shell):
    pytest.importorskip("shtab")
    with pytest.raises(SystemExit) as exit:
        _cli.main(["--print-completion", shell])
    out, err = capsys.readouterr()
    assert (exit.value.code, err) == (0, "")
    assert all(word in out for word in ("check", "verify", "has-value", "bfloat16", "softmax_cross_entropy"))
    files, folders = {
        "bash": ("_shtab_compgen_files", "_shtab_compgen_dirs"),
        "zsh": ("_files", "_files -/"),
        "fish": ("__fish_complete_path", "__fish_complete_directories"),
    }[shell]
    assert files in out and folders in out


def test_a_completion_without_the_extra_says_what_to_install(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert _cli.main(["--print-completion", "bash"]) == 2
    assert capsys.readouterr().err == "jaxmlp: --print-completion needs shtab: pip install 'jaxmlp[completion]'.\n"
