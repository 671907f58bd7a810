"""Guidance against the reference: its guiders on random predictions, its hooks in a network, whole pipelines."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from oracle.whole import GUIDANCE, Model, agree, generator
from torch import Tensor

from nodeflow.diffusion import schedulers
from nodeflow.diffusion.guidance import (
    NEGATIVE,
    POSITIVE,
    AdaptiveProjected,
    Auto,
    Call,
    ClassifierFree,
    Guidance,
    Interval,
    MagnitudeAware,
    PerturbedAttention,
    Rescaled,
    SelfAttention,
    SkipLayers,
    SmoothedEnergy,
    Tangential,
    ZeroStar,
)
from nodeflow.diffusion.latents import empty, to_image
from nodeflow.diffusion.models.perturbation import Hand, Perturbation, touched
from nodeflow.diffusion.sampling import sample
from nodeflow.diffusion.schedulers.prediction import Prediction
from nodeflow.diffusion.schedulers.space import Level
from tests.tiny import UNET, seeded

diffusers = pytest.importorskip("diffusers")
guiders = pytest.importorskip("diffusers.guiders")

STEPS = 10
W = 4.5


def guider(name: str, **options: Any) -> Any:
    return getattr(guiders, name)(**options)


PAIRS: dict[str, tuple[Guidance, Any]] = {
    "cfg": (ClassifierFree(W), lambda: guider("ClassifierFreeGuidance", guidance_scale=W)),
    "cfg at 1": (ClassifierFree(1.0), lambda: guider("ClassifierFreeGuidance", guidance_scale=1.0)),
    "rescaled": (
        Rescaled(ClassifierFree(W), 0.6),
        lambda: guider("ClassifierFreeGuidance", guidance_scale=W, guidance_rescale=0.6),
    ),
    "interval": (
        Interval(ClassifierFree(W), start=0.2, end=0.7),
        lambda: guider("ClassifierFreeGuidance", guidance_scale=W, start=0.2, stop=0.7),
    ),
    "apg": (
        AdaptiveProjected(W, eta=0.3, momentum=-0.5, longest=9.0),
        lambda: guider(
            "AdaptiveProjectedGuidance",
            guidance_scale=W - 1,
            use_original_formulation=True,
            eta=0.3,
            adaptive_projected_guidance_momentum=-0.5,
            adaptive_projected_guidance_rescale=9.0,
        ),
    ),
    "zero star": (
        ZeroStar(W, zero_steps=2),
        lambda: guider("ClassifierFreeZeroStarGuidance", guidance_scale=W, zero_init_steps=2),
    ),
    "tangential": (Tangential(W), lambda: guider("TangentialClassifierFreeGuidance", guidance_scale=W)),
    "magnitude": (
        MagnitudeAware(W, damping=2.0),
        lambda: guider("MagnitudeAwareGuidance", guidance_scale=W, alpha=2.0),
    ),
    "perturbed": (
        PerturbedAttention(ClassifierFree(W), scale=2.0, layers=("mid_block",), start=0.1, end=0.5),
        lambda: guider(
            "PerturbedAttentionGuidance",
            guidance_scale=W,
            perturbed_guidance_scale=2.0,
            perturbed_guidance_layers=[0],
            perturbed_guidance_start=0.05,
            perturbed_guidance_stop=0.5,
        ),
    ),
    "auto": (
        Auto(ClassifierFree(1.0), W - 1),
        lambda: guider("AutoGuidance", guidance_scale=W, auto_guidance_layers=[0], dropout=0.5),
    ),
    "skip": (
        SkipLayers(ClassifierFree(W)),
        lambda: guider("SkipLayerGuidance", guidance_scale=W, skip_layer_guidance_layers=[0]),
    ),
    "smoothed": (
        SmoothedEnergy(ClassifierFree(W), scale=2.8, start=0.01, end=0.6),
        lambda: guider("SmoothedEnergyGuidance", guidance_scale=W, seg_guidance_layers=[0], seg_guidance_stop=0.6),
    ),
}
THIRD = {"smoothed": "pred_cond_seg", "auto": "pred_uncond"}
KINDS = {"zero star": "flow_prediction"}


def answers(step: int) -> list[Tensor]:
    draw = torch.Generator().manual_seed(step)
    positive, negative, third = (torch.randn(2, 4, 8, 6, generator=draw) for _ in range(3))
    return [positive, positive + 0.4 * negative, positive + 0.2 * third]


@pytest.mark.parametrize("name", PAIRS)
def test_guiders(name):
    """Each step of a run: the reference asks for as many predictions, and makes the same of them."""
    ours, make = PAIRS[name]
    theirs, memory = make(), {}
    for step in range(STEPS):
        theirs.set_state(step, STEPS, torch.tensor(0))
        theirs.prepare_inputs({"x": (torch.zeros(1), torch.zeros(1))})
        predictions = answers(step)
        if name == "magnitude":  # the reference takes the norm of a matrix, and stumbles over a picture
            predictions = [one.flatten(1) for one in predictions]
        kind = KINDS.get(name, "sample")
        call = Call(torch.tensor(0), predictions[0], step, STEPS, Level(0.6, 0.8), Prediction(kind), memory)
        wanted = ours.wants(call)
        stands = name == "zero star" and step < 2
        assert stands or len(wanted) == theirs.num_conditions, step
        seen = {ask: predictions[[POSITIVE, NEGATIVE].index(ask) if isinstance(ask, str) else 2] for ask in wanted}
        memory = ours.remember(seen, call)
        third = next((ask for ask in seen if not isinstance(ask, str)), None)
        given = {"pred_cond": seen[POSITIVE], "pred_uncond": seen.get(NEGATIVE)}
        if third is not None:
            given[THIRD.get(name, "pred_cond_skip")] = seen[third]
        expected = theirs.forward(**given).pred
        found = ours.combine(seen, call)
        assert (found - expected).abs().max() <= 1e-5 * max(1.0, float(expected.abs().max()))


@pytest.mark.parametrize(
    ("kind", "flags"),
    [
        ("identity", {"skip_attention": False, "skip_attention_scores": True, "skip_ff": False}),
        ("skip", {"skip_attention": True, "skip_ff": True}),
    ],
)
@pytest.mark.parametrize("layer", ["mid_block.attentions.0", "down_blocks.0.attentions.0", "up_blocks.1.attentions.1"])
def test_hooks(kind, flags, layer):
    ours = seeded("UNet2DConditionModel", UNET)
    reference = diffusers.UNet2DConditionModel.from_config(UNET).eval().requires_grad_(False)
    reference.load_state_dict(ours.state_dict())
    x, t, states = torch.randn(2, 4, 8, 8), torch.tensor(300), torch.randn(2, 5, 32)
    hand = Hand([(Perturbation(kind, (layer,)), slice(0, 2))])
    with torch.no_grad():
        found = ours(x, t, states, changes=touched(ours, hand))
        plain = reference(x, t, states).sample
        config = diffusers.LayerSkipConfig([0], fqn=f"{layer}.transformer_blocks", **flags)
        diffusers.hooks.apply_layer_skip(reference, config)
        expected = reference(x, t, states).sample
    assert (found - expected).abs().max() <= 1e-5 < (found - plain).abs().max()


@pytest.fixture(scope="module")
def model(tiny) -> Model:
    return Model.load(str(tiny("text_to_image")))


def painted(model: Model, around: Any, name: str = "DDIMScheduler") -> Tensor:
    start, walk = empty(model.space, 16, 16), model.solver(name, {})
    done = sample(model.denoise(start, around), start, walk, schedulers.Noise(generator()))
    return to_image(model.vae, done.latent).data


@pytest.mark.parametrize("layers", ["mid", "down_blocks.0", "up_blocks.1"])
@pytest.mark.parametrize("scale", [GUIDANCE, 1.0])
def test_perturbed_attention_pipeline(model, layers, scale):
    pipe = model.pipeline("StableDiffusionPAGPipeline", "EulerDiscreteScheduler", {})
    pipe.set_pag_applied_layers(layers)
    expected = model.painted(pipe, pag_scale=2.0, guidance_scale=scale)
    block = "mid_block" if layers == "mid" else layers
    found = painted(
        model,
        lambda _: PerturbedAttention(ClassifierFree(scale), scale=2.0, layers=(block,)),
        "EulerDiscreteScheduler",
    )
    agree(found, expected)


@pytest.mark.parametrize("scale", [GUIDANCE, 1.0])
def test_self_attention_pipeline(model, scale):
    call = {"sag_scale": 0.75, "guidance_scale": scale}
    expected = model.expected("StableDiffusionSAGPipeline", "DDIMScheduler", {}, **call)
    agree(painted(model, lambda _: SelfAttention(ClassifierFree(scale), scale=0.75)), expected)
