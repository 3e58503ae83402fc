"""Pictures of a network, its training and its gradient; needs matplotlib, the extra `plot`.

Every function draws on the axes `ax`, or on new ones, and returns them: it shows and saves nothing, and leaves
matplotlib's settings as they are. New axes have no background and are drawn in a grey that stands out from white as
well as from black, so that a picture fits a page of either kind. What colour says is said by a marker, a line style or
lightness too.

Example:
  >>> import jaxmlp
  >>> ax = jaxmlp.plot.loss_curve([0.69, 0.3, 0.1], label="made up")
  >>> ax.figure.savefig("loss.svg")
"""

try:
    import matplotlib as _matplotlib  # noqa: F401
except ImportError:
    raise ImportError("jaxmlp.plot needs matplotlib: pip install 'jaxmlp[plot]'.") from None

from ._canvas import panels as panels
from ._errors import gradient_errors as gradient_errors
from ._graph import computational_graph as computational_graph
from ._lines import lines_of_units as lines_of_units
from ._loss_curve import loss_curve as loss_curve
from ._matrices import matrix_product as matrix_product
from ._regions import decision_regions as decision_regions
from ._surface import loss_surface as loss_surface
