"""The document: a graph of nodes as data, its file, its edits, and all that is wrong with it.

    graph    the graph itself: nodes, wires, what a caller may set and gets
    edits    changes that return their inverse; history: undo and redo
    files    the file: strict in (`strict`, `form`), canonical out; writing: the same after each of many edits
    migrate  old formats and old nodes
    check    every problem at once (`order`, `ports`, `allowed`, `wiring`, `facts`)
    subgraphs  graphs that stand as nodes in others; flatten: the same graph without them, for check and plan
    grouping  nodes into a subgraph and out again; promotion: its ports; binding: a value at a port inside
    silence  what is muted, and what hangs on it
    compare  how two graphs differ; merge: two edits of one graph, joined

It imports `errors` and `atomic`, and knows node types as plain data from a `Library`; no torch, no Qt, no pack, no
execution. Opening a graph runs no code and reads nothing but the file.

Rejected: ports by position and nodes by number (a diff of two files says nothing then); `msgspec` as the reader (it
takes keys that stand twice, and stays silent about where a fault is); a schema library (errors one at a time, without
node and port); observers on the graph (an edit is a value, and whoever applies it knows what changed); text merge of
the canonical file (two new nodes that are neighbours in the alphabet would conflict).

`from nodeflow.graph import check` is the function, not the module. Edits are imported from `nodeflow.graph.edits`, so
that a run, which needs none, does not pay for them.
"""

from .check import check
from .compare import Change, Difference, compare
from .files import dumps, load, loads, save
from .graph import FORMAT, Graph, Handle, Node, Port, Wire
from .merge import Merge, merge
from .migrate import Migrated, migrated

__all__ = [
    "FORMAT",
    "Change",
    "Difference",
    "Graph",
    "Handle",
    "Merge",
    "Migrated",
    "Node",
    "Port",
    "Wire",
    "check",
    "compare",
    "dumps",
    "load",
    "loads",
    "merge",
    "migrated",
    "save",
]
