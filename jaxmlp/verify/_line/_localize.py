"""Which line: the statement whose correction makes leaves right, and the least that has to be corrected in it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from .._program._sites import Site
from ._addends import in_an_addend
from ._at_a_factor import (
    at_a_constant_slope,
    at_a_count,
    at_a_division,
    at_a_named_number,
    at_a_part_of_a_slope,
    at_another_slope,
    at_what_cuts,
)
from ._bench import Bench
from ._carried import handed_on
from ._collected import in_its_pieces, where_it_was_put_in
from ._matching import Known
from ._offers import Offer
from ._quantities import Knowledge
from ._relocate import where_it_is_made
from ._search import Mistake as Mistake, Search
from ._signs import where_it_turns
from ._tried import Tried


def localized(
    bench: Bench,
    sites: Sequence[Site],
    offers: Sequence[Offer],
    knowledge: Knowledge,
    wrong: Sequence[str],
    batches: frozenset[int],
    *,
    planted: frozenset[str] | None = None,
) -> Iterator[Mistake]:
    """The mistakes, peeled off one after another: that which makes most leaves wrong comes first.

    The bench is left with all of them corrected. With `planted`, which names the kinds of edits to try, the program is
    right, and it is mistakes that are put into it, to give what the truth of the bench stands for.
    """
    left, tried = list(wrong), Tried()
    cotangents, values = Known(knowledge.cotangents.values()), Known(knowledge.values.values())
    while left:
        found = Search(bench, sites, offers, knowledge, left, batches, planted, tried).best()
        if found is None:
            return
        if planted is None:
            statements = [site for site in sites if not site.is_formula]
            moved = handed_on(bench, statements, where_it_is_made(bench, statements, found), cotangents)
            moved = in_an_addend(bench, statements, where_it_was_put_in(bench, statements, moved), cotangents)
            moved = in_its_pieces(bench, statements, moved, cotangents, [*knowledge.values.values()])
            moved = at_what_cuts(bench, statements, at_a_count(bench, statements, moved, batches))
            moved = at_a_constant_slope(bench, statements, at_another_slope(bench, statements, moved))
            moved = at_a_division(bench, statements, at_a_named_number(bench, statements, moved, batches))
            moved = at_a_part_of_a_slope(bench, statements, moved, knowledge.slopes.values())
            moved = where_it_turns(bench, statements, moved, cotangents, values)
            if moved is not found:  # what is put in place there may make more leaves right
                others = (path for path in left if path not in moved.leaves and bench.is_right(path, moved.patches))
                found = replace(moved, leaves=(*moved.leaves, *others))
        yield found
        bench.apply(found.patches)
        tried.apply(bench, found.patches)
        left = [path for path in left if path not in found.leaves]
