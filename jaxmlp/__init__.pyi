from . import plot as plot, verify as verify
from ._activations import (
    Activation as Activation,
    elu as elu,
    gelu as gelu,
    gelu_tanh as gelu_tanh,
    identity as identity,
    leaky_relu as leaky_relu,
    relu as relu,
    sigmoid as sigmoid,
    silu as silu,
    softmax as softmax,
    softplus as softplus,
    tanh as tanh,
)
from ._data import (
    boolean_functions as boolean_functions,
    digits as digits,
    gate as gate,
    parity as parity,
    spirals as spirals,
)
from ._init import init_params as init_params
from ._losses import (
    bce as bce,
    bce_stabilized as bce_stabilized,
    bce_with_logits as bce_with_logits,
    half_squared_error as half_squared_error,
    Loss as Loss,
    mean_squared_error as mean_squared_error,
    softmax_cross_entropy as softmax_cross_entropy,
)
from ._mlp import (
    backward as backward,
    forward as forward,
    loss_and_grads as loss_and_grads,
    loss_value as loss_value,
    predict as predict,
)
from ._options import small_network_options as small_network_options
from ._population import population as population
from ._run import History as History, run as run, RunResult as RunResult
from ._train import fit as fit, TrainState as TrainState
from ._types import Dense as Dense, Params as Params
from ._version import __version__ as __version__
from .verify import (
    assert_gradients as assert_gradients,
    check as check,
    check_pair as check_pair,
    check_rule as check_rule,
    Finding as Finding,
    GradientError as GradientError,
    GradientReport as GradientReport,
    LeafCheck as LeafCheck,
    Line as Line,
    NonfiniteReport as NonfiniteReport,
    trace_nonfinite as trace_nonfinite,
)
