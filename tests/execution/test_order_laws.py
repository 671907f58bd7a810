"""Laws 23 to 25: order, overlap, events; and how deep and wide a graph may be."""

from __future__ import annotations

import dataclasses
import gc
import json
import subprocess
import sys
import threading
import time
import weakref

import pytest

from nodeflow.execution import Token, events
from nodeflow.graph.graph import Graph, Node


def test_nodes_that_wait_overlap(bench, make):
    lines = [f"w{i} wait a={i} seconds=0.1" for i in range(6)]
    began = time.perf_counter()
    report = bench.run(make(*lines, "s sum xs=@" + ",".join(f"w{i}" for i in range(6)), out="s"))
    assert report.outputs["out"] == sum((i + 1) * i for i in range(6))
    assert time.perf_counter() - began < 0.45


def test_waiting_overlaps_with_computing(bench, make):
    graph = make("w wait a=1 seconds=0.05", "a add a=1", "b add a=@a b=1", "z add a=@w b=@b", out="z")
    assert bench.run(graph).outputs["out"] == 3
    assert bench.calls[0][0] == "wait" or bench.calls[-1][0] == "add"


def test_nodes_that_compute_are_called_one_at_a_time_on_the_calling_thread(bench, make):
    seen = []
    add = bench.library.type("t/add")
    plain = add.function
    add.function = lambda **inputs: (seen.append(threading.current_thread()), plain(**inputs))[1]
    bench.run(make("w wait a=1", "a add a=1", "b add a=@w", out="a", o="b"))
    assert set(seen) == {threading.current_thread()}


def test_depth_first_so_that_intermediates_die_early(bench, make):
    lines = [f"a{i} add a={i}" for i in range(3)] + [f"b{i} real a=@a{i}" for i in range(3)]
    bench.run(make(*lines, o0="b0", o1="b1", o2="b2"))
    assert [call[0] for call in bench.calls] == ["add", "real"] * 3


def test_a_sweep_goes_place_by_place(bench, make):
    bench.run(make('a add a={"sweep":[1,2,3]}', "b real a=@a", out="b"))
    assert [call[0] for call in bench.calls] == ["add", "real"] * 3


def test_values_die_after_their_last_consumer(bench, make, monkeypatch):
    alive = []
    box = bench.library.type("t/box")
    plain, peak = box.function, []

    def watched(**inputs):
        made = plain(**inputs)
        alive.append(weakref.ref(made))
        peak.append(sum(each() is not None for each in alive))
        return made

    box.function = watched
    sizes = json.dumps({"sweep": list(range(1, 40))}, separators=(",", ":"))
    graph = make(f"b box size={sizes}", "r read_box box=@b.box", out="r")
    bench.run(graph)
    assert max(peak) <= 2
    gc.collect()
    assert not any(each() for each in alive)


def test_what_uses_one_model_runs_side_by_side(bench, make):
    lines = ["A load file=A", "B load file=B", "u use model=@A.toy_model a=1", "v use model=@B.toy_model a=2"]
    lines += ["w use model=@A.toy_model a=3", "x use model=@B.toy_model a=4"]
    report = bench.run(make(*lines, a="u", b="v", c="w", d="x"))
    assert list(report.outputs) == ["a", "b", "c", "d"]
    assert [call[1] for call in bench.calls if call[0] == "use"] == ["A", "A", "B", "B"]


@pytest.mark.parametrize("reverse", [False, True])
def test_results_do_not_depend_on_the_order(bench, make, reverse):
    lines = ["a add a=1", "b add a=@a b=2", "w wait a=@b", "c sum xs=@a,b,w", "d add a=@c b=@w"]
    assert bench.run(make(*(lines[::-1] if reverse else lines), out="d")).outputs["out"] == 3 + 1 + 6 + 9


def test_events_carry_the_run_and_come_in_order(bench, make, cache):
    told = []
    graph = make("a add a=1", "s steps a=@a", "f fail", out="s", bad="f")
    report = bench.run(graph, cache=cache, emit=told.append)
    assert {event.run for event in told} == {report.run}
    names = [type(event).__name__ for event in told]
    assert names[0] == "RunStarted"
    assert names[-1] == "RunFinished"
    assert names.count("NodeProgress") == 10
    assert names.count("NodeLog") == names.count("NodeFailed") == 1
    assert names.count("NodeFinished") == 2
    told.clear()
    again = bench.run(graph, cache=cache, emit=told.append)
    assert again.run != report.run
    assert [event.cached for event in told if isinstance(event, events.NodeFinished)] == ["host"]


def test_events_are_frozen_and_plain_as_json(bench, make):
    told = []
    bench.run(make("s steps", "f fail", out="s", bad="f"), emit=told.append)
    for event in told:
        json.dumps(events.to_json(event))
        with pytest.raises(dataclasses.FrozenInstanceError):
            event.run = ""


def test_a_slow_consumer_does_not_slow_the_run(bench, make, monkeypatch):
    monkeypatch.setattr(events, "PATIENCE", 0.01)
    began = time.perf_counter()
    report = bench.run(make("s steps", "t steps a=@s", out="t"), emit=lambda event: time.sleep(0.2))
    assert time.perf_counter() - began < 0.5
    assert report.outputs == {"out": 0}


def test_a_consumer_that_raises_does_not_stop_the_run(bench, make):
    def gone(event: object) -> None:
        raise BrokenPipeError

    assert bench.run(make("s steps", out="s"), emit=gone).outputs == {"out": 0}


def test_a_lagging_consumer_loses_progress_only(monkeypatch):
    monkeypatch.setattr(events, "BACKLOG", 5)
    go, told = threading.Event(), []
    emitter = events.Emitter("r", lambda event: (go.wait(), told.append(event)))
    for step in range(100):
        emitter.emit(events.NodeProgress("r", "n", step, 100))
        emitter.emit(events.NodeLog("r", "n", str(step)))
    go.set()
    emitter.close()
    assert sum(isinstance(event, events.NodeLog) for event in told) == 100
    assert sum(isinstance(event, events.NodeProgress) for event in told) <= 7


def wired(kind: str, **wires: str) -> Node:
    return Node(kind, wires=wires)


def chain(count: int) -> Graph:
    nodes = {"n0": Node("t/add", values={"a": 1})}
    nodes |= {f"n{i}": Node("t/add", values={"b": 1}, wires={"a": f"n{i - 1}.value"}) for i in range(1, count)}
    return Graph(nodes=nodes, outputs={"out": f"n{count - 1}.value"})


def test_depth_is_no_limit(bench, cache):
    graph = chain(20_000)
    assert bench.run(graph, cache=cache).outputs["out"] == 20_000
    bench.reset()
    graph.nodes["n10000"].values["b"] = 2
    assert bench.run(graph, cache=cache).outputs["out"] == 20_001
    assert bench.count() == 10_000


def test_a_lattice_is_walked_once(bench):
    nodes = {"a0": Node("t/add", values={"a": 1}), "b0": Node("t/add", values={"a": 2})}
    for i in range(1, 2000):
        for name in "ab":
            nodes[f"{name}{i}"] = Node("t/add", wires={"a": f"a{i - 1}.value", "b": f"b{i - 1}.value"})
    report = bench.run(Graph(nodes=nodes, outputs={"out": "a1999.value"}))
    assert report.faults == []
    assert bench.count() <= 4000


def test_depth_of_lazy_inputs_is_no_limit(bench):
    nodes = {"n0": Node("t/add", values={"a": 7})}
    for i in range(1, 3000):
        nodes[f"n{i}"] = Node("t/maybe", values={"x": 0}, wires={"other": f"n{i - 1}.value"})
    report = bench.run(Graph(nodes=nodes, outputs={"out": "n2999.value"}))
    assert report.faults == []
    assert report.outputs["out"] == 7


def test_a_mapped_chain_is_as_deep_as_any(bench):
    nodes = {"n0": Node("t/add", values={"a": [1, 2]})}
    nodes |= {f"n{i}": Node("t/add", values={"b": 1}, wires={"a": f"n{i - 1}.value"}) for i in range(1, 2000)}
    nodes["lazy"] = Node("t/maybe", values={"x": [0, 5]}, wires={"other": "n1999.value"})
    assert bench.run(Graph(nodes=nodes, outputs={"out": "lazy.value"})).outputs["out"] == [2000, 5]
    assert bench.count("add") == 2000


def test_importing_execution_imports_no_torch():
    code = "import sys, nodeflow.execution; print(sorted({'torch', 'transformers', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_token_may_be_cancelled_from_a_listener(bench, make):
    token = Token()

    def stop(event: events.Event) -> None:
        if isinstance(event, events.NodeProgress):
            token.cancel()

    report = bench.run(make("s steps", "w wait a=@s seconds=1", out="w"), emit=stop, cancel=token)
    assert report.cancelled
