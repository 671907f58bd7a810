"""What is done to subgraphs of a document: made, dissolved, entered, their ports changed, kept for other graphs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from .. import content
from ..errors import NodeflowError
from ..graph import Graph, load, save
from ..graph.binding import free_name, path_of
from ..graph.edits import AddNode, Batch, Define, Edit, Place, SetMute
from ..graph.graph import Node, name_problem
from ..graph.grouping import at_level, grouped, ungrouped
from ..graph.promotion import made_own, port_renamed, promoted, reordered, subgraph_renamed, taken_back
from ..graph.subgraphs import PREFIX, Side, order_of, reached, subgraph_named
from .levels import Levels

SAVED = "saved/"
"""How the id begins of a subgraph that is kept in the user's folder."""


def saved_folder() -> Path:
    """Where subgraphs are kept for other graphs: graph files, each with inputs and outputs."""
    return content.user_folder("subgraphs")


def saved_names() -> list[str]:
    """The subgraphs that are kept."""
    folder = saved_folder()
    return sorted(path.stem for path in folder.glob("*.json")) if folder.is_dir() else []


Room = Callable[[Graph, str], tuple[float, float]]
"""Where a node of a graph is to stand."""


class Structure(Levels):
    """Subgraphs of a graph that is edited."""

    def do_whole(self, edit: Edit, label: str, *, merge: bool = False) -> None:
        """Apply an edit of the whole graph."""
        raise NotImplementedError

    def tell(self) -> None:
        """Tell all who listen that something else is to be shown."""
        raise NotImplementedError

    # Going in and out

    def enter(self, name: str) -> None:
        """Show what is inside a node."""
        if self.is_subgraph(name):
            self.inside = (*self.inside, name)
            self.tell()

    def leave(self, depth: int | None = None) -> str:
        """Show the level outside, or the one at a depth; returns the node that was left, empty at the outermost."""
        depth = len(self.inside) - 1 if depth is None else depth
        if not 0 <= depth < len(self.inside):
            return ""
        left = self.inside[depth]
        self.inside = self.inside[:depth]
        self.tell()
        return left

    def go_to(self, path: str) -> str:
        """Show the level that a node of a run is on; returns the node's name there, empty when it is nowhere."""
        names = path_of(self.root, path)
        if names is None:
            return ""
        if self.inside != tuple(names[:-1]):
            self.inside = tuple(names[:-1])
            self.tell()
        return names[-1]

    # Making and dissolving

    def group(self, names: Iterable[str], title: str = "Group", room: Room | None = None) -> str:
        """Make one node of several; returns its name.

        Args:
            names: The nodes.
            title: What the subgraph is called.
            room: Finds a place for the node; None = in the middle of those that it stands for.

        Raises:
            NodeflowError: NF214, there is no node among them.
        """
        names = list(names)
        edit, name = grouped(self.root, self.level, names, title, self.library)
        if room is not None:
            made = self.root.copy()
            made.apply(edit)
            x, y = room(made, name)
            edit = Batch((*edit.edits, at_level(self.level, [Place(name, {"at": [round(x), round(y)]})])))
        self.do_whole(edit, f"Group {len(names)} nodes")
        return name

    def ungroup(self, names: Iterable[str]) -> list[str]:
        """Put what is inside nodes in their place; returns the nodes that came out.

        Raises:
            NodeflowError: NF214, none of them is a subgraph.
        """
        names = list(names)
        made: list[str] = []
        for name in [name for name in names if self.is_subgraph(name)] or names[:1]:
            edit, out = ungrouped(self.root, self.level, name)
            self.do_whole(edit, f"Ungroup {name}")
            made += out
        return made

    def make_own(self, name: str) -> None:
        """Give a node a subgraph of its own, so that others do not change with it."""
        self.do_whole(made_own(self.root, self.level, name), f"Make {name} independent")

    def rename_subgraph(self, old: str, new: str) -> None:
        """Give a subgraph another name.

        Raises:
            NodeflowError: NF214, the name is taken or cannot be one.
        """
        if old != new:
            self.do_whole(subgraph_renamed(self.root, old, new), f"Rename {old}")

    def mute(self, names: Iterable[str]) -> None:
        """Mute nodes, or none of them where all are muted."""
        names = [name for name in names if name in self.graph.nodes]
        on = not all(self.graph.nodes[name].mute for name in names)
        if names:
            what = names[0] if len(names) == 1 else f"{len(names)} nodes"
            edits = [SetMute(name, on) for name in names]
            self.do_whole(at_level(self.level, edits), f"{'Mute' if on else 'Unmute'} {what}")

    # Ports

    def promote(self, side: Side, end: str) -> str:
        """Make a port of a node public: a port of the subgraph that is shown, or an input or output of the graph."""
        edit, name = promoted(self.root, self.level, side, end)
        self.do_whole(edit, f"Promote {name}")
        return name

    def take_back(self, side: Side, name: str) -> None:
        """Take a public port away, with all that is wired to it."""
        self.do_whole(taken_back(self.root, self.level, side, name), f"Remove port {name}")

    def rename_port(self, side: Side, old: str, new: str) -> None:
        """Give a public port another name.

        Raises:
            NodeflowError: NF214, the name is taken or cannot be one.
        """
        if old != new:
            self.do_whole(port_renamed(self.root, self.level, side, old, new), f"Rename port {old}")

    def move_port(self, side: Side, name: str, by: int) -> None:
        """Move a public port up or down in order."""
        names = order_of(self.graph, side)
        place = names.index(name)
        there = min(max(place + by, 0), len(names) - 1)
        if there != place:
            names.insert(there, names.pop(place))
            self.do_whole(reordered(self.root, self.level, side, names), f"Move port {name}")

    # Kept for other graphs

    def keep(self, name: str, title: str) -> Path:
        """Keep the subgraph of a node as a graph file in the user's folder, for other graphs.

        Raises:
            NodeflowError: NF214 for what is no name, NF108 where it cannot be written.
        """
        kind = subgraph_named(self.graph.nodes[name].type)
        if (problem := name_problem(title)) or "/" in title or "\\" in title:
            raise NodeflowError("NF214", problem or "a name of a file holds no slash", where=title)
        part = self.root.graphs[kind].copy()
        part.graphs = {each: self.root.graphs[each].copy() for each in reached(self.root, part)}
        folder = saved_folder()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NodeflowError("NF108", f"the folder cannot be made: {error.strerror}", where=str(folder)) from error
        save(part, folder / f"{title}.json")
        return folder / f"{title}.json"

    def insert_graph(self, part: Graph, title: str, at: tuple[float, float]) -> str:
        """Add a graph as a node: a copy of it becomes a subgraph, which keeps the name it came from."""
        edits, kind = brought_in(self.root, part, title)
        name = Graph(dict(self.graph.nodes)).free_name(PREFIX + kind)
        added: list[Edit] = [AddNode(name, Node(PREFIX + kind)), Place(name, {"at": [round(at[0]), round(at[1])]})]
        self.do_whole(Batch((*edits, at_level(self.level, added))), f"Add {title}")
        return name

    def insert_saved(self, title: str, at: tuple[float, float]) -> str:
        """Add a subgraph that is kept in the user's folder.

        Raises:
            NodeflowError: NF1xx, its file cannot be read.
        """
        return self.insert_graph(load(saved_folder() / f"{title}.json"), title, at)


def brought_in(graph: Graph, part: Graph, title: str) -> tuple[list[Edit], str]:
    """The edits that make a graph and its subgraphs subgraphs of another, and its name there.

    One that is there already, alike, is not brought in again.
    """
    part = part.copy()
    part.extra = {**{key: item for key, item in part.extra.items() if key == "doc"}, "origin": title}
    inner, part.graphs = part.graphs, {}
    part.path = None
    edits, names = defined(graph, {**inner, title: part} if title not in inner else {**inner, free_name(
        Graph(graphs=inner), title): part})  # fmt: skip
    return edits, list(names.values())[-1]


def defined(graph: Graph, new: dict[str, Graph]) -> tuple[list[Edit], dict[str, str]]:
    """The edits that add subgraphs to a graph, each under its name or a free one, and those names."""
    names: dict[str, str] = {}
    taken = Graph(graphs=dict(graph.graphs))
    for name, inner in new.items():
        names[name] = name if graph.graphs.get(name) == inner else free_name(taken, name)
        taken.graphs.setdefault(names[name], inner)
    edits: list[Edit] = []
    for name, inner in new.items():
        if graph.graphs.get(names[name]) == inner and names[name] == name:
            continue
        made = inner.copy()
        for node in made.nodes.values():
            kind = subgraph_named(node.type)
            node.type = PREFIX + names[kind] if kind in names else node.type
        edits.append(Define(names[name], made))
    return edits, names
