"""Is a hand-written gradient right, which line is wrong, and what is the mistake?

The public names are those in `__init__.pyi`. Each is imported when it is first used: the command line answers without
waiting for JAX.

Example:
  >>> import jaxmlp
  >>> jaxmlp.check(lambda w: w * w, lambda w: -2 * w, 3.0).findings[0].cause
  'sign'
"""

import lazy_loader


__getattr__, _, _names = lazy_loader.attach_stub(__name__, __file__)
# `plot` needs matplotlib, and `help(jaxmlp)` and `from jaxmlp import *` ask for every name.
_names.remove("plot")
__dir__, __all__ = _names.copy, _names
