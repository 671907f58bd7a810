"""Laws 9 and 10: budgets in bytes, what leaves first, what comes back, what outlives the process."""

from __future__ import annotations

import gc
import subprocess
import sys
import textwrap
import weakref

import pytest

from nodeflow.execution import Cache
from nodeflow.execution.tiers import Entry, Tier


def entry(bench, size: int = 1, device: str = "cpu", seconds: float = 1.0, keep: bool = False) -> Entry:
    box = bench.library.type("t/box").function(size=size, device=device)
    return Entry((box,), seconds, keep=keep)


def test_a_tier_keeps_to_its_budget(bench):
    cache = Cache(device_bytes=0, host_bytes=10_000)
    for number in range(50):
        cache.put(b"%020d" % number, entry(bench, 2))
        assert cache.used()["host"] <= 10_000
    assert cache.used()["host"] > 5_000


def test_memory_of_evicted_results_is_returned(bench):
    cache = Cache(device_bytes=0, host_bytes=4_000)
    alive = []
    for number in range(20):
        made = entry(bench, 1)
        alive.append(weakref.ref(made.outputs[0].data))
        cache.put(b"%020d" % number, made)
        del made
    gc.collect()
    assert sum(each() is not None for each in alive) <= 3


def test_what_is_cheapest_to_compute_again_per_byte_leaves_first(bench):
    cache = Cache(device_bytes=0, host_bytes=9_500)
    cache.put(b"dear", entry(bench, 2, seconds=10))
    cache.put(b"cheap", entry(bench, 2, seconds=0.1))
    cache.put(b"large", entry(bench, 4, seconds=1))
    cache.put(b"new", entry(bench, 2, seconds=5))
    assert [key for key in (b"dear", b"cheap", b"large", b"new") if cache.peek(key)] == [b"dear", b"large", b"new"]


def test_among_equals_what_was_used_longest_ago_leaves_first(bench):
    cache = Cache(device_bytes=0, host_bytes=3_500)
    cache.put(b"a", entry(bench))
    cache.put(b"b", entry(bench))
    assert cache.get(b"a")
    cache.put(b"c", entry(bench))
    assert [key for key in (b"a", b"b", b"c") if cache.peek(key)] == [b"a", b"c"]


def test_keep_leaves_last(bench):
    cache = Cache(device_bytes=0, host_bytes=3_500)
    cache.put(b"kept", entry(bench, seconds=0.0, keep=True))
    for number in range(9):
        cache.put(b"%020d" % number, entry(bench, seconds=100))
    assert cache.peek(b"kept") == "host"


def test_a_result_evicted_from_the_device_comes_back_to_it_bit_equal(bench):
    cache = Cache(device_bytes=2_500, host_bytes=10**6)
    cache.put(b"first", entry(bench, 1, "toy:0"))
    assert cache.peek(b"first") == "device"
    for number in range(5):
        cache.put(b"%020d" % number, entry(bench, 1, "toy:0"))
    assert cache.peek(b"first") == "host"
    assert cache.used()["device"] <= 2_500
    hit = cache.get(b"first")
    assert (hit.tier, hit.outputs[0].data.device, hit.outputs[0].data.data) == ("host", "toy:0", [1.0])
    assert cache.peek(b"first") in ("device", "host")


def test_values_on_several_devices_come_back_to_theirs(bench):
    cache = Cache(device_bytes=10**6, host_bytes=10**6)
    make = bench.library.type("t/box").function
    cache.put(b"mixed", Entry((make(size=1, device="toy:1"), make(size=2), make(size=3, device="toy:0")), 1.0))
    assert cache.release_device() > 0
    assert cache.used()["device"] == 0
    assert [box.data.device for box in cache.get(b"mixed").outputs] == ["toy:1", "cpu", "toy:0"]


def test_a_written_to_result_is_no_hit(bench, cache):
    made = entry(bench)
    cache.put(b"key", made)
    made.outputs[0].data.write(7.0)
    assert cache.get(b"key") is None
    assert cache.peek(b"key") == ""


def test_many_evictions_are_no_quadratic_work(bench):
    tier = Tier("host", 10_000)
    for number in range(20_000):
        tier.put(b"%020d" % number, Entry((number,), 1.0))
        list(tier.overflow())
    assert len(tier._heap) < 200


def test_no_budget_holds_nothing(bench, make):
    cache = Cache(0, 0)
    bench.run(make("a add a=1", "b box size=3", out="a", box="b.box"), cache=cache)
    assert cache.used() == {"device": 0, "host": 0, "disk": 0}


def kept(make):
    graph = make("n name text=hello", "c count n=3", "m add a=@c.values b=1", out="n", many="m")
    for node in graph.nodes.values():
        node.extra["keep"] = True
    return graph


def test_results_outlive_the_process(bench, make, tmp_path):
    first = Cache(folder=tmp_path)
    clean = bench.run(kept(make), cache=first).outputs
    first.flush()
    bench.reset()
    second = bench.run(kept(make), cache=Cache(folder=tmp_path))
    assert second.outputs == clean
    assert bench.count() == 0
    assert {each.tier for each in second.nodes if each.status == "cached"} == {"disk"}


@pytest.mark.parametrize("damage", ["cut", "flip", "empty"])
def test_a_corrupt_file_is_computed_again_with_one_warning(bench, make, tmp_path, damage):
    cache = Cache(folder=tmp_path)
    clean = bench.run(kept(make), cache=cache).outputs
    cache.flush()
    for path in tmp_path.glob("*.result"):
        data = bytearray(path.read_bytes())
        data[-3] ^= 1
        path.write_bytes({"cut": bytes(data[:-5]), "flip": bytes(data), "empty": b""}[damage])
    told = []
    graph = kept(make)
    graph.outputs = {"out": "n.value"}
    report = bench.run(graph, cache=Cache(folder=tmp_path), emit=told.append)
    assert report.outputs["out"] == clean["out"]
    assert report.faults == []
    assert sum(type(event).__name__ == "CacheWarning" for event in told) == 1


def test_cheap_results_are_not_written(bench, make, tmp_path):
    cache = Cache(folder=tmp_path)
    bench.run(make("a add a=1", "b add a=@a", out="b"), cache=cache)
    cache.flush()
    assert list(tmp_path.glob("*.result")) == []


def test_costly_results_are_written_while_the_run_goes_on(bench, make, tmp_path):
    cache = Cache(folder=tmp_path)
    bench.run(make("w wait a=1 seconds=0.05", out="w"), cache=cache)
    cache.flush()
    assert len(list(tmp_path.glob("*.result"))) == 1


def test_what_cannot_be_stored_stays_in_memory(bench, tmp_path):
    cache = Cache(folder=tmp_path)
    cache.put(b"k" * 20, entry(bench, keep=True))
    cache.flush()
    assert list(tmp_path.glob("*.result")) == []
    assert cache.get(b"k" * 20).tier == "host"


def test_the_folder_keeps_to_its_budget(tmp_path):
    cache = Cache(host_bytes=0, disk_bytes=20_000, folder=tmp_path)
    for number in range(60):
        cache.put(b"%020d" % number, Entry(("x" * 1000,), 5.0 + number))
        cache.flush()
    total = sum(path.stat().st_size for path in tmp_path.glob("*.result"))
    assert 5_000 < total <= 20_000
    assert cache.get(b"%020d" % 59).outputs == ("x" * 1000,)


def test_processes_share_a_folder(tmp_path):
    code = textwrap.dedent("""
        import sys
        from nodeflow.execution import Cache
        from nodeflow.execution.tiers import Entry
        cache = Cache(host_bytes=0, disk_bytes=200_000, folder=sys.argv[1])
        for turn in range(3):
            for number in range(100):
                key = b"%020d" % number
                hit = cache.get(key)
                assert hit is None or hit.outputs == ("x" * 3000 + str(number),), hit
                cache.put(key, Entry(("x" * 3000 + str(number),), 1.0))
            cache.flush(); cache.refresh()
        assert not cache.warnings()
    """)
    running = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(2)]
    assert [each.wait(60) for each in running] == [0, 0]
    assert not list(tmp_path.glob("*.tmp"))


def test_a_killed_process_loses_no_costly_result(bench, make, tmp_path):
    code = textwrap.dedent("""
        import os, sys, time
        from nodeflow.execution import Cache
        from nodeflow.execution.tiers import Entry
        cache = Cache(folder=sys.argv[1])
        for number in range(20):
            cache.put(b"%020d" % number, Entry((number,), 1.0))
        time.sleep(0.5)
        os.kill(os.getpid(), 9)
    """)
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    cache = Cache(folder=tmp_path)
    assert [cache.get(b"%020d" % number).outputs for number in range(20)] == [(number,) for number in range(20)]


def test_nothing_in_the_folder_is_a_pickle(bench, make, tmp_path):
    cache = Cache(folder=tmp_path)
    bench.run(kept(make), cache=cache)
    cache.flush()
    for path in tmp_path.glob("*.result"):
        assert path.read_bytes()[:4] == b"NFR1"
