"""Every published model at full size, without weights: our networks have the reference's parameters, name by name."""

from __future__ import annotations

import math

import diffusers
import pytest
import torch
import transformers
from oracle.published import COUNTS, MODELS, OTHERS, Options, Parts
from torch import nn

from nodeflow.diffusion.checkpoints import spaces
from nodeflow.diffusion.checkpoints.families import AUTOENCODERS, DENOISERS, known, recognised, require_fit
from nodeflow.diffusion.models import model_class

NETWORKS = OTHERS | {
    f"{model}, {part}": network for model, (_, _, parts) in MODELS.items() for part, network in parts.items()
}
BY_CONTENT = {repr(network): name for name, network in reversed(NETWORKS.items())}
"""Each network once, under the first name it has."""


def shapes(net: nn.Module) -> dict[str, tuple[int, ...]]:
    """Of the parameters; transformers has dropped the root of some names."""
    return {name.removeprefix("text_model."): tuple(tensor.shape) for name, tensor in net.state_dict().items()}


def reference(kind: str, config: Options) -> nn.Module:
    if hasattr(diffusers, kind):
        return getattr(diffusers, kind)(**config)
    made = getattr(transformers, kind)
    return made(made.config_class(**config))


@pytest.mark.parametrize("name", BY_CONTENT.values())
def test_networks_have_the_published_parameters(name: str) -> None:
    kind, config = NETWORKS[name]
    with torch.device("meta"):
        assert shapes(model_class(kind).from_config(config)) == shapes(reference(kind, config))


@pytest.mark.parametrize("name", COUNTS)
def test_denoisers_have_as_many_parameters_as_is_known(name: str) -> None:
    kind, config = MODELS[name][2]["unet"]
    with torch.device("meta"):
        net = model_class(kind).from_config(config)
    assert sum(math.prod(parameter.shape) for parameter in net.parameters()) == COUNTS[name]


@pytest.mark.parametrize(("family", "task", "parts"), MODELS.values(), ids=MODELS)
def test_families_are_recognised(family: str, task: str, parts: Parts) -> None:
    place = next(name for name in DENOISERS if name in parts)
    kind, config = parts[place]
    found = recognised(kind, config, {name: kind for name, (kind, _) in parts.items()})
    coder = next(parts[name][1] for name in AUTOENCODERS if name in parts)
    space = spaces.latent_space(coder, "unknown")
    assert (found, found.task(config, space.channels)) == (known(family), task)
    assert space.name != "unknown" and found.scheduler
    assert min(spaces.trained_size(kind, config, space, found.size)) >= 512
    texts = [parts[name][1] for name in found.texts.components if name in parts] if found.texts else []
    require_fit(found, config, texts)
