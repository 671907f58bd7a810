"""Networks whose blocks pass through a device: the same numbers, within the room, the next block on its way in time."""

from __future__ import annotations

import threading
import weakref

import pytest
import torch
from torch import nn

from nodeflow.diffusion import devices, residency
from nodeflow.diffusion.models import model_class
from nodeflow.diffusion.residency import Residency
from nodeflow.diffusion.streaming import CudaCarrier, Streamed, ThreadCarrier, _parts
from nodeflow.engine import Engine
from nodeflow.errors import NodeflowError
from nodeflow.execution import Cache
from nodeflow.values import Weights

WIDTH = 16


class Card:
    """A toy device: it keeps the books of the tensors that were copied to it and are still alive."""

    def __init__(self) -> None:
        self.used = self.peak = 0
        self.events: list[str] = []
        self._lock = threading.Lock()
        self._thread = ThreadCarrier(self._copy)
        self.keep = self._thread.keep

    def _copy(self, tensor):
        with self._lock:
            self.used += tensor.nbytes
            self.peak = max(self.peak, self.used)
        copy = tensor.detach().clone()
        weakref.finalize(copy.untyped_storage(), self._gone, tensor.nbytes)
        return copy

    def _gone(self, nbytes):
        self.used -= nbytes

    def start(self, tensors):
        self.events.append("start")
        return self._thread.start(tensors)


class Layer(nn.Module):
    """A block of 16 × 16 + 16 numbers that says when it begins and ends."""

    def __init__(self, events) -> None:
        super().__init__()
        self.linear, self.events = nn.Linear(WIDTH, WIDTH), events

    def forward(self, x):
        y = self.linear(x)
        self.events.append("end")
        return y.tanh()


class Tower(nn.Module):
    def __init__(self, events, blocks=8) -> None:
        super().__init__()
        self.first = nn.Linear(WIDTH, 1)
        self.blocks = nn.ModuleList(Layer(events) for _ in range(blocks))

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x


BLOCK = 4 * (WIDTH * WIDTH + WIDTH)
FIRST = 4 * (WIDTH + 1)


def tower(card, blocks=8):
    torch.manual_seed(0)
    return Tower(card.events, blocks).eval().requires_grad_(False)


@pytest.mark.parametrize("room", [2, 3, 5.5, 7])
def test_the_numbers_are_the_same_and_the_room_is_kept(room):
    card, x = Card(), torch.randn(2, WIDTH)
    net = tower(card)
    expected = net(x)
    room = int(FIRST + room * BLOCK)
    stream = Streamed(net, room, card)
    assert card.peak <= stream.nbytes <= room
    for _ in range(3):
        assert torch.equal(net(x), expected)
        assert card.peak <= room
    stream.close()
    assert torch.equal(net(x), expected)
    assert not any(module._forward_pre_hooks for module in net.modules())


def test_each_block_moves_once_a_step_and_what_fits_stays():
    card, x = Card(), torch.randn(2, WIDTH)
    net = tower(card)
    stream = Streamed(net, FIRST + 5 * BLOCK, card)
    stay, passing = stream.blocks
    assert (stay, passing) == (4, 5)
    net(x)
    for step in range(1, 4):
        assert stream.moves.count == step * passing + 1  # and the first of the next step, already on its way
        assert stream.moves.nbytes == stream.moves.count * BLOCK
        net(x)


def test_the_next_block_begins_to_come_before_this_one_has_ended():
    card, x = Card(), torch.randn(2, WIDTH)
    net = tower(card)
    Streamed(net, FIRST + 2 * BLOCK, card)
    card.events.clear()
    net(x)
    assert card.events == ["start", "start", "end", *["start", "end"] * 7]


def test_an_order_that_was_not_foreseen_is_learnt():
    card, x = Card(), torch.randn(2, WIDTH)
    net = tower(card)
    order = [3, 0, 6, 1, 7, 2, 5, 4]
    net.forward = lambda x: [x := net.blocks[i](x) for i in order][-1]
    expected = net(x)
    stream = Streamed(net, FIRST + 2 * BLOCK, card)
    assert torch.equal(net(x), expected)
    net(x)
    before = stream.moves.count
    assert torch.equal(net(x), expected)
    assert stream.moves.count == before + len(order)
    assert card.peak <= FIRST + 2 * BLOCK


def test_a_call_that_was_broken_off_does_no_harm():
    card, x = Card(), torch.randn(2, WIDTH)
    net = tower(card)
    expected = net(x)
    Streamed(net, FIRST + 2 * BLOCK, card)
    hook = net.blocks[4].register_forward_pre_hook(lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        net(x)
    hook.remove()
    assert torch.equal(net(x), expected)
    assert card.peak <= FIRST + 2 * BLOCK


def test_where_not_even_layers_fit_there_is_a_sentence():
    card = Card()
    net = tower(card)
    with pytest.raises(NodeflowError, match=r"NF505 Tower needs .* on toy, .* --vram"):
        Streamed(net, BLOCK, card, "toy")
    assert card.used == 0


def test_large_blocks_are_taken_apart():
    card, x = Card(), torch.randn(2, WIDTH)
    torch.manual_seed(0)
    inner = nn.Sequential(*[Layer([]) for _ in range(6)])
    net = nn.ModuleDict({"first": nn.Linear(WIDTH, 1), "all": nn.Sequential(inner)}).requires_grad_(False)
    expected = net["all"](x)
    Streamed(net, FIRST + 2 * BLOCK, card)
    assert torch.equal(net["all"](x), expected)
    assert card.peak <= FIRST + 2 * BLOCK


UNET = {
    "block_out_channels": [16, 32], "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"], "norm_num_groups": 8,
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"], "cross_attention_dim": 8, "attention_head_dim": 2,
}  # fmt: skip
SD3 = {
    "sample_size": 8, "num_layers": 3, "attention_head_dim": 8, "num_attention_heads": 2, "joint_attention_dim": 8,
    "caption_projection_dim": 16, "pooled_projection_dim": 8, "pos_embed_max_size": 8, "in_channels": 4,
    "out_channels": 4,
}  # fmt: skip
FLUX = {
    "in_channels": 8, "num_layers": 2, "num_single_layers": 3, "attention_head_dim": 16, "num_attention_heads": 2,
    "joint_attention_dim": 8, "pooled_projection_dim": 8, "axes_dims_rope": [4, 6, 6],
}  # fmt: skip
T5 = {
    "vocab_size": 64, "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 4, "num_heads": 4,
    "feed_forward_proj": "gated-gelu",
}  # fmt: skip
DIT = {
    "num_attention_heads": 2, "attention_head_dim": 8, "in_channels": 4, "num_layers": 3, "sample_size": 8,
    "num_embeds_ada_norm": 10,
}  # fmt: skip
CLIP = {"vocab_size": 64, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 4, "eos_token_id": 63}
VAE = {
    "block_out_channels": [8, 16], "down_block_types": ["DownEncoderBlock2D"] * 2, "norm_num_groups": 4,
    "up_block_types": ["UpDecoderBlock2D"] * 2,
}  # fmt: skip


def noise(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


CALLS = {
    "UNet2DConditionModel": (UNET, lambda net: net(noise(2, 4, 8, 8), 5, noise(2, 7, 8))),
    "SD3Transformer2DModel": (SD3, lambda net: net(noise(2, 4, 8, 8), noise(2, 5, 8), noise(2, 8), 3.0)),
    "FluxTransformer2DModel": (
        FLUX,
        lambda net: net(noise(1, 6, 8), noise(1, 5, 8), noise(1, 8), 0.5, torch.ones(6, 3), torch.zeros(5, 3)),
    ),
    "T5EncoderModel": (T5, lambda net: net(torch.arange(12).view(2, 6)).last_hidden_state),
    "DiTTransformer2DModel": (DIT, lambda net: net(noise(2, 4, 8, 8), 3, torch.tensor([1, 10]))),
    "CLIPTextModel": (CLIP, lambda net: net(torch.arange(12).view(2, 6)).last_hidden_state),
    "AutoencoderKL": (VAE, lambda net: net.decode(net.encode(noise(1, 3, 16, 16)).mode())),
}


def _built(kind):
    torch.manual_seed(0)
    return model_class(kind).from_config(CALLS[kind][0]).eval().requires_grad_(False)


@pytest.mark.parametrize("kind", CALLS)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@torch.no_grad()
def test_networks_compute_the_same_in_part_of_their_memory(kind, share):
    net, call = _built(kind), CALLS[kind][1]
    expected, whole = call(net), sum(tensor.nbytes for tensor in (*net.parameters(), *net.buffers()))
    card, room = Card(), int(share * whole)
    try:
        stream = Streamed(net, room, card)
    except NodeflowError as error:
        assert share == 0.3 and "NF505" in str(error)
        return
    for _ in range(2):
        assert torch.equal(call(net), expected)
    before, passing = stream.moves.count, stream.blocks[1]
    assert torch.equal(call(net), expected)
    twice = kind.startswith("DiT") and share == 0.3  # its first block's embedding is read again by the last layer
    assert 0 < passing <= stream.moves.count - before <= (2 if twice else 1) * passing
    assert card.peak <= room


def test_parts_hold_each_tensor_once():
    net = _built("UNet2DConditionModel")
    for most in (0, 10_000, 10**9):
        held = [id(slot.host) for part in _parts(net, most) for slot in part]
        assert sorted(held) == sorted(map(id, net.parameters()))


# -- lending -------------------------------------------------------------------------------------------------------


def _handle(name):
    return Weights(folder="", kind="Tower", config={}, digest=name)


@pytest.fixture
def lender(monkeypatch):
    monkeypatch.setattr(residency, "pick_device", lambda name: name)
    cards = {}

    def make(room, blocks=8):
        card = cards.setdefault("toy", Card())
        load = lambda handle, device, dtype: tower(card, blocks)  # noqa: E731
        return card, Residency({"meta": room}, load, lambda handle, dtype: FIRST + blocks * BLOCK, lambda device: card)

    return make


def test_what_has_no_room_is_lent_all_the_same_within_the_budget(lender):
    card, residency = lender(FIRST + 3 * BLOCK)
    x = torch.randn(2, WIDTH)
    expected = tower(Card())(x)
    for name in "aab":
        with residency.weights(_handle(name), "meta") as net:
            assert torch.equal(net(x), expected)
            assert [one.nbytes <= FIRST + 3 * BLOCK for one in residency.held() if one.device == "meta"] == [True]
        assert card.used <= FIRST + 3 * BLOCK
    assert residency.moves["Tower", "meta"].count > 0
    assert residency.release("meta") > 0
    assert card.used == 0


def test_a_second_network_takes_what_the_first_leaves(lender):
    _, residency = lender(2 * FIRST + 6 * BLOCK)
    with residency.weights(_handle("a"), "meta"):
        held = residency.held()[-1].nbytes
        with pytest.raises(NodeflowError, match="NF505"), residency.weights(_handle("b"), "meta"):
            pass
        assert [one.nbytes for one in residency.held()] == [held]


def test_one_thread_at_a_time_calls_it(lender):
    _, residency = lender(FIRST + 3 * BLOCK)
    x = torch.randn(2, WIDTH)
    expected, seen = tower(Card())(x), []

    def work():
        for _ in range(5):
            with residency.weights(_handle("a"), "meta") as net, residency.weights(_handle("a"), "meta") as same:
                assert net is same
                seen.append(torch.equal(net(x), expected))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [True] * 20


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@torch.no_grad()
def test_on_a_card_the_allocator_keeps_the_room_too():
    torch.manual_seed(0)
    net = nn.Sequential(*[nn.Linear(1024, 1024) for _ in range(12)]).requires_grad_(False)
    x = torch.randn(64, 1024, device="cuda")
    expected = net.cuda()(x)
    net.cpu()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before, room = torch.cuda.memory_allocated(), 4 * 4 * (1024 * 1024 + 1024)
    stream = Streamed(net, room, CudaCarrier("cuda:0"))
    for _ in range(3):
        assert torch.equal(net(x), expected)
    assert torch.cuda.max_memory_allocated() - before <= room + 8 * x.nbytes
    stream.close()
    assert all(parameter.device.type == "cpu" for parameter in net.parameters())


def test_the_report_says_what_moved(lender):
    _, residency = lender(FIRST + 3 * BLOCK)
    engine = Engine(results=Cache(folder=None), device="cpu")
    assert engine.moves() == []
    engine.residency = residency
    with residency.weights(_handle("a"), "meta") as net:
        net(torch.zeros(1, WIDTH))
    (line,) = engine.moves()
    assert line.startswith("Tower did not fit on meta: ") and "blocks moved" in line


def test_with_a_larger_budget_it_stays_as_a_whole(lender):
    _, residency = lender(FIRST + 3 * BLOCK)
    with residency.weights(_handle("a"), "meta") as net, residency.weights(_handle("a"), "meta"):
        residency.limit({"meta": 100 * BLOCK})
        with residency.weights(_handle("a"), "meta") as again:
            assert again is net and net.first.weight.device.type == "cpu"  # in use: the toy's copies, as before
    with residency.weights(_handle("a"), "meta") as net:
        assert {parameter.device.type for parameter in net.parameters()} == {"meta"}
        assert residency.held()[-1].nbytes == FIRST + 8 * BLOCK
    assert not any(module._forward_pre_hooks for module in net.modules())


def test_host_memory_has_a_budget_too():
    host = devices.default_budgets().get("cpu", 1)
    assert 0 < host < 1 << 50
