"""What the benchmarks have in common as scripts: two options, and where their figures go."""

import argparse
import json
from pathlib import Path
from typing import Any


def parser(doc: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="that everything runs, in a few steps")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the figures, besides printing them")
    return parser


def write(file: Path | None, figures: Any) -> None:
    if file is not None:
        file.write_text(json.dumps(figures, indent=1) + "\n")
