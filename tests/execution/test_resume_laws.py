"""An interrupted node goes on from the state it kept, and ends where an unbroken one does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nodeflow.declaration import Lazy, Run, node
from nodeflow.execution import Cache, Environment, Report, Token, events, plan, run_graph
from nodeflow.execution.standing import LIMIT, Place, States
from nodeflow.graph.graph import Graph, Node
from nodeflow.packs import Library


class Walks:
    """A node that walks ten steps, and may be stopped or break at one of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.walked: list[int] = []
        self.stop_at = self.break_at = -1
        self.world = 7
        self.token = Token()

        @node("t/walk")
        def walk(run: Run, seed: int = 0, away: Lazy[int] | None = None) -> int:
            """Walk."""
            first = away() if away is not None else 0
            x, start = run.kept() or (seed + first, 0)
            for step in range(start + 1, 11):
                self.walked.append(step)
                x = (x * 31 + step) % 1_000_003
                if step == self.stop_at:
                    self.token.cancel()
                run.keep(step, 10, lambda x=x, step=step: (x, step))  # type: ignore[misc]
                run.progress(step, 10)
                if step == self.break_at:
                    raise RuntimeError("killed")
            return x

        @node("t/world", fingerprint=lambda path: self.world)
        def world(path: str) -> int:
            """What is there now."""
            return self.world

        @node("t/name")
        def name(text: str = "p") -> str:
            """A text."""
            return text

        self.library = Library.of(walk, world, name)

    def graph(self, **values: Any) -> Graph:
        return Graph({"w": Node("t/walk", values=values)}, outputs={"x": "w.value"})

    def run(
        self, graph: Graph, every: int = 0, resume: bool = True, emit: Callable[[Any], Any] | None = None
    ) -> Report:
        self.walked.clear()
        self.token = Token()
        environment = Environment(save_every=every, resume=resume)
        cache = Cache(folder=self.folder)
        report = run_graph(graph, self.library, environment=environment, cache=cache, cancel=self.token, emit=emit)
        cache.flush()
        return report

    def whole(self, graph: Graph) -> int:
        self.stop_at = self.break_at = -1
        return run_graph(graph, self.library).outputs["x"]  # type: ignore[no-any-return]

    def states(self) -> list[Path]:
        return sorted((self.folder / "states").glob("*"))


@pytest.fixture
def walks(tmp_path: Path) -> Walks:
    return Walks(tmp_path / "cache")


def cut(walks: Walks, graph: Graph, at: int, every: int = 0) -> Report:
    """A run that dies right after a step."""
    walks.break_at = at
    report = walks.run(graph, every)
    walks.break_at = -1
    return report


@pytest.mark.parametrize("at", [1, 4, 9])
def test_a_stopped_node_goes_on_from_its_last_step(walks: Walks, at: int) -> None:
    graph, walks.stop_at = walks.graph(seed=3), at
    assert walks.run(graph).cancelled
    walks.stop_at = -1
    report = walks.run(graph)
    assert walks.walked == list(range(at + 1, 11))
    assert report.outputs["x"] == walks.whole(graph)
    assert walks.states() == []


@pytest.mark.parametrize(("every", "at", "begins"), [(3, 8, 7), (1, 5, 6), (4, 3, 1), (0, 8, 1)])
def test_a_killed_node_goes_on_from_the_last_state_it_saved(walks: Walks, every: int, at: int, begins: int) -> None:
    graph = walks.graph(seed=3)
    assert cut(walks, graph, at, every).faults
    assert len(walks.states()) == (begins > 1)
    report = walks.run(graph)
    assert walks.walked == list(range(begins, 11))
    assert report.outputs["x"] == walks.whole(graph)


def test_without_being_asked_a_run_begins_anew_and_leaves_nothing_behind(walks: Walks) -> None:
    graph = walks.graph()
    cut(walks, graph, 8, every=2)
    assert walks.run(graph, resume=False).outputs["x"] == walks.whole(graph)
    assert walks.states() == []


def test_a_state_never_meets_other_inputs(walks: Walks) -> None:
    cut(walks, walks.graph(seed=1), 8, every=2)
    walks.run(walks.graph(seed=2))
    assert walks.walked == list(range(1, 11))
    assert len(walks.states()) == 1


def test_a_lazy_input_that_is_not_known_before_is_part_of_the_key(walks: Walks) -> None:
    graph = walks.graph()
    graph.nodes["n"] = Node("t/name")
    graph.nodes["o"] = Node("t/world", wires={"path": "n.value"})
    graph.nodes["w"].wires["away"] = "o.value"
    cut(walks, graph, 8, every=2)
    assert len(walks.states()) == 1
    walks.world = 8
    walks.run(graph)
    assert walks.walked == list(range(1, 11))
    walks.world = 7
    walks.run(graph)
    assert walks.walked == [9, 10]


@pytest.mark.parametrize("harm", ["cut", "other", "changed", "empty"])
def test_a_state_that_is_not_whole_is_said_once_and_the_node_begins_anew(walks: Walks, harm: str) -> None:
    graph, heard = walks.graph(), []
    cut(walks, graph, 8, every=2)
    [file] = walks.states()
    data = file.read_bytes()
    if harm == "other":
        cut(walks, walks.graph(seed=5), 4, every=2)
        [stranger] = [other for other in walks.states() if other != file]
        stranger.replace(file)
    else:
        file.write_bytes({"cut": data[:-3], "empty": b"", "changed": data[:-1] + bytes([data[-1] ^ 1])}[harm])
    report = walks.run(graph, emit=heard.append)
    assert walks.walked == list(range(1, 11)) and report.outputs["x"] == walks.whole(graph)
    warnings = [event.text for event in heard if isinstance(event, events.CacheWarning)]
    assert len(warnings) == 1 and "begins anew" in warnings[0] and warnings[0].startswith("w:")
    assert file not in walks.states()


def test_a_folder_that_cannot_be_written_costs_a_line_and_no_result(walks: Walks) -> None:
    heard: list[Any] = []
    walks.folder.mkdir()
    (walks.folder / "states").write_text("in the way")
    report = walks.run(walks.graph(), every=1, emit=heard.append)
    assert report.outputs["x"] == walks.whole(walks.graph())
    assert len([event for event in heard if isinstance(event, events.CacheWarning)]) == 1


def test_the_plan_says_where_a_node_goes_on(walks: Walks) -> None:
    graph = walks.graph()
    cut(walks, graph, 8, every=3)
    [step] = plan(graph, walks.library, cache=Cache(folder=walks.folder)).steps
    assert (step.status, step.stands) == ("run", Place(6, 10))


def test_the_elements_of_a_mapped_node_keep_states_of_their_own(walks: Walks) -> None:
    graph = walks.graph(seed={"sweep": [1, 2]})
    walks.stop_at = 4
    walks.run(graph)
    walks.stop_at = -1
    report = walks.run(graph)
    assert walks.walked == [*range(5, 11), *range(1, 11)]
    assert report.outputs["x"] == [walks.whole(walks.graph(seed=seed)) for seed in (1, 2)]


def test_states_that_nobody_goes_on_with_do_not_pile_up(tmp_path: Path) -> None:
    states = States(tmp_path)
    for number in range(LIMIT + 5):
        states.put(bytes([number]), Place(1, 2), number)
    assert len(states.known()) == LIMIT and bytes([LIMIT + 4]) in states.known()
    states.clear()
    assert not states.known()
