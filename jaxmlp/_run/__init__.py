"""The host's loop round `fit`. Stands on the core and on `verify`, and neither knows it."""

from ._result import History as History, RunResult as RunResult
from ._run import run as run
