"""Weights are shared, stay while borrowed, and give way in the order of their last use."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from nodeflow.diffusion import residency
from nodeflow.diffusion.checkpoints import open_model
from nodeflow.diffusion.residency import Residency
from nodeflow.errors import NodeflowError
from nodeflow.values import Patch, Weights

SIZE = 400
CARD = "meta"


class Network(nn.Module):
    """A network of 400 bytes that pretends to live where it was put."""

    def __init__(self, handle: Weights, device: str, dtype: str) -> None:
        super().__init__()
        self.name, self.place, self.dtype = handle.digest, device, dtype
        self.weight = nn.Parameter(torch.zeros(SIZE // 4))

    def to(self, device: str) -> Network:
        self.place = device
        return self


class Shelf:
    """A loader that counts."""

    def __init__(self) -> None:
        self.loaded: list[tuple[str, str]] = []
        self.failures: list[BaseException] = []
        self.pause = 0.0

    def __call__(self, handle: Weights, device: str, dtype: str) -> Network:
        time.sleep(self.pause)
        if self.failures:
            raise self.failures.pop()
        self.loaded.append((handle.digest, device))
        return Network(handle, device, dtype)


def handle(name: str, **fields) -> Weights:
    return Weights(**{"folder": "", "kind": "Network", "config": {}, "digest": name} | fields)


@pytest.fixture(autouse=True)
def _card(monkeypatch):
    """A second device beside the host."""
    monkeypatch.setattr(residency, "pick_device", lambda name: "cpu" if name == "auto" else name)


@pytest.fixture
def shelf():
    return Shelf()


def make(shelf, **budgets) -> Residency:
    return Residency(budgets, load=shelf, measure=lambda handle, dtype: SIZE)


def use(residency, name, device="cpu", **fields):
    with residency.weights(handle(name, **fields), device) as net:
        return net


def test_one_content_is_loaded_once(shelf):
    lender = make(shelf)
    with lender.weights(handle("a")) as first, lender.weights(handle("a")) as second:
        assert first is second
        assert lender.held()[0].borrowers == 2
    assert use(lender, "a") is first and shelf.loaded == [("a", "cpu")]


@pytest.mark.parametrize(
    "other",
    [
        {"digest": "b"},
        {"dtype": "float16"},
        {"config": {"x": 1}},
        {"kind": "Other"},
        {"patches": (Patch("a.safetensors", "d", "unet"),)},
    ],
)
def test_another_content_format_configuration_or_patch_is_another_network(shelf, other):
    lender = sharing(shelf)
    fields = {"name": other.pop("digest", "a"), **other}
    assert use(lender, "a") is not use(lender, **fields)


PATCH = Patch("a.safetensors", "d", "unet")


class Shared(Network):
    """A network of which a quarter is its own."""

    def __init__(self, net: Network) -> None:
        super().__init__(handle(f"{net.name} changed"), net.place, net.dtype)
        self.shared, self.weight = net.weight, nn.Parameter(torch.zeros(SIZE // 16))


def sharing(shelf: Shelf, **budgets: int) -> Residency:
    return Residency(budgets, load=shelf, measure=lambda *_: SIZE, change=lambda net, _: Shared(net))  # type: ignore[arg-type]


def test_patched_forms_share_one_network_that_is_loaded_once(shelf):
    lender = sharing(shelf)
    forms = [use(lender, "a", patches=(replace(PATCH, strength=s),)) for s in (0.5, 1.0)]
    assert use(lender, "a").weight is forms[0].shared is forms[1].shared
    assert [held.nbytes for held in lender.held()] == [SIZE // 4, SIZE // 4, SIZE]
    assert shelf.loaded == [("a", "cpu")]
    assert lender.release() == SIZE * 3 // 2 and not lender.held()


def test_a_patched_form_leaves_before_what_it_is_made_of(shelf):
    lender = sharing(shelf, cpu=2 * SIZE)
    use(lender, "a", patches=(PATCH,))
    use(lender, "b")
    assert {held.nbytes for held in lender.held()} == {SIZE}
    assert use(lender, "a") and [name for name, _ in shelf.loaded] == ["a", "b"]


def test_where_both_have_no_room_a_patched_form_is_its_own(shelf):
    lender = sharing(shelf, cpu=2 * SIZE - 1)
    assert isinstance(use(lender, "a", patches=(PATCH,)), Network)
    assert [held.nbytes for held in lender.held()] == [SIZE]


def test_the_longest_unused_leaves_first(shelf):
    lender = make(shelf, cpu=2 * SIZE)
    for name in "ab":
        use(lender, name)
    use(lender, "a")
    use(lender, "c")
    assert [held.nbytes for held in lender.held()] == [SIZE, SIZE]
    use(lender, "a")
    use(lender, "b")
    assert [name for name, _ in shelf.loaded] == ["a", "b", "c", "b"]


def test_a_smaller_budget_counts_at_once(shelf):
    room = Residency({"cpu": 3 * SIZE}, shelf, lambda *_: SIZE)
    for name in "abc":
        with room.weights(handle(name), "cpu"):
            pass
    with room.weights(handle("a"), "cpu"):
        room.limit({"cpu": SIZE})
        assert [place.identity[0] for place in room._places.values()] == [handle("a").digest]
    room.limit({})
    for name in "abc":
        with room.weights(handle(name), "cpu"):
            pass
    assert len(room._places) == 3


def test_what_is_borrowed_stays_even_over_the_budget(shelf):
    lender = make(shelf, cpu=SIZE)
    with lender.weights(handle("a")) as a, lender.weights(handle("b")):
        assert len(lender.held()) == 2
        assert lender.release() == 0
        with lender.weights(handle("a")) as again:
            assert again is a
    assert lender.release() == 2 * SIZE
    assert lender.held() == [] and lender.release() == 0


def test_a_device_gives_way_to_host_memory_and_takes_back_from_it(shelf):
    lender = make(shelf, **{CARD: SIZE})
    a = use(lender, "a", CARD)
    use(lender, "b", CARD)
    assert a.place == "cpu" and {held.device for held in lender.held()} == {"cpu", CARD}
    assert use(lender, "a", CARD) is a and a.place == CARD
    assert shelf.loaded == [("a", CARD), ("b", CARD)]


def test_a_full_host_drops_what_a_device_gives(shelf):
    lender = make(shelf, **{CARD: SIZE}, cpu=SIZE)
    for name in "abc":
        use(lender, name, CARD)
    assert sorted(held.device for held in lender.held()) == ["cpu", CARD]
    lender = make(shelf, **{CARD: SIZE}, cpu=0)
    for name in "ab":
        use(lender, name, CARD)
    assert [held.device for held in lender.held()] == [CARD]


def test_a_network_in_use_on_the_host_is_not_pulled_away(shelf):
    lender = make(shelf)
    with lender.weights(handle("a"), "cpu") as here, lender.weights(handle("a"), CARD) as there:
        assert here is not there and here.place == "cpu"


def test_release_can_mean_one_device(shelf):
    lender = make(shelf)
    use(lender, "a", CARD)
    use(lender, "b")
    assert lender.release(CARD) == SIZE
    assert [held.device for held in lender.held()] == ["cpu"]


def test_out_of_memory_releases_what_is_idle_and_tries_once_more(shelf):
    lender = make(shelf)
    use(lender, "a")
    shelf.failures = [torch.OutOfMemoryError("full")]
    assert use(lender, "b").name == "b"
    assert len(lender.held()) == 1
    shelf.failures = [torch.OutOfMemoryError("full"), torch.OutOfMemoryError("full")]
    with pytest.raises(torch.OutOfMemoryError):
        use(lender, "c")


def test_a_failed_load_leaves_no_trace_and_can_be_tried_again(shelf):
    lender = make(shelf)
    shelf.failures = [NodeflowError("NF402", "cut")]
    with pytest.raises(NodeflowError):
        use(lender, "a")
    assert lender.held() == [] and lender.release() == 0
    assert use(lender, "a").name == "a"


def test_an_error_of_the_borrower_gives_back(shelf):
    lender = make(shelf)
    with pytest.raises(ZeroDivisionError), lender.weights(handle("a")):
        raise ZeroDivisionError
    assert lender.held()[0].borrowers == 0


def test_what_overflows_in_half_precision_is_lent_in_float32(shelf):
    lender = make(shelf)
    for dtype, found in (("float16", "float32"), ("bfloat16", "bfloat16")):
        with lender.weights(handle("vae", dtype=dtype, config={"force_upcast": True})) as net:
            assert net.dtype == found
    with lender.weights(handle("vae", dtype="float16", config={"force_upcast": False})) as net:
        assert net.dtype == "float16"


def test_the_handles_format_comes_before_the_runs(shelf):
    lender = make(shelf)
    with lender.weights(handle("a", dtype="float16"), dtype="float32") as net:
        assert net.dtype == "float16"
    with lender.weights(handle("a", dtype="auto"), dtype="bfloat16") as net:
        assert net.dtype == "bfloat16"
    with lender.weights(handle("a", dtype="auto")) as net:
        assert net.dtype == "float32"


def test_many_threads_load_once_and_wait_only_for_their_own(shelf):
    lender = make(shelf)
    use(lender, "quick")
    shelf.pause = 0.2
    seen = []
    threads = [threading.Thread(target=lambda: seen.append(use(lender, "slow"))) for _ in range(6)]
    for thread in threads:
        thread.start()
    time.sleep(0.02)
    start = time.monotonic()
    use(lender, "quick")
    assert time.monotonic() - start < 0.1
    for thread in threads:
        thread.join()
    assert len(set(map(id, seen))) == 1 and shelf.loaded.count(("slow", "cpu")) == 1


steps = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["cpu", CARD]), st.booleans()), max_size=30)


@given(steps=steps, card=st.integers(1, 3), host=st.integers(0, 3))
def test_budgets_hold_whenever_nothing_is_borrowed_beyond_them(steps, card, host):
    shelf = Shelf()
    lender = make(shelf, **{CARD: card * SIZE}, cpu=host * SIZE)
    for name, device, release in steps:
        net = use(lender, name, device)
        assert (net.name, net.place) == (name, device)
        if release:
            lender.release()
        used = [held.device for held in lender.held()]
        assert used.count(CARD) <= card and used.count("cpu") <= max(host, 1)
        assert len(lender._places) == len(used)


def test_threads_and_tight_budgets_end_with_clean_books(shelf):
    lender = make(shelf, **{CARD: SIZE}, cpu=2 * SIZE)
    faults = []

    def work(seed):
        for i in range(60):
            name, device = "abcd"[(seed * 7 + i * 3) % 4], ("cpu", CARD)[(seed + i) % 2]
            try:
                net = use(lender, name, device)
            except NodeflowError as error:
                if "NF505" not in str(error) or device != CARD:
                    faults.append(str(error))  # only a card that another thread fills may be refused
                continue
            if net.name != name:
                faults.append(name)
            if i % 13 == 0:
                lender.release()

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert all(held.borrowers == 0 for held in lender.held())


def test_real_networks_are_lent(tiny):
    lender = Residency()
    parts = open_model(str(tiny()))
    with lender.weights(parts.denoiser) as net:
        assert type(net).__name__ == "UNet2DConditionModel"
        assert lender.held()[0].nbytes == sum(p.nbytes for p in net.parameters())
    with lender.weights(open_model(str(tiny("unconditional"))).autoencoder) as identity:
        assert identity(3) == 3
