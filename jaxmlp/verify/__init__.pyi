from ._check import (
    assert_gradients as assert_gradients,
    check as check,
    check_pair as check_pair,
    check_rule as check_rule,
)
from ._nonfinite._report import NonfiniteReport as NonfiniteReport
from ._nonfinite._training import trace_nonfinite as trace_nonfinite
from ._report._gradient_report import (
    Finding as Finding,
    GradientError as GradientError,
    GradientReport as GradientReport,
    LeafCheck as LeafCheck,
    Line as Line,
)
