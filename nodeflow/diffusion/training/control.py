"""Training a ControlNet: a copy of a denoiser's way down learns to read a picture; the denoiser itself stays.

Zhang, Rao & Agrawala 2023, arXiv 2302.05543: the copy begins with the denoiser's weights, and what it adds goes
through convolutions that begin at zero, so that the first step changes nothing (section 3.1). The objective is the
denoiser's own (equation 5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nodeflow.errors import NodeflowError
from nodeflow.training import Objective
from nodeflow.values import Conditioning, Control, ControlNetwork, Denoiser

from ..calling import Question, asked
from ..calling.unet import said
from ..checkpoints.load import load_weights
from ..checkpoints.save import save_network, saved_handle
from ..models.controlnet import ControlNetConfig
from ..models.perturbation import Hand
from .course import Course, Result
from .folder import Item, pictures
from .fresh import written
from .lessons import Base, Plan, prepare
from .loop import Trainer
from .material import pixels
from .painting import Wanted, painter
from .pairing import paired
from .recipes import part
from .store import Store
from .tasks import Complete, DenoisingTask, checkpoint_activations

KIND = "ControlNetModel"
PICTURE = "control"
"""The name of the control picture in what a network is told."""


def control_config(denoiser: Denoiser) -> dict[str, Any]:
    """The configuration of a control network for a denoiser: its way down, and pictures of its pictures' size.

    Raises:
        NodeflowError: NF404, the denoiser is of a kind that has no control networks.
    """
    if denoiser.kind != "UNet2DConditionModel":
        what = f"a ControlNet is a copy of half a UNet2DConditionModel, but the model has a {denoiser.kind}"
        raise NodeflowError("NF404", what, where="model", fix="choose a Stable Diffusion model")
    shared = {key: value for key, value in denoiser.config.items() if key in ControlNetConfig.__struct_fields__}
    halvings = max(0, denoiser.space.factor.bit_length() - 1)
    widths = [16, *(32, 96, 256)[:halvings], *[256] * (halvings - 3)]
    space = {"in_channels": denoiser.space.channels, "conditioning_embedding_out_channels": widths}
    return {**shared, **space, "_class_name": KIND}


def new_control(folder: Path, denoiser: Denoiser, seed: int) -> ControlNetwork:
    """A control network that changes nothing yet, written into a folder of its own below `folder`.

    Args:
        denoiser: Whose way down is copied.
        seed: Of what reads the picture.

    Raises:
        NodeflowError: NF404, as `control_config`; NF108.
    """

    def copied(net: Any) -> None:
        source = load_weights(denoiser).state_dict()
        for name, parameter in net.state_dict().items():
            if name in source:
                parameter.copy_(source[name][:, : parameter.shape[1]] if name == "conv_in.weight" else source[name])

    return ControlNetwork(**written(folder, control_config(denoiser), seed, copied, denoiser.digest))


class Steered(nn.Module):
    """A denoiser and the network that steers it, as one.

    Args:
        net: The control network.
        unet: The denoiser.
    """

    def __init__(self, net: nn.Module, unet: nn.Module) -> None:
        super().__init__()
        self.net, self.unet = net, unet

    @staticmethod
    def ask(both: Steered, question: Question) -> Tensor:
        """The prediction, [B, C, H, W]; `more` of what is told has the control picture, [B, 3, f H, f W], 0..1."""
        on = question.on(next(both.net.parameters()))
        assert on.conditioning is not None
        told = said(both.net, on.conditioning)
        down, mid = both.net(on.x, on.t, controlnet_cond=on.conditioning.more[PICTURE].to(on.x), **told)
        added = {"down_block_additional_residuals": down, "mid_block_additional_residual": mid}
        return asked(both.unet, replace(question, hand=Hand((), inputs=added)))


class WithControls:
    """Adds the control picture to what a denoiser is told.

    Args:
        complete: Adds the rest.
        items: The control picture of each picture.
        shapes: (width, height) of each.
        store: Where they are kept.
    """

    def __init__(
        self, complete: Complete, items: Sequence[Item], shapes: Sequence[tuple[int, int]], store: Store
    ) -> None:
        self.complete, self.items, self.shapes, self.store = complete, items, shapes, store

    def __call__(self, said: Conditioning, chosen: Sequence[int]) -> Conditioning:
        told = self.complete(said, chosen)
        return replace(told, more={**told.more, PICTURE: self.pictures(chosen)})

    def pictures(self, chosen: Sequence[int]) -> Tensor:
        """Control pictures, [B, 3, H, W], 0..1; all must be of one shape."""
        return torch.stack([self._pixels(i) for i in chosen]).float() / 255

    def _pixels(self, i: int) -> Tensor:
        item, shape = self.items[i], self.shapes[i]
        return self.store.get(Store.key("pixels", item.digest, shape, False), lambda: pixels(item, *shape))["pixels"]


class TrainedControl(NamedTuple):
    """What a training brought; the samples are control pictures above what was painted after them."""

    network: ControlNetwork
    result: Result


def train_control(
    course: Course,
    plan: Plan,
    objective: Objective,
    base: Base,
    start: ControlNetwork,
    *,
    wanted: Wanted | None = None,
) -> TrainedControl:
    """Train a control network of a denoiser.

    Args:
        course: Where it runs.
        plan: Data with control pictures, optimiser, settings, steps.
        objective: What the denoiser is asked.
        base: The model; nothing of it is trained.
        start: Where the control network starts.
        wanted: What to paint with it; control pictures are taken from the data.

    Raises:
        NodeflowError: NF105 a picture has no control picture; NF205 the data is mirrored; and as `train_denoiser`.
    """
    base = replace(base, train_text=False)
    place = course.place("control", objective, *base.decides, start, *plan.decides)
    found = course.done(place, plan.steps)
    if found is None:
        lesson = prepare(course, plan, objective, base)
        lesson.net.requires_grad_(False)
        net: Any = course.own(start)
        if plan.settings.checkpointing:
            checkpoint_activations(net)
        plain = lesson.task
        items = paired(pictures(plan.data), lesson.found.items)
        told = WithControls(plain.complete, items, plain.material.shapes, course.store)
        both = Steered(net, lesson.net)
        task = DenoisingTask(both, plain.loss, plain.material, plain.order, plain.conditions, told, Steered.ask)
        trainer = Trainer(nn.ModuleDict({"control": net}), task, plan.optimiser, plan.settings, course.peers)

        def export(folder: Path, run: Trainer) -> None:
            save_network(folder / "controlnet", KIND, start.config, part(run.average(), "control"))

        shown = wanted or Wanted()
        count = len(shown.prompts) or shown.count
        chosen = [group[i % len(group)] for group in plain.material.groups[:1] for i in range(count)]
        said = shown.prompts or tuple(lesson.found.items[i].caption for i in chosen)
        controls = {"": [(Control(start, told.pictures(chosen)), net)]}
        preview = painter(course, lesson, replace(shown, prompts=said), {"controls": controls})
        found = course.train(place, trainer, plan.steps, export, preview)
    return TrainedControl(saved_handle(start, found.folder / "controlnet"), found)
