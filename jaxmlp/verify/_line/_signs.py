"""Where a wrong sign stands, if several statements could make up for it: where it turns, or ought to turn."""

from collections.abc import Sequence
from dataclasses import replace

from .._program._sites import results, Site
from .._program._trace import Literal
from ._bench import Bench
from ._edits import Edit
from ._matching import Known
from ._patches import after
from ._relate import same
from ._search import Mistake


def where_it_turns(bench: Bench, sites: Sequence[Site], mistake: Mistake, cotangents: Known, values: Known) -> Mistake:
    """The same mistake at the first statement that gives a cotangent of another sign than all that it reads, and none
    of the `values` of the forward pass.

    A cotangent may have the other sign all the way, as with `y - out` for `out - y`, until a leaf is made of it. If
    right leaves get theirs in the statements that make them, the wrong leaf lacks it there.
    """
    is_a_sign = mistake.edit.kind == "negated" or (mistake.edit.kind == "scale" and mistake.factor == -1)
    if not is_a_sign or len(mistake.instances) != 1:
        return mistake
    way = [
        (site, out)
        for site in sites
        if len(site.instances) == 1 and not site.leaf
        for out in results(bench.program, site.instances[0])
        if values.find(bench.run.at(out)) is None and _makes_up(bench, out, mistake)
    ]
    owners = {out: site for site in sites for run in site.instances for out in results(bench.program, run)}
    others = [_made(bench, path) for path in bench.leaves if path not in mistake.leaves and bench.is_right(path, {})]
    made = [_made(bench, path) for path in mistake.leaves]
    turned = [_negates(bench, owners[out]) for out in others if out in owners]
    if mistake.site not in [site for site, _ in way]:
        # A value of the forward pass is right: what should turn its cotangent may only pass it on.
        found = [pair for pair in way if _passes_on(bench, *pair)]
    elif found := [pair for pair in way if _turns(bench, *pair, cotangents)]:
        # Where a leaf is made, the sign may be turned on purpose: then it was wrong before.
        on_purpose = [out in made and _negates(bench, site) and (any(turned) or not turned) for site, out in found]
        found = [pair for pair, is_meant in zip(found, on_purpose, strict=True) if not is_meant] or way
    elif any(turned):
        found = [(site, out) for site, out in way if out in made and not _negates(bench, site)]
    if not found:
        return mistake
    # The slope that it multiplies by may be what has the wrong sign.
    read = {atom for index in found[0][0].instances[0] for atom in bench.program.equations[index].inputs}
    slopes = [pair for pair in way if pair[1] in read and not cotangents.signs(bench.run.at(pair[1]))]
    return _at(bench, *(slopes or found)[0], mistake)


def _makes_up(bench: Bench, out: int, mistake: Mistake) -> bool:
    """Whether the same leaves would come right, and no other one wrong, if a result had the other sign."""
    maker = bench.program.makers[out]
    reached = bench.reached((maker,))
    if bench.run.at(out)[0].dtype.kind != "f" or not set(mistake.leaves).issubset(reached):
        return False
    patches = _edit(bench, out, 0, mistake).patches(-1.0)
    return all(bench.is_right(path, patches) for path in reached if path in mistake.leaves or bench.is_right(path, {}))


def _turns(bench: Bench, site: Site, out: int, cotangents: Known) -> bool:
    """Whether a statement gives a cotangent of another sign than it reads any in."""
    equations = [bench.program.equations[index] for index in site.instances[0]]
    made = {result for equation in equations for result in equation.outputs}
    read = {atom for equation in equations for atom in equation.inputs if isinstance(atom, int)} - made
    signs = set[float]().union(*(cotangents.signs(bench.run.at(atom)) for atom in read))
    return bool(signs) and signs.isdisjoint(cotangents.signs(bench.run.at(out)))


def _passes_on(bench: Bench, site: Site, out: int) -> bool:
    """Whether a statement gives what it reads as it is."""
    read = {atom for index in site.instances[0] for atom in bench.program.equations[index].inputs}
    return any(isinstance(atom, int) and same(bench.run.at(atom), bench.run.at(out)) for atom in read - {out})


def _negates(bench: Bench, site: Site) -> bool:
    """Whether a statement turns the sign of something, by an operation or a number of its own."""
    equations = [bench.program.equations[index] for run in site.instances for index in run]
    factors = [atom for equation in equations if equation.name in ("mul", "div") for atom in equation.inputs]
    is_negative = any((atom.value < 0).all() for atom in factors if isinstance(atom, Literal))
    return is_negative or any(equation.name == "neg" for equation in equations)


def _made(bench: Bench, path: str) -> int | None:
    """What is returned as a leaf."""
    [atom] = bench.program.equations[bench.program.makers[bench.leaves[path]]].inputs
    return atom if isinstance(atom, int) else None


def _edit(bench: Bench, out: int, position: int, mistake: Mistake) -> Edit:
    maker, place = bench.program.made_by(out)
    scaled = lambda c: {maker: after(place, lambda value, point: c * value)}
    return Edit("scale", mistake.edit.cost, scaled, True, {"position": position})


def _at(bench: Bench, site: Site, out: int, mistake: Mistake) -> Mistake:
    outs = results(bench.program, site.instances[0])
    if site is mistake.site:
        return mistake
    edit = _edit(bench, out, outs.index(out), mistake)
    return replace(
        mistake, site=site, instances=site.instances, edit=edit, factor=-1.0, patches=edit.patches(-1.0), innocent=False
    )
