"""Muted nodes: they do not run, nor does what their wires lead to, and nobody calls that a fault."""

from __future__ import annotations

from .graph import Graph, split
from .order import sources


def silenced(graph: Graph) -> dict[str, str]:
    """The nodes that do not run, each with the muted node that it hangs on: itself, or the one nearest upstream."""
    found = {name: name for name, node in graph.nodes.items() if node.mute}
    if not found:
        return found
    fed: dict[str, list[str]] = {}
    for name, feeders in sources(graph).items():
        for feeder in feeders:
            fed.setdefault(feeder, []).append(name)
    waiting = list(found)
    for name in waiting:
        for target in fed.get(name, ()):
            if target not in found:
                found[target] = found[name]
                waiting.append(target)
    return found


def audible(graph: Graph) -> tuple[Graph, dict[str, str]]:
    """The part of a graph without subgraphs that runs, and what does not, as `silenced` says.

    Inputs and outputs that lead to silent nodes are left out.
    """
    silent = silenced(graph)
    if not silent:
        return graph, silent
    nodes = {name: node for name, node in graph.nodes.items() if name not in silent}
    inputs: dict[str, str | list[str]] = {}
    for public, target in graph.inputs.items():
        left = [end for end in graph.targets(public) if split(end)[0] not in silent]
        if left:
            inputs[public] = target if isinstance(target, str) else left
    outputs = {public: end for public, end in graph.outputs.items() if split(end)[0] not in silent}
    return Graph(nodes, inputs, outputs, graph.view, graph.extra, graph.path, graph.format), silent


def why_silent(name: str, silent: dict[str, str]) -> str:
    """Why a node does not run, in words."""
    return "it is muted" if silent[name] == name else f"{silent[name]} is muted"
