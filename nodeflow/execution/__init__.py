"""Execution: what has to run, what does not, and why.

`plan` turns a graph into steps with keys, without running anything. `Cache` keeps results under their keys on the
device, on the host and on disk. `Executor.run` computes what a plan still lacks and returns a `Report`.

Stands on values, nodes, packs and graph. No torch is imported here: values move themselves.

Rejected: keys made from the whole ancestry of each node (quadratic), recursion over the graph (depth would be a
limit), and a cache that holds only the current graph's results (going back would run again).
"""

from .cache import Cache
from .executor import Executor, run_graph
from .plan import Plan, plan
from .report import NodeReport, Report
from .run import Environment, Token

__all__ = ["Cache", "Environment", "Executor", "NodeReport", "Plan", "Report", "Token", "plan", "run_graph"]
