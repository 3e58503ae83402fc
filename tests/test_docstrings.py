"""The examples in the docstrings run, and print what they show."""

import doctest
import importlib
import pkgutil
import types

import jax
import pytest

import jaxmlp


# Each is described by what it is part of.
WITHOUT = {
    "Params": "an alias: `Dense` shows what it is made of",
    "__version__": "a string",
}
NAMES = sorted({*dir(jaxmlp), "plot"} - set(WITHOUT))


def examples_of(package):
    """Every docstring with an example in it, by the name of what it describes."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    inside = (found.name for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."))
    for name in (package.__name__, *inside):
        if not name.endswith("__main__"):
            yield from (test for test in finder.find(importlib.import_module(name), globs={}) if test.examples)


EXAMPLES = {test.name: test for test in examples_of(jaxmlp)}


def mistakes_of(example):
    """What an example prints otherwise than it shows; each line of it stands for itself, with no name given to it."""
    said = []
    doctest.DocTestRunner(verbose=False).run(example, out=said.append, clear_globs=False)
    return "".join(said)


def has_example(value):
    """Whether `help` of it shows how to use it."""
    return bool(doctest.DocTestParser().get_examples(value.__doc__ or ""))


@pytest.fixture(autouse=True)
def a_folder_of_its_own(tmp_path, monkeypatch):
    """An example may write files and leave figures open."""
    monkeypatch.chdir(tmp_path)
    pyplot = pytest.importorskip("matplotlib.pyplot")
    with pyplot.rc_context({"backend": "agg"}):
        yield
    pyplot.close("all")


@pytest.mark.parametrize("x64", (True, False), ids=("x64", "as it comes"))
@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_an_example_prints_what_it_shows(name, x64):
    example = EXAMPLES[name]
    example.globs = {"__name__": "__main__"}
    with jax.enable_x64(x64):
        assert not mistakes_of(example)


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_has_an_example(name):
    assert has_example(getattr(jaxmlp, name))


def test_every_name_of_the_rooms_has_an_example():
    for room in (jaxmlp.verify, jaxmlp.plot, importlib.import_module("jaxmlp.lectures")):
        public = {name: getattr(room, name) for name in dir(room) if not name.startswith("_")}
        assert not [name for name, value in public.items() if callable(value) and not has_example(value)], room


def test_a_planted_mistake_and_a_missing_example_are_seen():
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "planted", None, 0)
    assert "Expected:\n    3\nGot:\n    2" in mistakes_of(wrong)
    assert not has_example(lambda: None) and not has_example(types.SimpleNamespace(__doc__="Says much, shows nothing."))
