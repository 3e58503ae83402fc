"""Which executions of a statement are corrected by themselves: those of one end, of one leaf, of none that is right."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp.verify._line._bench import Bench
from jaxmlp.verify._line._some_runs import some_runs
from jaxmlp.verify._program._sites import sites
from jaxmlp.verify._program._source import Source
from jaxmlp.verify._program._trace import traced


def in_a_chain(u, v, w):
    e, each = u * w, []
    for _ in range(3):
        e = jnp.sin(e) * v
        each.append(e)
    return each[1] * 2, each[2] * 3, each[2] * each[0]


def side_by_side(u, v, w):
    each = []
    for n in range(3):
        e = jnp.sin(u) * n
        each.append(e)
    return each[0] + v, each[0] * each[1] * w, each[2] + v


@pytest.mark.parametrize(
    ("function", "reached", "wrong", "runs"),
    (
        # Each run goes on from the one before, so that only the last leads to a leaf by itself.
        (in_a_chain, "", "", [(2,)]),
        (in_a_chain, "u", "", [(1,), (2,), (0, 1)]),
        (in_a_chain, "v", "", [(2,)]),
        (in_a_chain, "w", "", [(2,)]),
        (in_a_chain, "", "vw", [(2,)]),
        (in_a_chain, "uv", "uv", [(1,), (2,), (0, 1)]),
        # No run comes of another.
        (side_by_side, "", "", []),
        (side_by_side, "u", "", [(0,)]),
        (side_by_side, "v", "", [(0, 1)]),
        (side_by_side, "", "v", [(1,)]),
        (side_by_side, "", "uv", [(0, 1)]),
        (side_by_side, "", "w", [(2,)]),
    ),
)
def test_the_runs_that_may_be_wrong_where_not_all_are(function, reached, wrong, runs):
    point = [np.array([0.3, 0.7]) + n for n in range(3)]
    bench = Bench(traced(function, *point), [point], [*"uvw"], [dict(zip("uvw", point, strict=True))])
    source = Source(function)
    found = sites(bench.program, source, [*"uvw"])
    [site] = [s for s in found if s.frame and "sin(" in source.text[s.frame.number - 1]]
    assert len(site.instances) == 3
    chosen = some_runs(bench, site, [*reached], [*wrong])
    assert [tuple(map(site.instances.index, each)) for each in chosen] == runs
