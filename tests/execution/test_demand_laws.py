"""Laws 11 to 15: what is demanded, lists, sweeps."""

from __future__ import annotations

import pytest

from nodeflow.errors import NodeflowError
from nodeflow.execution import Cache


def test_only_wanted_outputs_and_their_ancestors_run(bench, make):
    graph = make("a add a=1", "b add a=@a b=1", "lost add a=5", "s sink a=@lost", out="a", other="b")
    bench.run(graph, wanted=["out"])
    assert bench.calls == [("add", 1, 0)]


def test_sinks_run_unless_outputs_are_named(bench, make):
    graph = make("a add a=1", "s sink a=@a", out="a")
    bench.run(graph)
    assert bench.count("sink") == 1


def test_a_port_or_a_sink_may_be_wanted_by_its_name(bench, make):
    graph = make("a add a=1", "b add a=2", "s sink a=@b", out="a")
    report = bench.run(graph, wanted=["b.value", "s"])
    assert report.outputs == {"b.value": 2}
    assert bench.calls == [("add", 2, 0), ("sink", 2)]


@pytest.mark.parametrize(("wanted", "code"), [([], "NF212"), (["nonsense"], "NF213")])
def test_wanting_nothing_or_what_is_not_there_is_an_error(bench, make, wanted, code):
    with pytest.raises(NodeflowError) as error:
        bench.run(make("a add", out="a"), wanted=wanted)
    assert error.value.code == code
    assert bench.count() == 0


def test_a_graph_without_outputs_and_sinks_is_an_error(bench, make):
    with pytest.raises(NodeflowError, match="NF212"):
        bench.plan(make("a add"))


@pytest.mark.parametrize("first", [True, False])
def test_a_lazy_input_that_is_not_called_never_runs_its_upstream(bench, make, first):
    graph = make("a add a=1", "b add a=2", "p pick a=@a b=@b first=" + str(first).lower(), out="p")
    report = bench.run(graph)
    assert bench.calls == [("pick", first), ("add", 1 if first else 2, 0)]
    assert bench.statuses(report)["b" if first else "a"] == "lazy-unused"


def test_lazy_is_asked_element_by_element(bench, make):
    graph = make("m maybe x=[1,0,2,0] other=@deep", "deep add a=[10,11,12,13] b=5", out="m")
    assert bench.run(graph).outputs["out"] == [1, 16, 2, 18]
    assert sorted(call for call in bench.calls if call[0] == "add") == [("add", 11, 5), ("add", 13, 5)]


def test_lazy_in_a_sweep_runs_the_places_that_ask(bench, make):
    line = 'm maybe x={"sweep":[1,0]} other=@deep'
    graph = make(line, "deep add a=7", out="m")
    assert bench.run(graph).outputs["out"] == [1, 7]
    assert bench.count("add") == 1


def test_lazy_asked_for_by_two_runs_its_source_once_even_without_a_cache(bench, make):
    graph = make("u add a=1", "e add a=@u b=1", "deep add a=@u b=2",
                 "x maybe x=0 other=@deep", "y pick a=@deep b=@x first=true", "z add a=@x b=@y", "w add a=@e b=@z",
                 out="w")  # fmt: skip
    assert bench.run(graph).outputs["out"] == 2 + 6
    assert bench.count("add") == 5


def test_a_cached_run_after_a_lazy_one_runs_nothing(bench, make, cache):
    graph = make("n name text=f", "r read path=@n", "p maybe x=0 other=@r", "q maybe x=3 other=@r", out="p", o="q")
    bench.world = 2
    assert bench.run(graph, cache=cache).outputs == {"out": 200, "o": 3}
    bench.reset()
    assert bench.run(graph, cache=cache).outputs == {"out": 200, "o": 3}
    assert bench.count() == 0


def test_a_list_maps_a_node_in_order(bench, make):
    assert bench.run(make("c count n=4", "a add a=@c.values b=10", out="a")).outputs["out"] == [10, 11, 12, 13]


def test_each_element_has_its_own_key(bench, make, cache):
    bench.run(make("a add a=[1,2,3]", "b add a=@a b=1", out="b"), cache=cache)
    bench.reset()
    assert bench.run(make("a add a=[1,5,3]", "b add a=@a b=1", out="b"), cache=cache).outputs["out"] == [2, 6, 4]
    assert bench.calls == [("add", 5, 0), ("add", 5, 1)]


def test_equal_elements_run_once(bench, make):
    assert bench.run(make("a add a=[4,4,4]", out="a")).outputs["out"] == [4, 4, 4]
    assert bench.count() == 1


def test_equal_lengths_zip_and_single_values_repeat(bench, make):
    graph = make("a add a=[1,2,3]", "b add a=[10,20,30]", "c add a=@a b=@b", "d add a=@c b=5", out="d")
    assert bench.run(graph).outputs["out"] == [16, 27, 38]


@pytest.mark.parametrize("other", ["b add a=[1,2]", "b add a=[1]"])
def test_unequal_lengths_are_an_error(bench, make, other):
    report = bench.run(make("a add a=[1,2,3]", other, "c add a=@a b=@b", out="c", fine="a"))
    assert [(fault.code, fault.node) for fault in report.faults] == [("NF503", "c")]
    assert report.outputs == {"fine": [1, 2, 3]}


def test_an_empty_list_maps_to_an_empty_list(bench, make):
    assert bench.run(make("c count n=0", "a add a=@c.values", "s sum xs=@a", out="a", s="s")).outputs == {
        "out": [],
        "s": 0,
    }


def test_gathering_keeps_order(bench, make):
    graph = make("a add a=[3,1]", "b add a=7", "s sum xs=@a,b,a", out="s")
    bench.run(graph)
    assert ("sum", (3, 1, 7, 3, 1)) in bench.calls


def test_a_sweep_multiplies_only_what_depends_on_it(bench, make):
    graph = make("shared add a=100", 'x add a={"sweep":[1,2,3]}', "y add a=@x b=@shared", out="y", other="shared")
    report = bench.run(graph)
    assert report.outputs == {"out": [101, 102, 103], "other": 100}
    assert bench.count() == 1 + 3 + 3


def test_sweeps_multiply_each_other_row_major(bench, make):
    graph = make("x add", "y add", "z add a=@x b=@y", out="z", only="y")
    graph.inputs = {"p": "x.a", "q": "y.a"}
    values = {"p": {"sweep": [10, 20]}, "q": {"sweep": [1, 2, 3]}}
    report = bench.run(graph, values=values)
    assert report.outputs == {"out": [11, 12, 13, 21, 22, 23], "only": [1, 2, 3]}


def test_one_swept_input_that_sets_two_ports_is_one_axis(bench, make):
    graph = make("x add", out="x")
    graph.inputs = {"p": ["x.a", "x.b"]}
    assert bench.run(graph, values={"p": {"sweep": [1, 2]}}).outputs["out"] == [2, 4]


def test_a_list_port_gathers_a_sweep(bench, make):
    graph = make('x add a={"sweep":[5,6]}', "s sum xs=@x", out="s")
    bench.run(graph)
    assert bench.calls[-1] == ("sum", (5, 6))


def test_equal_places_of_a_sweep_run_once(bench, make):
    assert bench.run(make('x add a={"sweep":[1,1,2]}', out="x")).outputs["out"] == [1, 1, 2]
    assert bench.count() == 2


def test_a_swept_switch_passes_each_choice(bench, make):
    switch = 's switch a=@a b=@b first={"sweep":[false,true]}'
    graph = make("a add a=1", "b add a=2", switch, "z add a=@s b=10", out="z")
    assert bench.run(graph).outputs["out"] == [12, 11]
    assert bench.count("switch") == 0


def test_an_empty_sweep_is_an_error(bench, make):
    report = bench.run(make('x add a={"sweep":[]}', out="x"))
    assert [(fault.code, fault.where) for fault in report.faults] == [("NF205", "x.a")]


def test_a_failed_element_stops_its_own_descendants_only(bench, make):
    graph = make("f fail a=[1,2,3] on=2", "a add a=@f b=10", "s sum xs=@a", out="a", s="s")
    report = bench.run(graph)
    assert report.outputs == {"out": [11, None, 13]}
    assert [(fault.code, fault.node) for fault in report.faults] == [
        ("NF501", "f[1]"),
        ("NF508", "a[1]"),
        ("NF508", "s"),
    ]
    assert bench.count("add") == 2 and bench.count("sum") == 0


def test_a_node_that_takes_a_whole_list_waits_for_all_its_elements(bench, make):
    graph = make("f fail a=[1,2,3] on=2", "b add a=1", "s sum xs=@b,f", out="s", good="b")
    report = bench.run(graph)
    assert report.outputs == {"good": 1}
    assert [(fault.code, fault.node) for fault in report.faults] == [("NF501", "f[1]"), ("NF508", "s")]


def test_a_lazy_element_that_failed_before_it_was_asked_for_fails_who_asks(bench, make):
    graph = make("f fail a=[1,2,3] on=2", "a add a=@f b=0", "z maybe x=[0,0,0] other=@f", out="a", z="z")
    report = bench.run(graph)
    assert report.outputs == {"out": [1, None, 3], "z": [1, None, 3]}
    first, *others = [(fault.code, fault.node) for fault in report.faults]
    assert first == ("NF501", "f[1]") and sorted(others) == [("NF508", "a[1]"), ("NF508", "z[1]")]


def test_a_failed_place_of_a_sweep_stops_its_own_descendants_only(bench, make):
    graph = make('f fail a={"sweep":[1,2,3]} on=2', "a add a=@f b=10", out="a")
    report = bench.run(graph)
    assert report.outputs == {"out": [11, None, 13]}


def test_a_value_let_go_before_it_is_read_is_made_again(bench, make):
    """Lazy inputs that ask for what is on its way, in a cache that keeps nearly nothing."""
    lines = [
        's two a={"sweep":[2,0,2]}',
        "n add a=@s.right b=@s.right",
        'w switch a=0 b=@p first={"sweep":[true,false]}',
    ]
    first = 'p pick a=0 b={"sweep":[1,2,2]} first=true'
    second = "p pick a=@s.right b=@n first=false"
    ends = ["x switch a=@n b=@n first=false", "f fail a=@w on=2"]
    for _ in range(20):
        cache = Cache(0, 2500)
        for pick in (first, second):
            graph = make(*lines[:2], pick, lines[2], *ends, out="f", x="x")
            assert bench.run(graph, cache=cache).outputs == bench.run(graph).outputs
