"""Training together: one process under accelerate changes nothing, two follow their mean gradient and stay alike."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from nodeflow.diffusion.training import peers
from nodeflow.diffusion.training.draws import Draw
from nodeflow.diffusion.training.loop import Loss, Trainer
from nodeflow.training import Optimiser, Settings

accelerate = pytest.importorskip("accelerate")

SETTINGS = Settings(accumulate=2, ema=0.9)


def trainer(together: peers.Alone | None = None, accumulate: int = 2) -> Trainer:
    torch.manual_seed(0)
    net = nn.Linear(4, 4)

    def task(draw: Draw) -> Loss:
        x = torch.randn(8, 4, generator=draw.generator)
        return Loss((net(x) - x.flip(1)).square().mean())

    return Trainer(net, task, Optimiser(1e-2), Settings(accumulate=accumulate, ema=0.9), together)


def walked(run: Trainer) -> dict[str, torch.Tensor]:
    for _ in run.run(6):
        pass
    return run.average()


def test_one_process_under_accelerate_is_bit_equal_to_none() -> None:
    together = peers.Together(accelerate.Accelerator(cpu=True))
    one, other = walked(trainer()), walked(trainer(together))
    assert together.first and all(torch.equal(one[name], other[name]) for name in one)


def test_alone_is_what_is_found_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert type(peers.found()) is peers.Alone


def test_two_processes_equal_one_with_twice_the_micro_batches(tmp_path: Path) -> None:
    """Batch numbers are dealt out in turn, so the mean gradient is that of one process with all of them."""
    code = (
        "import sys, torch; sys.path[:0] = sys.argv[1:3]; torch.set_num_threads(1)\n"
        "from test_training_peers import trainer, walked\n"
        "from nodeflow.diffusion.training import peers\n"
        "own = peers.found(); assert own.count == 2\n"
        "run = trainer(own, accumulate=1); torch.save([walked(run), run.losses], f'{sys.argv[3]}/{own.rank}.pt')\n"
        "assert own.any(own.rank == 1) and not own.any(False); own.wait()\n"
    )
    given = [str(Path(__file__).parents[3]), str(Path(__file__).parent), str(tmp_path)]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(20000 + os.getpid() % 20000)}
    shared |= {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen([sys.executable, "-c", code, *given], env={**os.environ, **shared, "RANK": r, "LOCAL_RANK": r})
        for r in ("0", "1")
    ]
    assert [process.wait(120) for process in started] == [0, 0]
    (first, losses), (second, other_losses) = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    whole = trainer(accumulate=2)
    expected = walked(whole)
    for name in expected:
        assert torch.equal(first[name], second[name])
        assert torch.allclose(first[name], expected[name], atol=1e-6)
    assert losses == other_losses == pytest.approx(whole.losses, rel=1e-5)
