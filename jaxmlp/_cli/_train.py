"""`jaxmlp train`: a network, from the command line."""

import argparse
from pathlib import Path
from typing import Any

from ._files import check_destination
from ._parser import count, number, seed, TakesFile, TakesFolder
from ._terminal import CommandError, loading


ACTIVATIONS = (
    *("identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "softplus", "silu", "gelu", "gelu_tanh", "softmax"),
)
LOSSES = ("bce", "bce_with_logits", "half_squared_error", "mean_squared_error", "softmax_cross_entropy")
INITS = ("torch", "glorot", "he", "normal")
PLATFORMS = ("cpu", "gpu", "tpu")
DTYPES = ("float16", "bfloat16", "float32", "float64")
GRADIENTS = ("hand", "autodiff", "both")

_DESCRIPTION = """\
Train a network on a gate, a data set or a table.

It is a multi-layer perceptron, and DATA one of

  and, or, nand, nor, xor, xnor  the truth table of a gate
  parity:N                       all inputs of N bits, and whether an odd number
                                 of them is set
  spirals, spirals:N             N points on two spiral arms (default: 200)
  digits                         1,797 handwritten digits of 8 by 8 pixels
                                 (needs jaxmlp[data])
  FILE.csv                       numbers; the last column, or that of --target,
                                 is to be predicted. Text and whole numbers
                                 there are classes. A first line without numbers
                                 is a header
  FILE.npz                       arrays x, (n, inputs), and y, (n,) or
                                 (n, outputs); whole numbers are classes

The exit status is 0 if all steps were made, 1 if the loss or a parameter became
NaN or infinite, the two gradients part, or the last checkpoint or the metrics
could not be written, 2 for wrong usage, and 130 after Ctrl-C.
"""
_EXAMPLES = """\
examples:
  jaxmlp train xor
  jaxmlp train xor --hidden 4 --optimizer sgd --set learning_rate=1 --seeds 100
  jaxmlp train digits --hidden 64,32 --activation relu --batch-size 64
  jaxmlp train iris.csv --target species --steps 5000 --plot loss.png
  jaxmlp train xor --optimizer 'chain(clip_by_global_norm(1.0), adam(0.02))'
  jaxmlp train spirals --checkpoint runs/1 --metrics runs/1.jsonl --resume
"""


def add_train(commands: Any) -> None:
    """Add the command to the parser's `commands`."""
    train = commands.add_parser(
        "train",
        help="train a network on a gate, a data set or a table",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        usage="%(prog)s DATA [OPTION ...]",
    )
    train.add_argument("data", action=TakesFile, metavar="DATA", help="what to learn")
    train.add_argument("--target", metavar="COLUMN", help="of a .csv file: the column to predict (default: the last)")
    network = train.add_argument_group("network")
    network.add_argument("--hidden", type=_widths, default=(8,), metavar="WIDTHS", help="10,10 or none (default: 8)")
    network.add_argument(
        "--activation",
        choices=ACTIVATIONS,
        default="tanh",
        metavar="NAME",
        help=f"{', '.join(ACTIVATIONS)} (default: tanh)",
    )
    network.add_argument(
        "--output", choices=ACTIVATIONS, metavar="NAME", help="the last activation (default: by the loss)"
    )
    network.add_argument("--loss", choices=LOSSES, metavar="NAME", help=f"{', '.join(LOSSES)} (default: by the data)")
    network.add_argument(
        "--init", choices=INITS, default="torch", help="how to draw the first parameters (default: torch)"
    )
    network.add_argument("--dtype", choices=DTYPES, default="float32", help="what to compute in (default: float32)")
    training = train.add_argument_group("training")
    training.add_argument("--optimizer", default="adam", metavar="NAME", help="of optax, or a call (default: adam)")
    training.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="arguments of the optimizer")
    training.add_argument("--steps", type=count, default=2000, metavar="N", help="updates (default: 2000)")
    training.add_argument("--batch-size", type=count, metavar="N", help="examples a step (default: all)")
    training.add_argument("--seed", type=seed, default=0, metavar="N", help="of all that is random (default: 0)")
    training.add_argument("--seeds", type=count, metavar="N", help="train N networks at once, from N seeds on")
    training.add_argument("--gradient", choices=GRADIENTS, default="hand", help="both: train by hand, and compare")
    training.add_argument("--chunk", type=count, metavar="N", help="steps between two looks (default: by the sizes)")
    training.add_argument("--stop-below", type=number, metavar="LOSS", help="end when the loss of all data is below")
    training.add_argument("--platform", choices=PLATFORMS, help="where to compute (default: JAX's choice)")
    training.add_argument("--devices", type=count, metavar="N", help="share the seeds, or the examples, among N")
    files = train.add_argument_group("files")
    files.add_argument(
        "--checkpoint", type=Path, action=TakesFolder, metavar="DIR", help="save it there (needs jaxmlp[checkpoint])"
    )
    files.add_argument(
        "--checkpoint-seconds", type=number, default=30.0, metavar="S", help="at least between two (default: 30)"
    )
    files.add_argument("--resume", action="store_true", help="go on with the training in the checkpoint folder")
    files.add_argument("--metrics", type=Path, action=TakesFile, metavar="FILE", help="a line of JSON for every chunk")
    files.add_argument(
        "--plot", type=Path, action=TakesFile, metavar="FILE", help="the loss: .png, .svg, .pdf (needs jaxmlp[plot])"
    )
    files.add_argument("--no-progress", action="store_true", help="no line that shows how far it is")
    train.set_defaults(run=_train)


def _train(args: argparse.Namespace) -> int:
    if args.resume and not args.checkpoint:
        raise CommandError("--resume needs --checkpoint DIR: the folder that holds the training.")
    if args.plot and args.plot.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise CommandError(f"--plot {args.plot} must end in .png, .svg or .pdf.")
    for path in (args.metrics, args.plot):
        if path:
            check_destination(path)
    with loading():
        from ._dataset import dataset

        data = dataset(args.data, target=args.target)

        from ._training import train

    return train(args, data)


def _widths(text: str) -> tuple[int, ...]:
    try:
        return () if text == "none" else tuple(count(width) for width in text.split(","))
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"must be none, or widths with commas between as 10,10, got {text}.") from None
