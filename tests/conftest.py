"""Strict JAX, a random key per test, and the platforms in the header."""

import atexit
import gc
import os
import signal
import zlib
from collections import Counter


# Several test processes share one accelerator: none may take its memory whole.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import hypothesis
import jax
import pytest

from .helpers import platforms


# Compiling is most of what these tests cost. XLA's older emitters of fused loops do it in half the time on JAX 0.10 and
# a third on 0.11: they are asked for by an option that XLA passes over where it has none. Programs this small are worth
# neither the parts that XLA cuts them into, to compile them side by side, nor, for a quarter of the processor's time,
# what LLVM does to make them fast: for these there are flags, and a process with one that it does not know XLA stops.
# XLA_FLAGS that are set already, to an empty string even, are left as they are: with one the programs are those that a
# user runs.
FLAGS = {
    "--xla_backend_extra_options=xla_cpu_disable_new_fusion_emitters": (0, 12),
    "--xla_cpu_parallel_codegen_split_count=1": (0, 12),
    "--xla_backend_optimization_level=0": (0, 12),
}
"""What XLA is asked for, each before a version of JAX."""

os.environ.setdefault("XLA_FLAGS", " ".join(flag for flag, end in FLAGS.items() if jax.__version_info__ < end))

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
# The CPU as eight devices, for the tests of sharding; all others use the first.
jax.config.update("jax_num_cpu_devices", 8)
# A GPU multiplies float32 with 10 bits by default; the tests ask about formulas, not about TensorFloat-32.
jax.config.update("jax_default_matmul_precision", "highest")

# What JAX makes of a program is many small objects, and nearly all of them stay: looking through them for garbage every
# 700 new ones, as Python does by default, takes 6 % of the processor's time.
gc.set_threshold(50_000, 20, 20)

# To take all of that apart at the end takes each worker some seconds, in which it does nothing else any more.
if "PYTEST_XDIST_WORKER" in os.environ:
    atexit.register(os._exit, 0)

# No deadline and no complaint about slowness: the first example compiles, and a machine may be busy with other things.
# Derandomized: the same examples on every machine and every run.
hypothesis.settings.register_profile(
    "jaxmlp",
    derandomize=True,
    deadline=None,
    max_examples=20,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("jaxmlp")


def pytest_report_header() -> str:
    found = platforms()
    return f"jaxmlp: platforms {', '.join(found)}{' (no accelerator here)' if found == ['cpu'] else ''}"


def pytest_xdist_auto_num_workers() -> int:
    """A worker more than there are cores: some tests wait for other processes, and for heartbeats that do not come."""
    return len(os.sched_getaffinity(0)) + 1 if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files of long tests first, then those of many: at the end no worker is left alone with one of them."""
    count = Counter(item.path for item in items)
    items.sort(key=lambda item: (item.get_closest_marker("long") is None, -count[item.path]))


@pytest.fixture(autouse=True, scope="module")
def nothing_old_is_collected():
    """What JAX keeps of the programs of a module stays to the end: it need not be looked through for garbage again."""
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture
def getkey(request):
    """A fresh random key at every call, seeded by the test's own name: a new test changes no other."""
    seed, calls = zlib.crc32(request.node.nodeid.encode()), 0

    def next_key():
        nonlocal calls
        calls += 1
        return jax.random.fold_in(jax.random.key(seed), calls)

    return next_key


@pytest.fixture
def usual_signals():
    """Ctrl-C and SIGTERM as in a terminal: what a shell starts in the background is made to ignore Ctrl-C."""
    usual = ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL))
    before = [(number, signal.signal(number, handler)) for number, handler in usual]
    yield
    for number, handler in before:
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def unfiltered():
    """For where errors are raised by the thousand: JAX would look through the frames of each at every level."""
    filtering = jax.config.values["jax_traceback_filtering"]
    jax.config.update("jax_traceback_filtering", "off")
    yield
    jax.config.update("jax_traceback_filtering", filtering)
