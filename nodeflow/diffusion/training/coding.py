"""Training an autoencoder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from nodeflow.values import Autoencoder, Image

from ..checkpoints.handles import files_of
from ..checkpoints.identity import digest
from ..checkpoints.save import save_network, saved_handle
from ..checkpoints.spaces import latent_space
from .buckets import Order
from .course import Course, Result
from .folder import pictures, scan
from .latents import standardise
from .lessons import Plan
from .loop import Trainer
from .material import Material
from .pictures import psnr
from .tasks import AutoencoderTask, checkpoint_activations


class TrainedAutoencoder(NamedTuple):
    """What a training of an autoencoder brought; the pictures are originals above what came back of them."""

    autoencoder: Autoencoder
    result: Result


def train_autoencoder(
    course: Course, plan: Plan, model: Autoencoder, *, kl: float = 1e-3, unit: bool = True
) -> TrainedAutoencoder:
    """Train an autoencoder on pictures, by error and divergence alone: no other network is needed.

    Args:
        course: Where it runs.
        plan: Data, optimiser, settings, steps.
        model: Where it starts.
        kl: β, how strongly latents are drawn to N(0, 1).
        unit: At the end, fold the latents' mean and deviation into the network, so that each channel has mean 0 and
            variance 1.

    Raises:
        NodeflowError: As scanning, loading and training raise.
    """
    place = course.place("autoencoder", model, kl, unit, *plan.decides)
    found = course.done(place, plan.steps)
    if found is None:
        material = Material(scan(plan.data).items, pictures(plan.data), course.store)
        order = Order(material.groups, plan.settings.batch, plan.settings.seed)
        net: Any = course.own(model)
        if plan.settings.checkpointing:
            checkpoint_activations(net)
        trainer = Trainer(net, AutoencoderTask(net, material, order, kl), plan.optimiser, plan.settings, course.peers)
        some = range(0, len(material.items), -(-len(material.items) // 64))

        def shown() -> torch.Tensor:
            chosen = [i for i in material.groups[0] if i in some]
            return torch.cat([material([i], torch.Generator()) for i in chosen]).to(course.device)

        def export(folder: Path, run: Trainer) -> None:
            with run.averaged():
                x = shown()
                course.host.log(f"PSNR {psnr(net.decode(net.encode(x).mode()), x):.2f} dB")
                if unit:
                    standardise(net, x)
                save_network(folder / "vae", model.kind, model.config, net.state_dict())

        def preview() -> Image:
            x = shown()[:8]
            both = torch.cat([x, net.decode(net.encode(x).mode())], dim=2)
            return Image((both / 2 + 0.5).clamp(0, 1).cpu())

        found = course.train(place, trainer, plan.steps, export, preview)
    return TrainedAutoencoder(respaced(saved_handle(model, found.folder / "vae")), found)


def respaced(handle: Autoencoder) -> Autoencoder:
    """The handle with the latent space that its weights now make."""
    return replace(handle, space=latent_space(handle.config, digest(files_of(handle), timed=False)))
