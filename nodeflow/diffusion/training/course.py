"""The course of a training inside a run: its folder, its states, its reports, its result.

    <folder>/<key>/state-00001000.safetensors    everything, to go on from
    <folder>/<key>/step-00001000/                 what came out: networks in the published layout, losses, pictures

The key is made from all that decides the training but the number of steps. So a training that was done is not done
again, and one that is asked for more steps goes on from its last state: as the learning rate does not depend on the
number of steps either, it ends bit for bit where one long run would have ended.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import torch
from filelock import FileLock, Timeout
from torch import Tensor, nn

from nodeflow.errors import Cancelled, NodeflowError
from nodeflow.training import Dataset, Sounds
from nodeflow.values import Image, Patch, Value, Weights

from ..checkpoints.load import load_weights
from ..checkpoints.save import make_folder
from ..devices import pick_device
from ..models.embeddings import FourierProjection
from . import peers, state
from .loop import Trainer
from .material import Count
from .store import Store

RESULT = "result.safetensors"
_PLACES: dict[type, tuple[str, ...]] = {
    Dataset: ("folder", "captions", "skip_unreadable", "controls"),
    Sounds: ("folder", "captions", "skip_unreadable"),
    Patch: ("path",),
}
"""Fields that say where something is, or how it was read, and not what it is."""


class Host(Protocol):
    """What is needed of a run; `nodeflow.Run` has it."""

    device: str

    def progress(self, step: int, total: int, preview: object = None, note: str = "") -> None: ...

    def log(self, text: str) -> None: ...

    def weights(self, handle: Weights) -> Any: ...


@dataclass(frozen=True)
class Result:
    """What a training brought, besides networks.

    Args:
        folder: Where its networks are.
        losses: One number a step, [steps].
        samples: Pictures of the trained network, or None.
    """

    folder: Path
    losses: Tensor
    samples: Image | None


class Course:
    """Runs trainings.

    Args:
        host: The run: whom to tell, of whom to borrow.
        folder: Where all trainings are kept.
        save_every: Steps between two states.
        preview_every: Steps between two previews; 0 = none but the last.
    """

    def __init__(self, host: Host, folder: Path, save_every: int = 500, preview_every: int = 0) -> None:
        self.host, self.folder, self.save_every, self.preview_every = host, folder, save_every, preview_every
        self.peers = peers.found()
        self.device = self.peers.device or pick_device(host.device)
        self.store = Store(folder / "kept")

    def place(self, recipe: str, *parts: object) -> Path:
        """The folder of the training that these parts decide."""
        processes = [self.peers.count] if self.peers.count > 1 else []
        return self.folder / Store.key(recipe, *map(identity, parts), *processes)[:24]

    def own(self, handle: Weights) -> nn.Module:
        """A network of one's own to train, in float32 on the run's device, with all its parameters but fixed features.

        Raises:
            NodeflowError: As `load_weights`.
        """
        net = load_weights(handle, self.device, "float32").requires_grad_(True)
        for module in net.modules():
            if isinstance(module, FourierProjection):
                module.requires_grad_(False)
        return net

    def told(self, words: str) -> Count:
        """Reports preparations as progress."""
        return lambda done, total: self.host.progress(done, total, None, words)

    def done(self, place: Path, steps: int) -> Result | None:
        """The result of a training that was done before."""
        folder = result_folder(place, steps)
        if not (folder / RESULT).is_file():
            return None
        kept, _ = state.load(folder / RESULT)
        samples = kept.get("samples")
        return Result(folder, kept["losses"], None if samples is None else Image(samples.float() / 255))

    def train(
        self,
        place: Path,
        trainer: Trainer,
        steps: int,
        export: Callable[[Path, Trainer], None],
        preview: Callable[[], Image] | None = None,
    ) -> Result:
        """Train until so many steps are done in all, going on from the last state; write what came out.

        Args:
            place: Its folder.
            trainer: The run, fresh.
            steps: How many in all.
            export: Writes the networks into a folder.
            preview: Draws pictures with the network as it is; called with the averaged weights in place.

        Raises:
            Cancelled: The user asked to stop; the state is saved.
            NodeflowError: NF108 somebody else trains there, or a file cannot be written; NF506 as `Trainer.advance`.
        """
        with locked(place) if self.peers.first else nullcontext():
            self.peers.wait()
            resume(place, trainer, steps)
            self.peers.wait()
            self._walk(place, trainer, steps, preview)
            samples = None
            if preview is not None:
                with trainer.averaged():
                    samples = preview()
            folder, losses = result_folder(place, steps), torch.tensor(trainer.losses, dtype=torch.float64)
            if self.peers.first:
                make_folder(folder)
                export(folder, trainer)
                pictures = {} if samples is None else {"samples": (samples.data * 255).round().byte().cpu()}
                state.save(folder / RESULT, {"losses": losses, **pictures}, {"steps": steps})
            self.peers.wait()
        return Result(folder, losses, samples)

    def _walk(self, place: Path, trainer: Trainer, steps: int, preview: Callable[[], Image] | None) -> None:
        if trainer.step:
            self.host.log(f"going on from step {trainer.step}")
        last: Path | None = None
        try:
            for step, loss, _, rate in trainer.run(steps):
                shown = None
                if preview is not None and self.preview_every and step % self.preview_every == 0 and step < steps:
                    with trainer.averaged():
                        shown = preview()
                self._tell(step, steps, shown, f"loss {loss:.4f}, rate {rate:.2g}")
                if step % self.save_every == 0 and step < steps:
                    last = _saved(place, trainer, last)
        except Cancelled:
            _saved(place, trainer, last)
            self.host.log(f"saved at step {trainer.step}; run it again to go on from there")
            raise
        _saved(place, trainer, last)

    def _tell(self, step: int, steps: int, shown: Image | None, note: str) -> None:
        """Report progress; all processes stop where one was asked to."""
        asked = False
        try:
            self.host.progress(step, steps, shown, note)
        except Cancelled:
            asked = True
        if self.peers.any(asked):
            raise Cancelled()


def identity(value: object) -> object:
    """What of a part decides a training: content, not places."""
    if isinstance(value, Weights):
        config = json.dumps(dict(value.config), sort_keys=True)
        beside = [identity(other) for other in getattr(value, "more", ())]
        own = value.kind, value.digest, config, [identity(patch) for patch in value.patches]
        return (*own, beside) if beside else own
    if isinstance(value, Mapping):
        return sorted(value.items())
    if isinstance(value, Value):
        left_out = _PLACES.get(type(value), ())
        kept = [f.name for f in fields(value) if f.name not in left_out]
        return type(value).__name__, [(name, identity(getattr(value, name))) for name in kept]
    return value


def result_folder(place: Path, steps: int) -> Path:
    """Where the networks of a training of so many steps are."""
    return place / f"step-{steps:08d}"


def resume(place: Path, trainer: Trainer, steps: int) -> None:
    """Load the last state that is not beyond the steps asked for, if there is one."""
    states = {int(path.stem.partition("-")[2]): path for path in place.glob("state-*.safetensors")}
    usable = [step for step in states if step <= steps]
    if usable:
        trainer.load(states[max(usable)])


@contextmanager
def locked(place: Path) -> Iterator[None]:
    """Keep others from training in the same folder.

    Raises:
        NodeflowError: NF108, somebody else does, or the folder cannot be made.
    """
    make_folder(place)
    try:
        with FileLock(place / ".lock", timeout=0):
            yield
    except Timeout:
        what = "another process is at the same training"
        raise NodeflowError("NF108", what, where=str(place), fix="wait for it, or stop it") from None


def _saved(place: Path, trainer: Trainer, last: Path | None) -> Path:
    """Save a state and remove the one that this run saved before it."""
    path = place / f"state-{trainer.step:08d}.safetensors"
    if not trainer.peers.first:
        return path
    trainer.save(path)
    if last is not None and last != path:
        last.unlink(missing_ok=True)
    return path
