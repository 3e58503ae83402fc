"""What the benchmarks have in common as scripts: two options, and how their figures are written."""

import argparse
import json
import math
from pathlib import Path
from typing import Any


def parser(doc: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="that everything runs, in a few steps")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the figures, besides printing them")
    return parser


def finite(number: float) -> float | None:
    """The number as JSON can hold it, which knows none that is not finite."""
    return float(number) if math.isfinite(number) else None


def write(file: Path | None, figures: Any) -> None:
    if file is not None:
        file.write_text(json.dumps(figures, indent=1, allow_nan=False) + "\n")
