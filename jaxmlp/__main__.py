"""`python -m jaxmlp`, where the folder of the command `jaxmlp` is not on the search path."""

import sys

from ._cli import main


if __name__ == "__main__":
    sys.exit(main())
