"""Five lectures on the perceptron, exclusive or and backpropagation, as executable claims.

Each claim is what a lecture printed, what this library computes, how far apart the two may be, and where that
tolerance comes from. `jaxmlp verify` runs them all.
"""

from ._claim import Claim as Claim
from ._run import Lecture as Lecture, LECTURES as LECTURES, run as run
from ._table import failures as failures, table as table
