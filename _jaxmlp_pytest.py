"""The pytest plugin. It stands outside the package, so that pytest loads it in every project without importing JAX."""

from collections.abc import Callable, Sequence
from typing import Any, TYPE_CHECKING

import pytest


if TYPE_CHECKING:
    from jaxmlp import GradientReport


PLATFORMS = ("cpu", "gpu", "tpu", "all-available")
DTYPES = ("float16", "bfloat16", "float32", "float64")

# Where a check runs: the platform and the dtype of its inputs, None where the test decides.
Place = tuple[str | None, str | None]


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options and their settings for the configuration file."""
    group = parser.getgroup("jaxmlp", "jaxmlp: hand-written gradients")
    for name, choices, help in (
        ("platform", PLATFORMS, "run `assert_gradients` on this platform; skipped where there is none"),
        ("dtype", DTYPES, "run `assert_gradients` with all floating inputs in this dtype"),
    ):
        shown = f"{help}; repeat it for several"
        group.addoption(f"--jaxmlp-{name}", action="append", choices=choices, dest=f"jaxmlp_{name}", help=shown)
        parser.addini(f"jaxmlp_{name}", type="args", default=[], help=f"{help}; several with blanks between")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each platform and dtype asked for, where a test asserts gradients."""
    if "assert_gradients" in metafunc.fixturenames:
        places = _places(metafunc.config)
        if places != [(None, None)]:
            ids = ["-".join(filter(None, place)) for place in places]
            metafunc.parametrize("assert_gradients", places, ids=ids, indirect=True)


@pytest.fixture(scope="session")
def assert_gradients(request: pytest.FixtureRequest) -> Callable[..., "GradientReport"]:
    """`assert_gradients(loss, grads, params, *args, has_value=False)`: the test fails unless `grads` is the gradient.

    As `jaxmlp.assert_gradients`, but on the platforms and in the dtypes of `--jaxmlp-platform` and `--jaxmlp-dtype`,
    and what a failure shows is the report and the user's own lines.
    """
    platform, dtype = getattr(request, "param", None) or _the_only(_places(request.config))

    from jaxmlp import check, GradientError
    from jaxmlp._frames import without_our_frames
    from jaxmlp._placement import first_device, placed

    if platform:
        try:
            first_device(platform)
        except LookupError as error:
            pytest.skip(str(error))
    has_all_frames = request.config.getoption("fulltrace")

    def assert_gradients(
        loss: Callable[..., Any], grads: Callable[..., Any], params: Any, *args: Any, has_value: bool = False
    ) -> "GradientReport":
        __tracebackhide__ = True
        try:
            with placed((params, args), platform=platform, dtype=dtype) as (params, args):
                report = check(loss, grads, params, *args, has_value=has_value)
        except Exception as error:
            if not has_all_frames:
                without_our_frames(error)
            raise
        if not report.ok:
            raise GradientError(report)
        return report

    return assert_gradients


def _places(config: pytest.Config) -> list[Place]:
    """Every platform with every dtype that the command line asks for, or else the configuration file."""
    platforms = _asked(config, "platform", PLATFORMS)
    if "all-available" in platforms:
        from jaxmlp._placement import available_platforms

        platforms = [*dict.fromkeys((*platforms, *available_platforms()))]
        platforms.remove("all-available")
    dtypes = _asked(config, "dtype", DTYPES)
    return [(platform, dtype) for platform in platforms or (None,) for dtype in dtypes or (None,)]


def _asked(config: pytest.Config, name: str, choices: Sequence[str]) -> list[str]:
    asked = config.getoption(f"jaxmlp_{name}") or config.getini(f"jaxmlp_{name}")
    for value in asked:
        if value not in choices:
            raise pytest.UsageError(f"jaxmlp_{name} must be one of {', '.join(choices)}, got {value!r}.")
    return list(dict.fromkeys(asked))


def _the_only(places: list[Place]) -> Place:
    """Where a fixture that was asked for at run time checks: then it is too late to make several tests of one."""
    if len(places) > 1:
        raise pytest.UsageError(
            "assert_gradients was asked for at run time, when a test can no longer be run once for each of "
            f"{len(places)} platforms and dtypes: take it as an argument of the test."
        )
    return places[0]
