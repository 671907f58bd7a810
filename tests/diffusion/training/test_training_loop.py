"""Laws of the training loop: it resumes bit-equal, learns, follows its rate, and refuses what is not its own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from nodeflow.diffusion.training.ema import Ema
from nodeflow.diffusion.training.loop import Settings, Trainer
from nodeflow.errors import NodeflowError

SETTINGS = Settings(steps=40, warmup=5, learning_rate=1e-2)


def trainer(width: int = 8, settings: Settings = SETTINGS) -> Trainer:
    """A small network that learns to undo noise around one fixed vector."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, width), nn.SiLU(), nn.BatchNorm1d(width), nn.Linear(width, 4))
    truth = torch.tensor([1.0, -2.0, 0.5, 3.0])

    def loss(generator: torch.Generator) -> Tensor:
        x = truth + torch.randn(16, 4, generator=generator)
        return (net(x) - truth).square().mean()

    return Trainer(net, loss, settings)


def walk(run: Trainer, steps: int) -> list[float]:
    """The next losses."""
    return [loss for _, (_, loss) in zip(range(steps), run.run(), strict=False)]


@pytest.mark.parametrize("stop", [1, 7, 20])
def test_a_run_that_was_stopped_ends_bit_equal(stop: int, tmp_path: Path) -> None:
    whole = trainer()
    expected = walk(whole, 25)
    first = trainer()
    walk(first, stop)
    first.save(tmp_path / "state.safetensors")
    second = trainer()
    walk(second, 3)  # its own past must leave no trace
    second.load(tmp_path / "state.safetensors")
    assert second.step == stop
    assert walk(second, 25 - stop) == expected[stop:]
    for name, tensor in whole.average().items():
        assert torch.equal(tensor, second.average()[name]), name


def test_training_lowers_the_loss() -> None:
    losses = walk(trainer(settings=Settings(steps=150, warmup=5, learning_rate=5e-2)), 150)
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])


def test_a_run_ends_where_its_settings_say() -> None:
    run = trainer()
    assert len(walk(run, 1000)) == SETTINGS.steps
    assert not walk(run, 1)


def test_the_rate_climbs_falls_and_ends_at_zero() -> None:
    rates = [SETTINGS.rate(step) for step in range(SETTINGS.steps + 1)]
    top = SETTINGS.warmup - 1
    assert rates[top] == SETTINGS.learning_rate == max(rates)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] == pytest.approx(0, abs=1e-12)


def test_a_loss_that_is_not_finite_stops_the_run_before_it_harms_the_weights() -> None:
    run = trainer()
    walk(run, 2)
    before = {name: tensor.clone() for name, tensor in run.model.state_dict().items()}
    run.loss = lambda generator: next(run.model.parameters()).sum() * float("nan")
    with pytest.raises(NodeflowError, match=r"NF506.*step 2"):
        run.advance()
    assert all(torch.equal(tensor, before[name]) for name, tensor in run.model.state_dict().items())


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
    assert ema.beta(0) == pytest.approx(0.1)
    assert ema.beta(10**6) == 0.9
