"""Where in a function's own source an equation stands."""

import ast
import functools
import inspect
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from jaxmlp.verify._program._source import _called_back, caller, Source
from jaxmlp.verify._program._stacks import Frame
from jaxmlp.verify._program._trace import traced


def plain(params, x):
    """A gradient with a statement of every kind."""
    z = x @ params["w"]
    grads = {}
    grads["w"] = jnp.matmul(
        x.T,
        2 * z,
    )
    if len(x) > 1:
        z += 1
    for row in x:
        z = z + row.sum()
    dz = z
    a, b = dz, dz
    return {
        "w": grads["w"],
        "b": dz.sum(axis=0),
        "c": a + b,
    }  # the end


def line_of(function, text, occurrence=0):
    """The number of the line of `function` that holds `text`."""
    lines, first = inspect.getsourcelines(inspect.unwrap(function))
    return first + [offset for offset, line in enumerate(lines) if text in line][occurrence]


def frame_in(function, text, occurrence=0):
    return Frame(__file__, line_of(function, text, occurrence), function.__name__)


def statement_at(function, text, occurrence=0):
    found = Source(function).statement(frame_in(function, text, occurrence))
    assert found is not None
    return found


def test_a_source_knows_its_file_its_lines_and_its_definition():
    source = Source(plain)
    first = line_of(plain, "def plain")
    assert source.file == __file__
    assert source.lines[0] == first and line_of(plain, "# the end") - 1 in source.lines
    assert source.text[first - 1] == "def plain(params, x):\n"
    assert isinstance(source.definition, ast.FunctionDef) and source.definition.name == "plain"


@pytest.mark.parametrize(
    ("text", "target", "length"),
    (
        ("z = x @", "z", 1),
        ("2 * z", 'grads["w"]', 4),
        ("z += 1", "z", 1),
        ("z = z + row", "z", 1),
        ("for row", None, 1),
        ("if len", None, 1),
        ("a, b = dz", "(a, b)", 1),
        ("return {", None, 5),
        ('"b": dz.sum', None, 1),
    ),
)
def test_the_statement_that_a_line_belongs_to(text, target, length):
    statement = statement_at(plain, text)
    assert (statement.target or "").replace("'", '"') == (target or "")
    assert statement.last - statement.first + 1 == length


def test_statements_come_in_the_order_of_the_lines():
    firsts = [statement.first for statement in Source(plain).statements]
    assert firsts == sorted(firsts) and len(firsts) == len(set(firsts))


def test_no_statement_stands_on_a_line_outside():
    assert Source(plain).statement(Frame(__file__, 1, "<module>")) is None
    assert Source(plain).statement(Frame("<nowhere>", 1, "plain")) is None


def as_tuple(x):
    total = x.sum()
    return (
        x,
        total,
    )


def as_keywords(x):
    total = x.sum()
    return dict(
        w=x,
        b=total,
    )


def as_one_line(x):
    total = x.sum()
    total = 2 * total
    return {"w": x, "b": total}


def as_name(x):
    grads = {"w": x}
    return grads


@pytest.mark.parametrize(
    ("function", "path", "text"),
    (
        (plain, "b", '"b": dz.sum'),
        (plain, "w", '"w": grads["w"]'),
        (as_tuple, "1", "        total"),
        (as_keywords, "b", "b=total"),
        (as_one_line, "b", "return"),
        (as_name, "w", "return grads"),
        (plain, "unheard of", "return {"),
    ),
)
def test_where_a_leaf_is_returned(function, path, text):
    frame, statement = Source(function).returned(path)
    assert frame == frame_in(function, text)
    assert statement is not None and statement.first == line_of(function, text)


@pytest.mark.parametrize(
    ("function", "path"), ((as_one_line, "b"), (as_tuple, "1"), (as_keywords, "b")), ids=("dict", "tuple", "keywords")
)
def test_the_last_assignment_to_what_is_returned(function, path):
    found = Source(function).assigned(path)
    assert found is not None and found[1] is not None and found[1].target == "total"
    assert found[0] == frame_in(function, "total = ", -1)


def test_what_is_returned_without_a_name_has_no_assignment():
    assert Source(plain).assigned("b") is None and Source(as_name).assigned("w") is None


class Network:
    """A gradient as a method, and as the object itself."""

    def grads(self, x):
        return 2 * x

    def __call__(self, x):
        return 3 * x


def wrapping(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args)

    return wrapper


@jax.jit
def decorated(x):
    y = 2 * x
    return y


tripled = lambda x: 3 * x


@pytest.mark.parametrize(
    ("function", "written"),
    (
        (jax.jit(plain), plain),
        (functools.partial(plain, {}), plain),
        (jax.jit(functools.partial(jax.checkpoint(plain), {})), plain),
        (wrapping(plain), plain),
        (Network().grads, Network.grads),
        (jax.jit(Network().grads), Network.grads),
        (Network(), Network.__call__),
        (tripled, tripled),
        (decorated, inspect.unwrap(decorated)),
    ),
    ids=("jit", "partial", "all three", "wraps", "method", "jit of a method", "object", "lambda", "decorated"),
)
def test_the_function_that_the_user_wrote_is_found(function, written):
    source = Source(function)
    assert source.code is written.__code__ and source.file == __file__
    assert source.definition is not None
    assert source.lines.start == written.__code__.co_firstlineno


def test_a_decorated_function_has_its_statements():
    assert [statement.target for statement in Source(decorated).statements] == ["y", None]


@pytest.mark.parametrize("function", (len, jnp.add, functools.partial(max, 0)), ids=("builtin", "ufunc", "partial"))
def test_a_function_of_a_library_is_no_source_of_ours(function):
    source = Source(function)
    assert source.file != __file__ and not source.is_own(frame_in(plain, "z = x @"))


def test_code_without_a_file_has_neither_statements_nor_text():
    namespace = {}
    # Not "<string>", the name of what `python -c` runs, whose text Python 3.13 knows.
    exec(compile("def grads(x):\n    y = 2 * x\n    return y\n", "<made>", "exec"), namespace)
    source = Source(namespace["grads"])
    assert source.file == "<made>" and source.text == [] and source.statements == []
    assert source.definition is None and source.returned("w") == (None, None)
    assert source.assigned("w") is None
    [frame] = source.places(traced(namespace["grads"], jnp.ones(3)))
    assert frame is not None and frame.number == 2, "the number of the line is still known"
    assert source.statement(frame) is None


OWN, NESTED = (frame_in(plain, text) for text in ("z = x @", "dz = z"))
HELPER, OTHER = Frame("helpers.py", 3, "helper"), Frame("helpers.py", 9, "other")


def test_the_frame_of_a_function_is_its_own_line_or_that_of_what_jax_calls_back_in_it():
    source = Source(plain)
    assert source.frame([(HELPER, OWN)]) == source.frame([(), (HELPER,), (OWN,)]) == OWN
    assert source.frame([(NESTED, OWN)]) == OWN, "a function within, which the line calls"
    assert source.frame([(NESTED, None, OWN)]) == NESTED and source.frame([(HELPER, None)]) is None


def test_what_calls_a_function_is_the_line_after_its_last():
    assert caller([(HELPER, OWN)], HELPER) == caller([(), (HELPER, HELPER, None, OWN, NESTED)], HELPER) == OWN
    assert caller([(HELPER,), (OTHER, OWN)], HELPER) is None and caller([(HELPER, OWN)], None) is None


def test_an_equation_that_jax_makes_of_a_function_stands_where_that_calls():
    """As those of `jax.grad(f)`, from which `f` is called back and the gradient is not."""
    made: Any = lambda *stacks: SimpleNamespace(stacks=stacks)
    assert _called_back(made((), (HELPER, OTHER, None, OWN)), {}) == OTHER
    assert _called_back(made((), (None, OWN)), {}) is None


def formula(z):
    """One statement of one argument: a formula."""
    return 1 - jnp.tanh(z) ** 2


def with_default(z, scale=2.0):
    return scale * jnp.cos(z)


def backward(w, dz):
    return dz @ w.T


def returning_two(z):
    return jnp.sin(z), jnp.exp(z)


def of_three_statements(z):
    one = jnp.log(z)
    two = one + 1
    return two


def calling(w, z):
    a = formula(z)
    b = with_default(a)
    c = backward(w, b)
    d, e = returning_two(c)
    f = of_three_statements(d + e)
    return (lambda v: v / 7)(f)


@pytest.mark.parametrize(
    ("primitive", "function", "text"),
    (
        ("tanh", calling, "a = formula"),
        ("cos", calling, "b = with_default"),
        ("dot_general", backward, "return dz @ w.T"),
        ("exp", returning_two, "return jnp.sin"),
        ("log", of_three_statements, "one = "),
        ("div", calling, "return (lambda"),
    ),
)
def test_an_equation_stands_in_a_helper_that_is_worth_a_look(primitive, function, text):
    program = traced(calling, jnp.ones((3, 3)), jnp.ones((2, 3)))
    places = Source(calling).places(program)
    [place] = [place for place, equation in zip(places, program.equations, strict=True) if equation.name == primitive]
    assert place == frame_in(function, text)


def test_a_function_that_is_called_back_stands_in_itself():
    def outer(xs):
        def body(total, x):
            total = total + 2 * x
            return total, None

        return jax.lax.scan(body, 0.0, xs)[0]

    program = traced(outer, jnp.ones(3))
    places = Source(outer).places(program)
    found = {place.number for place, e in zip(places, program.equations, strict=True) if place and e.name == "mul"}
    assert found == {line_of(outer, "total + 2 * x")}


def test_an_equation_of_nobody_stands_nowhere():
    program = traced(formula, jnp.ones(3))
    assert set(Source(calling).places(program)) == {None}
