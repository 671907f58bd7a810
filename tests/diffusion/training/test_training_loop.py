"""Laws of the training loop: it resumes bit-equal, learns, follows its rate, and refuses what is not its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from nodeflow.diffusion.training.draws import Draw, drawing, seed_of
from nodeflow.diffusion.training.ema import Ema
from nodeflow.diffusion.training.loop import Loss, Trainer
from nodeflow.diffusion.training.optimisers import rate
from nodeflow.errors import NodeflowError
from nodeflow.training import Optimiser, Settings

OPTIMISER = Optimiser(1e-2, warmup=5)


class Toy(nn.Module):
    """A small network with noise, buffers and a frozen part, that learns to undo noise around one fixed vector."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(
            nn.Linear(4, width), nn.SiLU(), nn.BatchNorm1d(width), nn.Dropout(0.2), nn.Linear(width, 4)
        )
        self.frozen = nn.Linear(4, 4).requires_grad_(False)
        self.truth = torch.tensor([1.0, -2.0, 0.5, 3.0])

    def __call__(self, draw: Draw) -> Loss:
        x = self.truth + torch.randn(16, 4, generator=draw.generator)
        error = self.frozen(self.net(x)) - self.truth
        return Loss(error.square().mean(), [f"vector {draw.number}"])


def trainer(width: int = 8, optimiser: Optimiser = OPTIMISER, settings: Settings | None = None) -> Trainer:
    toy = Toy(width)
    return Trainer(toy, toy, optimiser, settings)


def walk(run: Trainer, steps: int) -> list[float]:
    """The losses until so many steps are done in all."""
    return [progress.loss for progress in run.run(steps)]


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(accumulate=3, ema=0),
        Settings(precision="bfloat16", seed=7),
        Settings(precision="float16", seed=7),
    ],
    ids=str,
)
@pytest.mark.parametrize("stop", [1, 7, 20])
def test_a_run_that_was_stopped_ends_bit_equal(stop: int, settings: Settings, tmp_path: Path) -> None:
    whole = trainer(settings=settings)
    expected = walk(whole, 25)
    first = trainer(settings=settings)
    walk(first, stop)
    first.save(tmp_path / "state.safetensors")
    second = trainer(settings=settings)
    walk(second, 3)  # its own past must leave no trace
    second.load(tmp_path / "state.safetensors")
    assert second.step == stop and second.losses == expected[:stop]
    assert walk(second, 25) == expected[stop:]
    second.save(tmp_path / "a.safetensors")
    whole.save(tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_saving_leaves_the_run_as_it_is(tmp_path: Path) -> None:
    run, other = trainer(), trainer()
    walk(run, 5), walk(other, 5)
    run.save(tmp_path / "state.safetensors")
    with run.averaged() as net:
        assert not net.training
    torch.manual_seed(99)  # the world's randomness is not the run's
    assert walk(run, 10) == walk(other, 10)


def test_training_lowers_the_loss() -> None:
    losses = walk(trainer(optimiser=Optimiser(5e-2, warmup=5)), 150)
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_every_precision_trains(precision: str) -> None:
    losses = walk(trainer(optimiser=Optimiser(5e-2), settings=Settings(precision=precision)), 60)
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])


def test_micro_batches_add_up_to_the_gradient_of_the_whole() -> None:
    """Without noise and normalisation, four micro-batches equal one of four times the size."""
    x = torch.randn(32, 4, generator=torch.Generator().manual_seed(0))

    def run(accumulate: int) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        net = nn.Linear(4, 1)
        size = len(x) // accumulate

        def task(draw: Draw) -> Loss:
            at = draw.number % accumulate * size
            return Loss(net(x[at : at + size]).square().mean())

        made = Trainer(net, task, Optimiser(1e-2), Settings(accumulate=accumulate))
        walk(made, 5)
        return net.state_dict()

    whole, parts = run(1), run(4)
    assert all(torch.allclose(whole[name], parts[name], atol=1e-6) for name in whole)


def test_a_run_ends_where_it_was_asked_to() -> None:
    run = trainer()
    assert len(walk(run, 40)) == 40
    assert not walk(run, 40)
    assert run.step == 40


def test_frozen_parameters_stay() -> None:
    run = trainer()
    before = run.model.frozen.weight.clone()  # type: ignore[union-attr]
    walk(run, 5)
    assert torch.equal(run.model.frozen.weight, before)  # type: ignore[union-attr]
    assert "frozen.weight" not in run.ema.weights


def test_a_gradient_is_clipped_to_its_norm() -> None:
    run = trainer(optimiser=Optimiser(1e-2, clip=1e-3, weight_decay=0))
    seen = []
    run.optimizer.register_step_pre_hook(lambda *_: seen.append(run.parameters["net.0.weight"].grad.norm().item()))
    progress = run.advance()
    assert progress.gradient > 1e-3 >= seen[0]


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
def test_the_rate_climbs_falls_and_ends_at_zero(schedule: str) -> None:
    optimiser = Optimiser(1e-2, schedule, warmup=5, horizon=40)
    rates = [rate(optimiser, step) for step in range(41)]
    assert rates[4] == optimiser.learning_rate == max(rates)
    assert rates[:5] == sorted(rates[:5])
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert rates[-1] == pytest.approx(0, abs=1e-12)


def test_a_constant_rate_stays() -> None:
    assert {rate(OPTIMISER, step) for step in range(4, 1000)} == {1e-2}


def test_training_beyond_the_end_of_the_rate_is_refused() -> None:
    run = trainer(optimiser=Optimiser(1e-2, "cosine", horizon=10))
    assert len(walk(run, 10)) == 10
    with pytest.raises(NodeflowError, match=r"NF205.*horizon"):
        walk(run, 11)


def test_draws_are_a_function_of_seed_and_number() -> None:
    def values(seed: int, number: int) -> list[float]:
        with drawing(seed, number) as draw:
            return [float(torch.rand((), generator=draw.generator)), float(torch.rand(()))]

    before = torch.get_rng_state()
    assert values(1, 2) == values(1, 2)
    assert len({tuple(values(seed, number)) for seed in range(3) for number in range(3)}) == 9
    assert torch.equal(torch.get_rng_state(), before)
    assert seed_of("a", 1) != seed_of("a", 2) and 0 <= seed_of("a") < 2**63


def test_a_loss_that_is_not_finite_stops_the_run_before_it_harms_the_weights() -> None:
    run = trainer()
    walk(run, 2)
    before = {name: tensor.clone() for name, tensor in run.model.state_dict().items()}
    run.task = lambda draw: Loss(run.parameters["net.0.weight"].sum() * float("nan"), ["a.png", "b.png"])
    with pytest.raises(NodeflowError, match=r"NF506.*step 2 on a\.png, b\.png.*; "):
        run.advance()
    assert all(torch.equal(tensor, before[name]) for name, tensor in run.model.state_dict().items())


def test_a_gradient_that_is_not_finite_stops_the_run() -> None:
    run = trainer()
    run.task = lambda draw: Loss((run.parameters["net.0.weight"] * 0).sqrt().sum())
    with pytest.raises(NodeflowError, match=r"NF506.*gradient"):
        run.advance()


@pytest.mark.parametrize(
    ("losses", "precision", "words"),
    [
        ([], "float32", "first batch"),
        ([1.0] * 50, "float32", "likely this batch"),
        ([1.0] * 50 + [9.0] * 10, "float32", "growing"),
        ([1.0] * 50, "float16", "float16 overflows"),
    ],
)
def test_the_likely_cause_is_told(losses: list[float], precision: str, words: str) -> None:
    run = trainer(settings=Settings(precision=precision))
    run.losses = losses
    run.task = lambda draw: Loss(run.parameters["net.0.weight"].sum() * float("inf"))
    with pytest.raises(NodeflowError, match=words):
        run.advance()


def test_weights_that_were_broken_before_are_told_apart() -> None:
    run = trainer()
    run.parameters["net.0.bias"].data[0] = float("nan")
    with pytest.raises(NodeflowError, match="weights were not finite"):
        run.advance()


def test_the_state_of_another_network_is_refused(tmp_path: Path) -> None:
    trainer(width=6).save(tmp_path / "state.safetensors")
    with pytest.raises(NodeflowError, match="NF407"):
        trainer().load(tmp_path / "state.safetensors")


@pytest.mark.parametrize("content", [None, b"", b"no safetensors at all"])
def test_an_unreadable_state_is_refused(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(NodeflowError, match=r"NF107.*state\.safetensors"):
        trainer().load(path)


def test_a_state_that_cannot_be_written_keeps_the_old_one(tmp_path: Path) -> None:
    with pytest.raises(NodeflowError, match="NF108"):
        trainer().save(tmp_path / "no folder" / "state.safetensors")


@pytest.mark.parametrize("change", [{"kind": "sgd"}, {"schedule": "steps"}])
def test_unknown_optimisers_and_schedules_are_refused(change: dict[str, str]) -> None:
    with pytest.raises(NodeflowError, match="NF205"):
        walk(trainer(optimiser=replace(OPTIMISER, **change)), 1)  # type: ignore[arg-type]


def test_eight_bits_without_their_library_are_refused_in_one_sentence() -> None:
    try:
        import bitsandbytes  # noqa: F401

        pytest.skip("bitsandbytes is installed")
    except ImportError:
        with pytest.raises(NodeflowError, match=r"NF301.*bitsandbytes.*pip install"):
            trainer(optimiser=Optimiser(kind="adamw8bit"))


def test_the_average_obeys_its_law() -> None:
    net = nn.Linear(1, 1, bias=False)
    nn.init.constant_(net.weight, 0.0)
    ema = Ema(net, decay=0.9)
    expected, target = 0.0, 1.0
    nn.init.constant_(net.weight, target)
    for n in range(200):
        beta = min(0.9, (1 + n) / (10 + n))
        expected = beta * expected + (1 - beta) * target
        ema.update(net, n)
        assert ema.weights["weight"].item() == pytest.approx(expected, abs=1e-6)
    with ema.lent_to(net):
        assert net.weight.item() == pytest.approx(expected, abs=1e-6)
    assert net.weight.item() == target
    assert ema.beta(0) == pytest.approx(0.1)
    assert ema.beta(10**6) == 0.9
