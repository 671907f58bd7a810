"""Options that follow a choice: checked at edit time, written, compared and merged one by one."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest

from nodeflow import NodeflowError, Options, node
from nodeflow.cli.arguments import read_values
from nodeflow.declaration import NodeSpec
from nodeflow.graph import Graph, check, dumps, loads
from nodeflow.graph.compare import compare
from nodeflow.graph.merge import merge
from nodeflow.packs import Library

BOXES = {"side": {"type": "int", "default": 1}, "filled": {"type": "bool", "default": True}}


def shaped(kind: Any = "box", **options: Any) -> Graph:
    graph = Graph()
    graph.add("toy/shape", kind=kind, options=options)
    graph.outputs["value"] = "shape.value"
    graph.inputs["options"] = "shape.options"
    return graph


def said(graph: Graph, library: Library) -> list[str]:
    return [fault.line for fault in check(graph, library)]


def test_an_editor_and_a_check_have_the_options_as_plain_data(library: Library) -> None:
    spec = library.spec("toy/shape")
    assert spec == msgspec.json.decode(msgspec.json.encode(spec), type=NodeSpec)
    port = spec and spec.input("options")
    assert port and port.type == "dict" and port.widget.by == "kind"
    assert [field.name for field in port.widget.variants["box"].fields] == ["side", "filled", "corners", "radius"]
    corners = port.widget.variants["box"].field("corners")
    assert corners and corners.widget.options == ("sharp", "round") and corners.default == "sharp"


def test_options_of_the_choice_are_right(library: Library) -> None:
    assert said(shaped(side=3, filled=False, corners="round", radius=None), library) == []
    assert said(shaped("circle", radius=2), library) == []


@pytest.mark.parametrize(
    ("kind", "options", "line"),
    [
        ("box", {"sid": 3}, "NF205 shape.options: box has no option 'sid'; did you mean 'side'?"),
        ("circle", {"side": 3}, "NF205 shape.options: circle has no option 'side'; it has: radius"),
        ("box", {"side": 1.5}, "NF205 shape.options: side: 1.5 is not a whole number"),
        ("box", {"filled": 1}, "NF205 shape.options: filled: 1 is not true or false"),
        ("box", {"corners": "oval"},
         "NF205 shape.options: corners: 'oval' is not on the menu; allowed: sharp, round"),
        ("circle", {"radius": 10}, "NF205 shape.options: radius: 10 is above 9; allowed: 0 to 9"),
        ("", {"nothing": 1},
         "NF205 shape.options: nothing here has an option 'nothing'; it has: radius, side, filled, corners"),
    ],
)  # fmt: skip
def test_a_wrong_option_is_one_located_sentence(
    library: Library, kind: str, options: dict[str, Any], line: str
) -> None:
    assert said(shaped(kind, **options), library) == [line]


def test_where_the_choice_is_not_known_an_option_may_be_that_of_any(library: Library) -> None:
    graph = shaped("", side=3, radius=20)
    assert said(graph, library) == []
    graph.nodes["shape"].wires["kind"] = str(graph.add("toy/text")["value"])
    del graph.nodes["shape"].values["kind"]
    assert said(graph, library) == []


def test_each_choice_of_a_sweep_must_have_them(library: Library) -> None:
    sweep = {"sweep": ["circle", "box"]}
    assert said(shaped(sweep, radius=3), library) == []
    assert said(shaped(sweep, side=3), library) == ["NF205 shape.options: circle has no option 'side'; it has: radius"]


def test_options_are_written_one_a_line(library: Library) -> None:
    graph = shaped(side=3, filled=False)
    text = dumps(graph)
    assert dumps(loads(text)) == text
    changed = dumps(shaped(side=4, filled=False))
    assert sum(a != b for a, b in zip(text.splitlines(), changed.splitlines(), strict=True)) == 1
    assert compare(graph, loads(changed)).lines() == ["shape.options.side: 3 → 4"]


def test_edits_of_different_options_do_not_conflict() -> None:
    base, ours, theirs = shaped(side=1, filled=True), shaped(side=2, filled=True), shaped(side=1, corners="round")
    joined = merge(base, ours, theirs)
    assert not joined.conflicts
    assert joined.graph.nodes["shape"].values["options"] == {"side": 2, "corners": "round"}
    both = merge(base, ours, shaped(side=3, filled=True))
    assert [fault.where for fault in both.conflicts] == ["shape.options.side"]


@pytest.mark.parametrize("text", ["side=3,corners=round", '{"side": 3, "corners": "round"}'])
def test_the_command_line_takes_options(library: Library, text: str) -> None:
    values = read_values(shaped(), library, [f"options={text}"], [])
    assert values == {"options": {"side": 3, "corners": "round"}}
    with pytest.raises(NodeflowError, match="NF205"):
        read_values(shaped(), library, ["options=[1]"], [])


def test_options_that_follow_nothing_are_refused() -> None:
    with pytest.raises(NodeflowError, match=r"NF303.*kind"):

        @node("toy/wrong")
        def wrong(options: Annotated[dict[str, Any] | None, Options("kind", {})] = None) -> float:
            """Follow nothing."""
            return 0.0


def test_a_choice_may_be_like_others() -> None:
    @node("toy/like")
    def like(
        kind: str = "box",
        options: Annotated[
            dict[str, Any] | None,
            Options(
                "kind",
                {
                    "box": {"doc": "A box.", "options": BOXES},
                    "big": {"like": ["box"], "options": {"side": {"type": "int", "default": 9}}},
                },
            ),
        ] = None,
    ) -> float:
        """Say options once."""
        return 0.0

    widget = like.node.spec.input("options").widget  # type: ignore[attr-defined]
    whole = widget.variant("big")
    assert whole.doc == "A box." and [(field.name, field.default) for field in whole.fields] == [
        ("side", 9),
        ("filled", True),
    ]
    assert widget.whole_variants() == {"box": widget.variants["box"], "big": whole}
    with pytest.raises(NodeflowError, match=r"NF303.*like those of 'bag'"):

        @node("toy/unlike")
        def unlike(
            kind: str = "",
            options: Annotated[
                dict[str, Any] | None, Options("kind", {"big": {"like": ["bag"], "options": {}}})
            ] = None,
        ) -> float:
            """Be like nothing."""
            return 0.0
