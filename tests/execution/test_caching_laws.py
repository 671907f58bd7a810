"""Laws 1 to 10: what is cached, what is not."""

from __future__ import annotations

import msgspec
import pytest

from nodeflow.execution import Cache, Environment
from nodeflow.packs import Library


def test_the_same_graph_twice_runs_nothing_and_delivers(bench, make, cache):
    graph = make("a add a=1 b=2", "b add a=@a b=3", "s sink a=@b", out="b")
    first = bench.run(graph, cache=cache)
    bench.reset()
    second = bench.run(graph, cache=cache)
    assert bench.count() == 0
    assert first.outputs == second.outputs == {"out": 6}
    assert {each.status for each in second.nodes} == {"cached"}


def test_one_change_runs_that_node_and_what_is_downstream(bench, make, cache):
    lines = ["a add a=1", "left add a=@a b=1", "right add a=@a b=2", "end add a=@left b=@right"]
    bench.run(make(*lines, out="end"), cache=cache)
    bench.reset()
    lines[1] = "left add a=@a b=10"
    assert bench.run(make(*lines, out="end"), cache=cache).outputs["out"] == 14
    assert bench.calls == [("add", 1, 10), ("add", 11, 3)]


def test_a_cosmetic_change_runs_nothing(bench, make, cache):
    bench.run(make("a add a=1 label=red", out="a"), cache=cache)
    bench.reset()
    bench.run(make("a add a=1 label=blue", out="a"), cache=cache)
    assert bench.count() == 0


def test_going_back_is_a_hit(bench, make, cache):
    for value in (1, 2):
        bench.run(make(f"a add a={value}", "b add a=@a", out="b"), cache=cache)
    bench.reset()
    bench.run(make("a add a=1", "b add a=@a", out="b"), cache=cache)
    assert bench.count() == 0


def test_identical_nodes_share_one_result_and_names_do_not_matter(bench, make, cache):
    bench.run(make("a add a=1", "b add a=1", "c add a=@a b=@b", out="c"), cache=cache)
    assert bench.calls == [("add", 1, 0), ("add", 1, 1)]
    bench.reset()
    bench.run(make("x add a=1", "y add a=@x b=@x", out="y"), cache=cache)
    assert bench.count() == 0


def test_a_whole_number_in_a_float_port_is_that_float(bench, make, cache):
    bench.run(make("a real a=7", out="a"), cache=cache)
    bench.run(make("a real a=7.0", out="a"), cache=cache)
    assert bench.calls == [("real", 7.0)]


def test_filled_in_defaults_are_the_values_they_stand_for(bench, make, cache):
    bench.run(make("a add", out="a"), cache=cache)
    bench.run(make("a add a=0 b=0", out="a"), cache=cache)
    assert bench.count() == 1


@pytest.mark.parametrize("wired", [False, True])
def test_a_fingerprint_decides(bench, make, cache, wired):
    lines = ["n name text=file", "r read path=@n" if wired else "r read path=file", "a add a=@r b=1"]
    graph = make(*lines, out="a")
    assert bench.run(graph, cache=cache).outputs["out"] == 1
    bench.reset()
    assert bench.run(graph, cache=cache).outputs["out"] == 1
    assert bench.count() == 0
    bench.world = 5
    assert bench.run(graph, cache=cache).outputs["out"] == 501
    assert bench.count("read") == bench.count("add") == 1


def test_the_plan_says_when_a_fingerprint_waits_for_a_value(bench, make, cache):
    graph = make("n name text=file", "r read path=@n", "a add a=@r", out="a")
    made = bench.plan(graph, cache=cache)
    assert {step.node: step.status for step in made.steps} == {"n": "run", "r": "unknown", "a": "unknown"}
    assert "not computed yet" in made.reasons["r"]
    bench.run(graph, cache=cache)
    assert {step.status for step in bench.plan(graph, cache=cache).steps} == {"cached"}


def test_a_fingerprint_sees_the_real_values_of_a_list(bench, make, cache):
    graph = make('r read path=["x","y"]', "s sum xs=@r", out="s")
    bench.run(graph, cache=cache)
    assert bench.count("read") == 2
    bench.run(graph, cache=cache)
    assert bench.count("read") == 2
    bench.world = 1
    bench.run(graph, cache=cache)
    assert bench.count("read") == 4


@pytest.mark.parametrize("wired", [False, True])
def test_a_failing_fingerprint_is_a_fault_of_its_node(bench, make, cache, wired):
    graph = make("n name text=bad", "r read path=@n" if wired else "r read path=bad", "a add a=1", out="r", other="a")
    report = bench.run(graph, cache=cache)
    assert [(fault.code, fault.node) for fault in report.faults] == [("NF504", "r")]
    assert report.outputs == {"other": 1}
    assert bench.count("read") == 0


def test_volatile_runs_each_time_with_what_depends_on_it(bench, make, cache):
    graph = make("d dice", "a add a=@d", "b add a=1", "c add a=@a b=@b", out="c")
    for _ in range(2):
        bench.run(graph, cache=cache)
    assert bench.count("dice") == 2
    assert bench.count("add") == 1 + 2 * 2


def test_new_code_or_version_is_a_new_key(bench, make, cache):
    graph = make("a add a=1", out="a")
    bench.run(graph, cache=cache)
    for change in ({"digest": "new code"}, {"version": 2}):
        library = Library.of(*(bench.library.type(id).function for id in bench.library.ids()))
        kind = library.type("t/add")
        before, kind.spec = kind.spec, msgspec.structs.replace(kind.spec, **change)
        library = Library.of(*(bench.library.type(id).function for id in bench.library.ids()))
        bench.library = library
        bench.reset()
        reason = bench.plan(graph, cache=cache).reasons["a"]
        bench.run(graph, cache=cache)
        kind.spec = before
        assert bench.count() == 1
        assert "code" in reason or "version" in reason


def test_reroute_switch_and_bypass_keep_the_key(bench, make, cache):
    bench.run(make("a add a=1", "z add a=@a b=7", out="z"), cache=cache)
    bench.reset()
    lines = ["a add a=1", "b fail", "r reroute value=@a", "s switch a=@r b=@b first=true", "z add a=@s b=7"]
    assert bench.run(make(*lines, out="z"), cache=cache).outputs["out"] == 8
    graph = make("a add a=1", "half add a=@a b=50", "z add a=@half b=7", out="z")
    graph.nodes["half"].bypass = True
    assert bench.run(graph, cache=cache).outputs["out"] == 8
    assert bench.count() == 0


def test_a_switch_that_is_wired_asks_for_what_it_chooses(bench, make, cache):
    graph = make("a add a=1", "b fail", "w maybe x=1", "s switch a=@a b=@b first=@f", "f same value=true", out="s")
    assert bench.run(graph, cache=cache).outputs["out"] == 1
    assert bench.count("fail") == 0


def test_two_outputs_fed_by_one_node_run_it_once(bench, make):
    report = bench.run(make("t two a=3", "a add a=@t.left", out="t.left", other="t.right", third="a"))
    assert report.outputs == {"out": 3, "other": -3, "third": 3}
    assert bench.count("two") == 1


def test_a_consumer_cannot_change_a_cached_list(bench, make, cache):
    report = bench.run(make("c count n=3", out="c.values"), cache=cache)
    report.outputs["out"].append(99)
    assert bench.run(make("c count n=3", out="c.values"), cache=cache).outputs["out"] == [0, 1, 2]


def test_a_node_that_writes_into_its_input_is_found_and_nothing_spoilt_stays(bench, make, cache):
    graph = make("b box size=2", "r read_box box=@b.box", "x spoil box=@b.box", "y real a=@x", out="r", bad="y")
    clean = bench.run(make("b box size=2", "r read_box box=@b.box", out="r")).outputs["out"]
    report = bench.run(graph, cache=cache)
    assert [(fault.code, fault.where) for fault in report.faults if fault.code != "NF508"] == [("NF507", "x.box")]
    assert report.outputs["out"] == clean
    again = bench.run(make("b box size=2", "r read_box box=@b.box", out="r"), cache=cache)
    assert again.outputs["out"] == clean


def test_a_write_through_an_alias_spoils_the_cached_original(bench, make, cache):
    graph = make("b box size=2", "s same value=@b.box", "x spoil box=@s", out="x")
    bench.run(graph, cache=cache)
    assert bench.run(make("b box size=2", "r read_box box=@b.box", out="r"), cache=cache).outputs["out"] == 2.0


def test_a_thing_with_a_state_never_comes_out_of_the_cache(bench, make, cache):
    graph = make("s stateful", "x spend thing=@s.stateful", out="x")
    assert bench.run(graph, cache=cache).outputs["out"] == 1
    graph = make("s stateful", "x spend thing=@s.stateful", "y add a=@x b=1", out="y")
    cache.drop(next(step.key for step in bench.plan(graph).steps if step.node == "x"))
    assert bench.run(graph, cache=cache).outputs["out"] == 2
    assert bench.count("stateful") == 2


def test_keep_false_is_never_stored(bench, make, cache):
    graph = make("a add a=1", out="a")
    graph.nodes["a"].extra["keep"] = False
    for _ in range(2):
        bench.run(graph, cache=cache)
    assert bench.count() == 2


def test_device_and_dtype_matter_to_nodes_that_ask_for_the_run_only(bench, make, cache):
    graph = make("w where", "a add a=1", out="w", other="a")
    for device in ("cpu", "toy"):
        report = bench.run(graph, cache=cache, environment=Environment(device=device))
        assert report.outputs["out"] == device
    assert bench.count("add") == 1


def test_values_of_a_caller_need_no_graph_edit(bench, make, cache):
    graph = make("a add a=1", "b add a=@a", out="b")
    graph.inputs = {"x": ["a.a", "b.b"], "y": "b.a"}
    assert bench.run(graph, cache=cache, values={"x": 5}).outputs["out"] == 10
    assert bench.run(graph, cache=cache, values={"y": 4}).outputs["out"] == 4


def test_the_reasons_name_the_change(bench, make, cache):
    lines = ["g real a=7", "t name text=red", "a add a=1", "z same value=@g"]
    outputs = {"out": "z", "text": "t", "same": "a"}
    bench.run(make(*lines, **outputs), cache=cache)
    made = bench.plan(make("g real a=7.5", *lines[1:], **outputs), cache=cache)
    assert made.reasons == {"g": "a 7.0 → 7.5", "z": "upstream: g"}
    new = bench.plan(make(*lines, "n add a=9", **outputs, more="n"), cache=cache)
    assert new.reasons == {"n": "not computed yet"}


def test_reasons_survive_the_process(bench, make, tmp_path):
    with_file = {"folder": tmp_path}
    first = Cache(**with_file)
    graph = make("g real a=7", out="g")
    graph.path = str(tmp_path / "graph.json")
    bench.run(graph, cache=first)
    first.flush()
    graph.nodes["g"].values["a"] = 8
    assert bench.plan(graph, cache=Cache(**with_file)).reasons == {"g": "a 7.0 → 8.0"}
