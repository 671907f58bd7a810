"""Laws of the check: everything at once, each at its node and port, whatever the depth, in linear time."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from nodeflow.graph import Graph, Node, check
from nodeflow.graph.order import circles, ordered, sources
from nodeflow.packs import Library


def found(graph: Graph, library: Library, **options: Any) -> set[tuple[str, str]]:
    return {(fault.code, fault.where) for fault in check(graph, library, **options)}


def lines(graph: Graph, library: Library) -> str:
    return "\n".join(fault.line for fault in check(graph, library))


def test_all_problems_are_found_at_once_each_at_its_port(library: Library) -> None:
    graph = Graph()
    latent = graph.add("toy/latent", space=3)
    text = graph.add("toy/text")
    graph.add("toy/add", a=text["value"], b="one", c=1)
    graph.add("toy/add")
    graph.add("toy/ad")
    graph.add("toy/widgets", steps=0, guidance=31, kind="karas", seed=-1, color="red", on=1, several=[1, 2.5])
    graph.add("toy/show", latent=latent["latant"])
    graph.add("toy/same", a=latent["latent"], b=text["value"])
    graph.nodes["dangling"] = Node("toy/add", wires={"a": "nobody.x"})
    graph.nodes["one"] = Node("toy/add", wires={"a": "two.value"})
    graph.nodes["two"] = Node("toy/add", wires={"a": "one.value"})
    graph.nodes["new"] = Node("toy/add", version=9)
    graph.inputs = {"gone": "nobody.x", "port": "text.x", "wired": "same.a"}
    graph.outputs = {"gone": "nobody.x", "port": "text.x"}
    assert found(graph, library) == {
        ("NF205", "latent.space"),
        ("NF204", "add.a"),
        ("NF205", "add.b"),
        ("NF202", "add.c"),
        ("NF203", "add_2.a"),
        ("NF201", "ad"),
        ("NF205", "widgets.steps"),
        ("NF205", "widgets.guidance"),
        ("NF205", "widgets.kind"),
        ("NF205", "widgets.seed"),
        ("NF205", "widgets.color"),
        ("NF205", "widgets.on"),
        ("NF205", "widgets.several"),
        ("NF202", "show.latent"),
        ("NF204", "same.b"),
        ("NF206", "dangling.a"),
        ("NF207", "one"),
        ("NF208", "new"),
        ("NF210", "inputs.gone"),
        ("NF210", "inputs.port"),
        ("NF210", "inputs.wired"),
        ("NF210", "outputs.gone"),
        ("NF210", "outputs.port"),
    }
    said = lines(graph, library)
    for part in (
        "did you mean 'toy/add'?",
        "'karas' is not on the menu; did you mean 'karras'? allowed: karras, exponential, beta",
        "31 is above 30; allowed: 1 to 30 x",
        "did you mean 'latent'?",
        "text.value is a str, the input takes a float",
        "the wires form a cycle: one → two → one",
        "element 2: 2.5 is not a whole number",
    ):
        assert part in said


@pytest.mark.parametrize(
    ("source", "output", "target", "input", "right"),
    [
        ("toy/whole", "value", "toy/add", "a", True),
        ("toy/number", "value", "toy/widgets", "steps", False),
        ("toy/number", "value", "toy/total", "items", True),
        ("toy/split", "values", "toy/add", "a", True),
        ("toy/masked", "toy_masked_latent", "toy/show", "latent", True),
        ("toy/latent", "number", "toy/show", "latent", False),
        ("toy/text", "value", "toy/add", "a", False),
    ],
)
def test_types_fit_as_promised(
    library: Library, source: str, output: str, target: str, input: str, right: bool
) -> None:
    graph = Graph()
    start = graph.add(source, **({"value": 1} if source == "toy/split" else {}))
    end = graph.add(target, **{input: start[output]})
    graph.outputs["x"] = start[output]
    assert (found(graph, library) == set()) == right
    if not right:
        assert found(graph, library) == {("NF204", f"{end.name}.{input}")}


def test_a_type_variable_is_one_type_in_a_node_and_travels_on(library: Library) -> None:
    graph = Graph()
    text, masked, latent = graph.add("toy/text"), graph.add("toy/masked"), graph.add("toy/latent")
    both = graph.add("toy/same", a=masked["toy_masked_latent"], b=latent["latent"])
    through = graph.add("toy/reroute", value=both["value"])
    graph.add("toy/show", latent=through["value"])
    assert found(graph, library) == set()
    wrong = graph.add("toy/reroute", value=text["value"])
    graph.add("toy/show", latent=wrong["value"])
    assert found(graph, library) == {("NF204", "show_2.latent")}


def test_a_list_of_wires_goes_only_where_a_list_is_taken(library: Library) -> None:
    graph = Graph()
    one, two = graph.add("toy/number"), graph.add("toy/whole")
    graph.outputs["x"] = graph.add("toy/total", items=[one["value"], two["value"]])["value"]
    assert found(graph, library) == set()
    graph.add("toy/add", a=[one["value"], two["value"]])
    assert found(graph, library) == {("NF204", "add.a")}


def test_each_element_of_a_sweep_is_looked_at(library: Library) -> None:
    graph = Graph()
    graph.outputs["x"] = graph.add("toy/widgets", steps={"sweep": [1, 2, 300]}, kind={"sweep": []})["value"]
    assert found(graph, library) == {("NF205", "widgets.steps"), ("NF205", "widgets.kind")}
    assert "element 3 of the sweep: 300 is above 100" in lines(graph, library)
    graph.nodes["widgets"].values = {"steps": {"sweep": [1, 2]}, "several": {"sweep": [[1], [2, 3]]}, "note": None}
    assert found(graph, library) == set()


def test_what_is_not_asked_for_does_not_matter(library: Library) -> None:
    graph = Graph()
    good = graph.add("toy/number")
    bad = graph.add("from/elsewhere", x=good["value"])
    graph.outputs = {"good": good["value"], "bad": bad["x"]}
    assert found(graph, library) == {("NF201", "elsewhere")}
    assert found(graph, library, wanted=["good"]) == set()
    assert found(graph, library, wanted=["number"]) == set()
    assert found(graph, library, wanted=["bad"]) == {("NF201", "elsewhere")}
    assert found(graph, library, wanted=["gud"]) == {("NF213", "")}
    assert found(graph, library, wanted=[]) == {("NF212", "")}


def test_a_graph_without_outputs_and_sinks_has_nothing_to_run(library: Library) -> None:
    graph = Graph()
    assert found(graph, library) == {("NF212", "")}
    number = graph.add("toy/number")
    assert found(graph, library) == {("NF212", "")}
    graph.outputs["x"] = number["value"]
    assert found(graph, library) == set()


def test_an_input_that_the_caller_will_set_may_lack_a_value(library: Library) -> None:
    graph = Graph()
    add = graph.add("toy/add")
    graph.inputs, graph.outputs = {"start": add["a"]}, {"sum": add["value"]}
    assert found(graph, library) == {("NF203", "add.a")}
    assert found(graph, library, given=graph.inputs) == set()


def test_a_bypassed_node_needs_only_what_it_passes_on(library: Library) -> None:
    graph = Graph()
    latent = graph.add("toy/latent", space="two")
    smooth = graph.add("toy/smooth", latent=latent["latent"], strength="wrong")
    graph.add("toy/show", latent=smooth["toy_latent"], space="one")
    assert ("NF205", "smooth.strength") in found(graph, library)
    graph.nodes["smooth"].bypass = True
    assert found(graph, library) == {("NF211", "show.latent")}
    graph.nodes["text"] = Node("toy/whole", bypass=True)
    graph.nodes["latent"].bypass = True
    assert ("NF206", "smooth.latent") in found(graph, library)


def test_parts_that_do_not_fit_are_refused_through_reroutes_and_switches(library: Library) -> None:
    graph = Graph()
    one, two = graph.add("toy/latent", space="one"), graph.add("toy/latent", space="two")
    switch = graph.add("toy/switch", a=one["latent"], b=two["latent"])
    reroute = graph.add("toy/reroute", value=switch["value"])
    graph.add("toy/show", latent=reroute["value"], space="one")
    assert found(graph, library) == set()
    graph.nodes["switch"].values["first"] = False
    assert found(graph, library) == {("NF211", "show.latent")}
    assert found(graph, library, deep=False) == set()
    assert "the latent is in two, the decoder reads one" in lines(graph, library)


def test_what_is_unknown_is_not_refused(library: Library) -> None:
    graph = Graph()
    elsewhere = graph.add("from/elsewhere")
    graph.add("toy/show", latent=elsewhere["x"], space="nine")
    swept = graph.add("toy/latent", space={"sweep": ["one", "two"]})
    graph.add("toy/show", latent=swept["latent"])
    assert found(graph, library) == {("NF201", "elsewhere")}


def test_a_bug_in_a_description_is_a_fault_of_that_node(library: Library) -> None:
    graph = Graph()
    graph.add("toy/show", latent=graph.add("toy/buggy")["toy_latent"])
    assert found(graph, library) == {("NF303", "buggy")}


def test_each_knot_of_cycles_is_named_and_what_hangs_on_it_is_not(library: Library) -> None:
    graph = Graph()
    for name, source in [("a", "b"), ("b", "a"), ("c", "d"), ("d", "c"), ("self", "self"), ("after", "a"), ("e", "f")]:
        graph.nodes[name] = Node("toy/add", wires={"a": f"{source}.value"})
    graph.nodes["c"].wires["b"] = "b.value"
    graph.nodes["f"] = Node("toy/number")
    assert circles(sources(graph)) == [["a", "b"], ["c", "d"], ["self"]]
    assert ordered(sources(graph)) == ["f", "e"]


def _chain(size: int) -> Graph:
    graph = Graph()
    last = graph.add("toy/add", a=1)
    for _ in range(size):
        last = graph.add("toy/add", a=last["value"])
    graph.outputs["x"] = last["value"]
    return graph


def _lattice(size: int) -> Graph:
    graph = Graph()
    last = graph.add("toy/add", a=1)
    for _ in range(size // 3):
        one, two = graph.add("toy/add", a=last["value"]), graph.add("toy/add", a=last["value"])
        last = graph.add("toy/add", a=one["value"], b=two["value"])
    graph.outputs["x"] = last["value"]
    return graph


def _fan(size: int) -> Graph:
    graph = Graph()
    start = graph.add("toy/number")
    several = [graph.add("toy/add", a=start["value"])["value"] for _ in range(size)]
    graph.outputs["x"] = graph.add("toy/total", items=several)["value"]
    return graph


def _ring(size: int) -> Graph:
    graph = _chain(size)
    graph.nodes["add"].wires["a"] = graph.outputs["x"]
    return graph


def _broken(size: int) -> Graph:
    graph = Graph()
    for count in range(size):
        graph.nodes[f"n{count}"] = Node(f"toy/unknown{count}", wires={"a": f"m{count}.x"})
        graph.nodes[f"k{count}"] = Node("toy/add", values={"aa": 1}, wires={"a": f"m{count}.x"})
    return graph


def _work(graph: Graph, library: Library) -> int:
    """Lines of Python that a check runs."""
    count = 0

    def line(frame: FrameType, event: str, _: Any) -> Callable[..., Any]:
        nonlocal count
        count += event == "line"
        return line

    before = sys.gettrace()
    sys.settrace(line)
    try:
        check(graph, library)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("shape", [_chain, _lattice, _fan, _ring, _broken])
def test_the_work_grows_with_the_graph_and_not_faster(library: Library, shape: Callable[[int], Graph]) -> None:
    once, twice = _work(shape(300), library), _work(shape(600), library)
    assert twice < 2.2 * once


@pytest.mark.parametrize("shape", [_chain, _ring])
def test_depth_is_no_limit(library: Library, shape: Callable[[int], Graph]) -> None:
    assert {fault.code for fault in check(shape(20_000), library)} == ({"NF207"} if shape is _ring else set())
