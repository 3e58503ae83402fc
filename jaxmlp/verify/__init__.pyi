from ._check import (
    assert_gradients as assert_gradients,
    check as check,
    check_pair as check_pair,
    check_rule as check_rule,
)
from ._nonfinite import trace_nonfinite as trace_nonfinite
from ._nonfinite_report import NonfiniteReport as NonfiniteReport
from ._report import (
    Finding as Finding,
    GradientError as GradientError,
    GradientReport as GradientReport,
    LeafCheck as LeafCheck,
    Line as Line,
)
