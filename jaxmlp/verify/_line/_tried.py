"""What has been tried in vain and need not be again, while several mistakes are peeled off one after another."""

from collections.abc import Mapping
from typing import TypeAlias

from .._program._sites import Site
from ._bench import Bench, Patches
from ._job import Job
from ._offers import Instances


_Key: TypeAlias = tuple[Site, Instances, str, bool, bool]
"""A statement, those of its executions that are corrected, and how: the kind of edit, whether it is tried in any case,
and whether the statement is right in itself."""


def _key(job: Job) -> _Key:
    return job.site, job.instances, job.edit.kind, job.is_quick, job.innocent


class Tried:
    """Of which statements which leaves cannot be made right."""

    def __init__(self) -> None:
        self._leaves: dict[_Key, frozenset[str]] = {}
        self._changed = set[int]()

    def holds(self, job: Job, most: int) -> bool:
        """Whether a correction was tried on as many of its leaves as are tried at `most`, and nothing has changed."""
        known = self._leaves.get(_key(job), frozenset()).intersection(job.wrong)
        if len(known) < min(most, len(job.wrong)):
            return False
        offer, patches = job.edit.facts.get("offer"), job.edit.patches(1.0)
        read = {*(offer.variables if offer else ()), *(getattr(patch, "reads", None) for patch in patches.values())}
        return self._changed.isdisjoint(read)

    def add(self, in_vain: Mapping[Job, frozenset[str]]) -> None:
        """Note on which leaves corrections were tried in vain."""
        leaves: dict[_Key, frozenset[str]] = {}
        for job, paths in in_vain.items():
            leaves[_key(job)] = leaves.get(_key(job), paths) & paths
        self._leaves |= leaves

    def apply(self, bench: Bench, patches: Patches) -> None:
        """Take into account what `patches` change."""
        program, paths = bench.program, bench.reached(tuple(patches))
        self._leaves = {key: leaves.difference(paths) for key, leaves in self._leaves.items()}
        for index in range(min(patches, default=len(program.equations)), len(program.equations)):
            equation = program.equations[index]
            if index in patches or not self._changed.isdisjoint(a for a in equation.inputs if isinstance(a, int)):
                self._changed.update(equation.outputs)
