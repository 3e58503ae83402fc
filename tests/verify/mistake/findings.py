"""What a report finds, in short, and numbers to find it at."""

from jaxmlp import check

from ...helpers import normal


def named(report):
    """The cause and the line of each finding on a wrong gradient."""
    assert report.verdict == "wrong"
    return [(finding.cause, finding.line and finding.line.text) for finding in report.findings]


def first(report):
    """The cause and the line of the first finding on a wrong gradient."""
    return named(report)[0]


def said(loss, grads, *inputs):
    """The cause and the line of each finding on a gradient of this loss."""
    return named(check(loss, grads, *inputs))


def normals(getkey, *shapes):
    """Random arrays of these shapes."""
    return [normal(getkey(), shape) for shape in shapes]
