import numpy as np

from jaxmlp.verify._line._bench import Bench
from jaxmlp.verify._line._edits import Edit
from jaxmlp.verify._line._job import Job
from jaxmlp.verify._line._offers import Offer
from jaxmlp.verify._line._patches import after
from jaxmlp.verify._line._tried import Tried
from jaxmlp.verify._program._sites import Site
from jaxmlp.verify._program._trace import program_of


def doubled(x, y):
    a = x * 2
    return {"x": a * a, "y": y * 3}


X = np.arange(1.0, 4.0)
PROGRAM = program_of(doubled, X, X)
BENCH = Bench(PROGRAM, [[X, X]], ["x", "y"], [{"x": X, "y": X}])
SQUARED, TRIPLED = (int(out) for out in PROGRAM.outputs if isinstance(out, int))
DOUBLED = next(atom for atom in PROGRAM.equations[PROGRAM.makers[SQUARED]].inputs if isinstance(atom, int))
SITE, RUN = Site(None, None, ((0,),)), (0,)


def job(wrong, offer=None):
    facts = {} if offer is None else {"offer": offer}
    edit = Edit("operand", 2.0, lambda c: {RUN[0]: after(0, lambda value, point: value)}, False, facts)
    return Job(SITE, (RUN,), edit, wrong, False, True)


def test_what_was_tried_in_vain_holds_for_those_leaves_alone():
    tried, one = Tried(), job(["x", "y"])
    assert not tried.holds(one, 3)
    tried.add({one: frozenset(("x",))})
    assert tried.holds(job(["x"]), 3)
    assert tried.holds(job(["x", "y"]), 1)
    assert not tried.holds(job(["x", "y"]), 2)
    assert not tried.holds(job(["y"]), 1)


def test_only_what_all_corrections_of_a_kind_were_tried_on_holds():
    tried = Tried()
    tried.add({job(["x", "y"]): frozenset(("x", "y")), job(["x", "y"]): frozenset(("y",))})
    assert not tried.holds(job(["x"]), 1)
    assert tried.holds(job(["y"]), 1)


def test_a_leaf_that_has_changed_is_tried_again():
    tried = Tried()
    tried.add({job(["x", "y"]): frozenset(("x", "y"))})
    tried.apply(BENCH, {PROGRAM.makers[DOUBLED]: after(0, lambda value, point: value + 1)})
    assert not tried.holds(job(["x"]), 1)
    assert tried.holds(job(["y"]), 1)


def test_an_offer_that_has_changed_is_tried_again():
    tried = Tried()
    tried.add({job(["y"]): frozenset(("y",))})
    tried.apply(BENCH, {PROGRAM.makers[DOUBLED]: after(0, lambda value, point: value + 1)})
    changed, same = (Offer(((X,),), None, None, None, (variable,)) for variable in (SQUARED, TRIPLED))
    assert not tried.holds(job(["y"], changed), 1)
    assert tried.holds(job(["y"], same), 1)
