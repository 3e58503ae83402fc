"""Is a gradient right? Knows nothing of networks: it takes any loss and any gradient of it.

The public names are those in `__init__.pyi`, each imported when it is first used.

Example:
  >>> from jaxmlp.verify import check
  >>> check(lambda w: w * w, lambda w: 2 * w, 3.0).verdict
  'right'
"""

import lazy_loader


__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
