"""Laws 16 to 22: what stands in the way, what fails, what is cancelled."""

from __future__ import annotations

import threading
import time

import pytest

from nodeflow.errors import Fault
from nodeflow.execution import Environment, Executor, Token


def test_what_check_found_stops_the_nodes_it_names_only(bench, make):
    graph = make("a add a=1", "b add a=2", "c add a=@b", out="a", bad="c")
    made = bench.plan(graph, faults=[Fault("NF205", "out of range", "b.a")])
    assert {step.node: step.status for step in made.steps} == {"a": "run", "b": "failed", "c": "blocked"}
    report = Executor(bench.library).run(made)
    assert report.outputs == {"out": 1}
    assert [(fault.code, fault.node) for fault in report.faults] == [("NF205", "b"), ("NF508", "c")]


@pytest.mark.parametrize(
    ("line", "code", "where"),
    [
        ("b nonsense a=@a", "NF201", "b"),
        ("b add a=@ghost", "NF206", "b.a"),
        ("b add a=@a.other", "NF206", "b.a"),
        ("b add nothing=1", "NF202", "b"),
        ("b sum", "NF203", "b.xs"),
        ("b add a=@b", "NF207", "b.a"),
    ],
)
def test_a_bad_output_does_not_stop_a_good_one(bench, make, line, code, where):
    report = bench.run(make("a add a=1", line, "c add a=@b", out="a", bad="c"))
    assert report.outputs == {"out": 1}
    assert [(fault.code, fault.where) for fault in report.faults] == [(code, where), ("NF508", "c")]


def test_an_unknown_node_matters_only_where_an_output_needs_it(bench, make):
    report = bench.run(make("a add a=1", "b nonsense", out="a"))
    assert (report.outputs, report.faults) == ({"out": 1}, [])


def test_an_output_that_leads_nowhere_is_a_fault(bench, make):
    report = bench.run(make("a add a=1", out="a", lost="ghost"))
    assert report.outputs == {"out": 1}
    assert [(fault.code, fault.where) for fault in report.faults] == [("NF210", "lost")]


def test_a_failure_stops_its_descendants_only_and_they_name_the_origin(bench, make, cache):
    graph = make("a add a=1", "f fail a=@a", "g add a=@f", "h add a=@g", "b add a=@a b=5", out="h", good="b")
    report = bench.run(graph, cache=cache)
    assert report.outputs == {"good": 6}
    first, *others = report.faults
    assert (first.code, first.node) == ("NF501", "f")
    assert "ValueError: no 1" in first.what
    assert "a = 1" in first.what
    assert [(fault.code, fault.node) for fault in others] == [("NF508", "g"), ("NF508", "h")]
    assert all("f failed" in fault.what for fault in others)
    assert bench.statuses(report) == {"a": "ran", "f": "failed", "g": "skipped", "h": "skipped", "b": "ran"}


def test_the_next_run_after_a_failure_reuses_what_was_finished(bench, make, cache):
    bench.run(make("a add a=1", "f fail a=@a on=1", out="f"), cache=cache)
    bench.reset()
    assert bench.run(make("a add a=1", "f fail a=@a on=2", out="f"), cache=cache).outputs["out"] == 1
    assert bench.calls == [("fail", 1)]


def test_a_failed_lazy_source_fails_the_node_that_asked(bench, make):
    graph = make("f fail a=3", "m maybe x=0 other=@f", "n maybe x=1 other=@f", out="m", good="n")
    report = bench.run(graph)
    assert report.outputs == {"good": 1}
    assert [(fault.code, fault.node) for fault in report.faults] == [("NF501", "f"), ("NF508", "m")]


@pytest.mark.parametrize("how", ["type", "none"])
def test_a_broken_promise_is_the_fault_of_the_node_that_broke_it(bench, make, how):
    report = bench.run(make(f"w wrong how={how}", "a add a=@w", out="a"))
    assert [(fault.code, fault.node) for fault in report.faults] == [("NF502", "w"), ("NF508", "a")]
    assert "int" in report.faults[0].what


def test_cancel_works_inside_a_node_and_is_no_error(bench, make, cache):
    bench.cancel = Token()
    graph = make("a add a=1", "s steps a=@a at=3", "z add a=@s", out="z", early="a")
    report = bench.run(graph, cache=cache, cancel=bench.cancel)
    assert report.cancelled
    assert report.faults == []
    assert report.outputs == {"early": 1}
    assert bench.count("steps") == 4
    bench.cancel = None
    bench.reset()
    again = bench.run(graph, cache=cache)
    assert again.outputs["out"] == 1
    assert bench.count("add") == 1


def test_cancel_belongs_to_one_run(bench, make):
    token = Token()
    token.cancel()
    assert bench.run(make("a add a=1", out="a"), cancel=token).cancelled
    assert bench.count() == 0
    assert bench.run(make("a add a=1", out="a")).outputs == {"out": 1}


def test_cancel_does_not_wait_for_a_download(bench, make):
    token = Token()
    threading.Timer(0.05, token.cancel).start()
    began = time.perf_counter()
    report = bench.run(make("w wait seconds=5", out="w"), cancel=token)
    assert report.cancelled
    assert time.perf_counter() - began < 2


def test_out_of_memory_releases_idle_weights_and_tries_once_more(bench, make):
    def release() -> int:
        bench.alive += 1
        return 5_000_000

    report = bench.run(make("h hungry", out="h"), environment=Environment(release=release))
    assert report.outputs == {"out": 1}
    assert bench.count() == 2


def test_out_of_memory_twice_says_needed_and_free(bench, make):
    report = bench.run(make("h hungry appetite=9", "a add a=1", out="h", good="a"))
    assert report.outputs == {"good": 1}
    fault = report.faults[0]
    assert (fault.code, fault.node) == ("NF505", "h")
    assert "6.20 GiB needed" in fault.what
    assert "3.90 GiB free" in fault.what
    assert bench.count("hungry") == 2


def test_a_failure_in_a_waiting_node_is_located_too(bench, make):
    report = bench.run(make("w wait a=text", "a add a=1", out="w", good="a"))
    assert report.outputs == {"good": 1}
    assert [(fault.code, fault.node) for fault in report.faults] == [("NF502", "w")]
