"""Laws of the algebra of adapters: each change equals its dense formula, is as low in rank as it says, and cuts."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nodeflow.diffusion.adapters import lora
from nodeflow.diffusion.adapters.deltas import Delta, Dora, made
from nodeflow.errors import NodeflowError

OUT, IN, R, K, ALPHA = 8, 6, 2, 3, 5.0


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed + sum(shape)))


def change(pieces: dict[str, Tensor]) -> Delta:
    return made(pieces, lambda rank: ALPHA / rank)["weight"]


LINEAR = {
    "lora": {"down": numbers(R, IN), "up": numbers(OUT, R)},
    "loha": {f"hada_w{i}_{half}": numbers(*shape, seed=i) for i in (1, 2)
             for half, shape in (("a", (OUT, R)), ("b", (R, IN)))},
    "lokr": {"lokr_w1": numbers(2, 3), "lokr_w2": numbers(4, 2)},
    "lokr factors": {"lokr_w1": numbers(2, 3), "lokr_w2_a": numbers(4, R), "lokr_w2_b": numbers(R, 2)},
    "diff": {"diff": numbers(OUT, IN)},
}  # fmt: skip
CONVOLUTION = {
    "locon": {"down": numbers(R, IN, K, K), "up": numbers(OUT, R, 1, 1)},
    "locon with a core": {"down": numbers(R, IN, 1, 1), "up": numbers(OUT, R, 1, 1), "mid": numbers(R, R, K, K)},
    "loha": {f"hada_w{i}_{half}": numbers(*shape, seed=i) for i in (1, 2)
             for half, shape in (("a", (OUT, R)), ("b", (R, IN * K * K)))},
    "loha with a core": {f"hada_{name.format(i)}": numbers(*shape, seed=i) for i in (1, 2)
                         for name, shape in (("w{}_a", (R, OUT)), ("w{}_b", (R, IN)), ("t{}", (R, R, K, K)))},
    "lokr": {"lokr_w1": numbers(2, 3), "lokr_w2": numbers(4, 2, K, K)},
    "lokr factors": {"lokr_w1_a": numbers(2, R), "lokr_w1_b": numbers(R, 3), "lokr_w2_a": numbers(4, R),
                     "lokr_w2_b": numbers(R, 2 * K * K)},
    "lokr with a core": {"lokr_w1": numbers(2, 3), "lokr_w2_a": numbers(R, 4), "lokr_w2_b": numbers(R, 2),
                         "lokr_t2": numbers(R, R, K, K)},
    "diff": {"diff": numbers(OUT, IN, K, K)},
}  # fmt: skip
ALL = [(kind, pieces, (OUT, IN)) for kind, pieces in LINEAR.items()]
ALL += [(kind, pieces, (OUT, IN, K, K)) for kind, pieces in CONVOLUTION.items()]
each = pytest.mark.parametrize(("kind", "pieces", "shape"), ALL, ids=[f"{k} {len(s)}" for k, _, s in ALL])


def dense(kind: str, pieces: dict[str, Tensor], o: int, i: int, k: int, m: int) -> Tensor:
    """One number of a change, from the definition by sums."""

    def of(name: str) -> Tensor:
        return pieces[name]

    def product(wide: Tensor, narrow: Tensor, core: Tensor | None, row: int, column: int) -> Tensor:
        if core is None:
            return (wide[row] * narrow[:, column]).sum()
        return sum(core[p, q, k, m] * wide[p, row] * narrow[q, column] for p in range(R) for q in range(R))  # type: ignore[return-value]

    spatial = i * K * K + k * K + m
    if kind == "diff":
        return of("diff").reshape(OUT, IN, -1)[o, i, k * K + m]
    if kind in ("lora", "locon"):
        return (
            ALPHA / R * product(of("up").flatten(1), of("down").flatten(1), None, o, spatial if kind == "locon" else i)
        )
    if kind == "locon with a core":
        up, down = of("up").flatten(1).T, of("down").flatten(1)
        return ALPHA / R * product(up, down, of("mid"), o, i)
    if kind.startswith("loha"):
        halves = [(of(f"hada_w{n}_a"), of(f"hada_w{n}_b"), pieces.get(f"hada_t{n}")) for n in (1, 2)]
        at = i if halves[0][2] is not None or halves[0][1].shape[1] == IN else spatial
        return ALPHA / R * product(*halves[0], o, at) * product(*halves[1], o, at)
    first = of("lokr_w1") if "lokr_w1" in pieces else of("lokr_w1_a") @ of("lokr_w1_b")
    (row, below), (column, beside) = divmod(o, 4), divmod(i, 2)
    if "lokr_w2" in pieces:
        second = of("lokr_w2")[below, beside, k, m] if of("lokr_w2").ndim == 4 else of("lokr_w2")[below, beside]
    else:
        wide, narrow = of("lokr_w2_a"), of("lokr_w2_b")
        at = beside if narrow.shape[1] == 2 else beside * K * K + k * K + m
        second = product(wide, narrow, pieces.get("lokr_t2"), below, at)
    return (1 if kind == "lokr" else ALPHA / R) * first[row, column] * second


@each
def test_every_number_is_that_of_the_definition(kind: str, pieces: dict[str, Tensor], shape: tuple[int, ...]) -> None:
    found = change(pieces).delta(torch.zeros(shape)).reshape(OUT, IN, -1)
    for o, i, place in [
        (0, 0, 0),
        (3, 1, 0),
        (4, 2, 0),
        (OUT - 1, IN - 1, found.shape[2] - 1),
        (5, 3, found.shape[2] // 2),
    ]:
        expected = dense(kind, pieces, o, i, *divmod(place, K))
        assert torch.allclose(found[o, i, place], expected, atol=1e-4)


@each
def test_changes_are_as_low_in_rank_as_they_say(kind: str, pieces: dict[str, Tensor], shape: tuple[int, ...]) -> None:
    most = R if kind.startswith("lo") and kind[2] in "rc" else OUT if kind in ("diff", "lokr") else R**2
    assert torch.linalg.matrix_rank(change(pieces).matrix()) <= most


@each
def test_rows_of_a_change_are_rows_of_the_whole(kind: str, pieces: dict[str, Tensor], shape: tuple[int, ...]) -> None:
    whole = change(pieces).delta(torch.zeros(shape))
    cut = change(pieces).rows(((5, 3), (1, 2))).delta(torch.zeros(5, *shape[1:]))
    assert torch.equal(cut, torch.cat([whole[5:8], whole[1:3]]))


@pytest.mark.parametrize("kind", ["locon", "locon with a core"])
def test_a_convolutions_change_is_its_convolutions_in_a_row(kind: str) -> None:
    pieces = CONVOLUTION[kind]
    x = numbers(1, IN, 5, 5)
    y = F.conv2d(x, pieces["down"], padding=1 if kind == "locon" else 0)
    y = F.conv2d(F.conv2d(y, pieces["mid"], padding=1) if "mid" in pieces else y, pieces["up"])
    assert torch.allclose(
        F.conv2d(x, change(pieces).delta(torch.zeros(OUT, IN, K, K)), padding=1), ALPHA / R * y, atol=1e-3
    )


LENGTHS = [
    *(((OUT, IN), lengths) for lengths in ((OUT, 1), (OUT,), (1, IN))),
    *(((OUT, IN, K, K), lengths) for lengths in ((OUT, 1, 1, 1), (1, IN, 1, 1))),
]


@pytest.mark.parametrize(("shape", "lengths"), LENGTHS)
def test_a_dora_gives_the_lengths_it_learnt_and_the_direction_of_the_sum(shape, lengths) -> None:
    weight, magnitude = numbers(*shape, seed=3), numbers(*lengths).abs() + 0.1
    pieces = LINEAR["lora"] if len(shape) == 2 else CONVOLUTION["locon"]
    plain = weight + change(pieces).delta(weight)
    found = weight + change({**pieces, "dora_scale": magnitude}).delta(weight)
    axis = 1 if lengths[0] == 1 else 0
    rows, sums = (each.movedim(axis, 0).flatten(1) for each in (found, plain))
    assert torch.allclose(rows.norm(dim=1), magnitude.flatten(), atol=1e-4)
    assert torch.allclose(F.cosine_similarity(rows, sums), torch.ones(len(rows)), atol=1e-4)


def test_a_dora_that_keeps_all_lengths_of_the_sum_is_its_direction_alone() -> None:
    weight, inner = numbers(OUT, IN, seed=3), change(LINEAR["lora"])
    lengths = (weight + inner.delta(weight)).norm(dim=1)
    whole = Dora(inner, lengths)
    assert torch.allclose(whole.delta(weight), inner.delta(weight), atol=1e-5)
    assert torch.allclose(whole.rows(((2, 4),)).delta(weight[2:6]), whole.delta(weight)[2:6], atol=1e-5)


@each
def test_strength_is_linear(kind: str, pieces: dict[str, Tensor], shape: tuple[int, ...]) -> None:
    steps = []
    for strength in (0.0, 0.5, 1.0):
        net: nn.Module = nn.Sequential(nn.Linear(IN, OUT) if len(shape) == 2 else nn.Conv2d(IN, OUT, K))
        weight: Tensor = net[0].weight  # type: ignore[index]
        weight.data = numbers(*shape, seed=4)
        lora.apply(net, {"0.weight": change(pieces)}, strength)
        steps.append(weight.detach().clone())
    assert torch.equal(steps[0], numbers(*shape, seed=4))
    assert torch.allclose(steps[1], (steps[0] + steps[2]) / 2, atol=1e-4)


def test_biases_and_norms_change_too_and_what_is_incomplete_or_misshapen_is_refused() -> None:
    net = nn.Sequential(nn.Linear(IN, OUT), nn.LayerNorm(OUT), nn.Linear(OUT, OUT, bias=False))
    tensors = {
        "lora_unet_0.diff_b": torch.ones(OUT),
        "lora_unet_1.w_norm": torch.ones(OUT),
        "lora_unet_1.b_norm": torch.ones(OUT),
    }
    before = {name: value.clone() for name, value in net.state_dict().items()}
    lora.apply(net, lora.updates(tensors, {}, "unet", net), 2.0)
    moved = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"0.bias", "1.weight", "1.bias"}
    assert torch.allclose(net[1].weight, torch.full((OUT,), 3.0))
    for bad in ({"lora_unet_2.diff_b": torch.ones(OUT)}, {"lora_unet_0.diff": torch.ones(OUT, OUT)},
                {"lora_unet_0.hada_w1_a": torch.ones(OUT, R)}):  # fmt: skip
        with pytest.raises(NodeflowError, match="NF407"):
            lora.apply(net, lora.updates(bad, {}, "unet", net), 1.0)
