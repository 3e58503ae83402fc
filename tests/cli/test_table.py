import numpy as np
import pytest

from jaxmlp._cli._table import read_table
from jaxmlp._cli._terminal import CommandError


def table(tmp_path, text, target=None):
    path = tmp_path / "data.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_table(path, target)


def test_numbers_alone(tmp_path):
    found = table(tmp_path, "1,2,0.5\n3,4,-1e3\n")
    np.testing.assert_array_equal(found.inputs, [[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(found.targets, [0.5, -1000.0])
    assert (found.classes, found.columns, found.note) == (
        None,
        ("column 1", "column 2"),
        "to predict: column 3, numbers",
    )


def test_a_header_and_text_for_classes(tmp_path):
    found = table(tmp_path, "\ufeffkind, length ,width\nrose,1,2\n\ntulip,3,4\nrose,5,6\n", "kind")
    np.testing.assert_array_equal(found.inputs, [[1, 2], [3, 4], [5, 6]])
    assert (found.classes, found.columns) == (("rose", "tulip"), ("length", "width"))
    np.testing.assert_array_equal(found.targets, [0, 1, 0])
    assert found.note == "a header; to predict: kind, 2 classes (rose, tulip)"


def test_whole_numbers_are_classes_in_their_order(tmp_path):
    found = table(tmp_path, "1,10\n2,9\n3,10\n4,-1\n")
    assert found.classes == ("-1", "9", "10")
    np.testing.assert_array_equal(found.targets, [2, 1, 2, 0])


def test_many_whole_numbers_are_quantities(tmp_path):
    found = table(tmp_path, "".join(f"{i},{i * i}\n" for i in range(150)))
    assert found.classes is None and found.targets[-1] == 149**2


@pytest.mark.parametrize("separator", (";", "\t"))
def test_other_separators(tmp_path, separator):
    found = table(tmp_path, "a,b,c\n1,2,0.5\n3,4,1.5\n".replace(",", separator), "1")
    np.testing.assert_array_equal(found.inputs, [[2.0, 0.5], [4.0, 1.5]])


@pytest.mark.parametrize(
    ("text", "target", "message"),
    (
        ("a,b,y\n1,,0\n2,3,1\n", None, "line 2: b is missing. Fill it in, or leave the line out."),
        ("a,b,y\n1,2,0\n2,NaN,1\n", None, "line 3: b is missing."),
        ("a,b,y\n1,2,0\n2,3\n", None, "line 3 has 2 columns, but line 1 has 3."),
        ("a,b,y\n1,x,0\n2,3,1\n", None, "line 2: b is 'x', and inputs must be numbers: encode it first."),
        ("a,y\n1,0.5\n2,high\n3,0.7\n", None, "example 2: y is 'high', but most others are numbers."),
        ("a,y\n1,5\n2,5\n", None, "y is 5 in every line, so there is nothing to learn."),
        ("a\n1\n", None, "has one column, and needs at least two"),
        ("", None, "is empty."),
        ("\n\n", None, "is empty."),
        ("a,b\n1,2\n", "c", "has no column c: it has a, b."),
        ("a,b\n1,2\n", "3", "has no column 3: it has a, b."),
        (b"\xff\xfe\x00a", None, "is no text in UTF-8."),
        ("".join(f"{i},t{i}\n" for i in range(150)), None, "column 2 holds 150 different texts: too many for classes."),
    ),
)
def test_a_table_that_cannot_be_used_is_refused_with_a_sentence(tmp_path, text, target, message):
    with pytest.raises(CommandError) as refused:
        table(tmp_path, text, target)
    assert message in str(refused.value)
