"""Guidance: how the predictions for several prompts become the one that a sampler follows.

Each node adds a part around what is wired to it; the last goes to a sampler's `guide`.
"""

from dataclasses import replace
from typing import Annotated, Any

from nodeflow import Choice, Conditioning, Denoiser, Guidance, Range, node

from ._fits import named_layers

Scale = Annotated[float, Range(0, 30, step=0.5)]
Strength = Annotated[float, Range(0, 20, step=0.1)]
Share = Annotated[float, Range(0, 1, step=0.01)]
Layers = Annotated[str, Choice(("mid_block", "down_blocks", "up_blocks"), free=True)]


def _facts(
    guidance: dict[str, Any] | None = None,
    layers: str | None = None,
    weak: dict[str, Any] | None = None,
    **_: Any,
) -> dict[str, Any]:
    known = guidance or {}
    inside = [*known.get("inside", []), *(named_layers(layers) if layers is not None else [])]
    return {"guidance": {"inside": inside, "weak": weak or known.get("weak"), "task": known.get("task")}}


def _edits(**_: Any) -> dict[str, Any]:
    return {"guidance": {"task": "edit"}}


@node("guidance/classifier-free", title="Classifier-free")
def classifier_free(scale: Scale = 7.0) -> Guidance:
    """Follow the prompt away from the negative one (CFG).

    Args:
        scale: 1 is the prompt alone, and the negative one is not computed; CFG++ samplers take 0 to 1.
    """
    return Guidance().then("classifier-free", scale=scale)


@node("guidance/projected", title="Adaptive projected (APG)")
def projected(
    scale: Scale = 7.0,
    eta: Annotated[float, Range(0, 1, step=0.05)] = 0.0,
    momentum: Annotated[float, Range(-1, 1, step=0.05)] = 0.0,
    longest: Annotated[float, Range(0, 1000, step=0.5)] = 0.0,
) -> Guidance:
    """Strong guidance without the strong colours: only what is perpendicular to the picture is followed.

    Args:
        scale: As in classifier-free guidance.
        eta: How much of the parallel part to keep; 1 with nothing else set is classifier-free guidance.
        momentum: How much of earlier steps to add; -0.5 is published for SDXL.
        longest: The length a change may have; 0 = any, 15 is published for SDXL.
    """
    return Guidance().then("projected", scale=scale, eta=eta, momentum=momentum, longest=longest)


@node("guidance/zero-star", title="CFG-Zero*")
def zero_star(scale: Scale = 7.0, zero_steps: Annotated[int, Range(0, 100)] = 0) -> Guidance:
    """Classifier-free guidance whose negative prediction is scaled to lie nearest to the positive one.

    Args:
        scale: As in classifier-free guidance.
        zero_steps: So many first steps stand still; 1 is published for flow models, 0 for any other.
    """
    return Guidance().then("zero-star", scale=scale, zero_steps=zero_steps)


@node("guidance/perp-neg", title="Perp-Neg")
def perp_neg(
    empty: Conditioning,
    scale: Scale = 7.0,
    strength: Annotated[float, Range(0, 10, step=0.1)] = 1.0,
) -> Guidance:
    """Take away of the negative prompt only what does not contradict the positive one.

    Args:
        empty: The empty prompt, encoded; the sampler's negative prompt says what to steer away from.
        scale: As in classifier-free guidance.
        strength: How much of the negative prompt to take away.
    """
    return Guidance(prompts={"empty": empty}).then("perp-neg", scale=scale, strength=strength)


@node("guidance/tangential", title="Tangential (TCFG)")
def tangential(scale: Scale = 7.0) -> Guidance:
    """Classifier-free guidance whose negative prediction keeps only what both predictions share.

    Args:
        scale: As in classifier-free guidance.
    """
    return Guidance().then("tangential", scale=scale)


@node("guidance/magnitude-aware", title="Magnitude-aware (MAMBO-G)")
def magnitude_aware(scale: Scale = 10.0, damping: Annotated[float, Range(0, 20, step=0.5)] = 8.0) -> Guidance:
    """Classifier-free guidance that is weaker where it would change much.

    Args:
        scale: As in classifier-free guidance.
        damping: How much weaker; 0 is classifier-free guidance.
    """
    return Guidance().then("magnitude-aware", scale=scale, damping=damping)


@node("guidance/frequency-decoupled", title="Frequency-decoupled (FDG)")
def frequency_decoupled(scale: Scale = 10.0, low: Scale = 5.0) -> Guidance:
    """Classifier-free guidance of one strength for details and of another for what is coarse.

    Args:
        scale: For details.
        low: For what is coarse; lower keeps colours calm.
    """
    return Guidance().then("frequency-decoupled", scale=scale, low=low)


@node("guidance/mimic", title="Dynamic thresholding (mimic)")
def mimic(
    scale: Scale = 15.0,
    mimic: Scale = 7.0,
    quantile: Annotated[float, Range(0.5, 1, step=0.005)] = 1.0,
) -> Guidance:
    """Classifier-free guidance of a large scale with the contrast of a smaller one.

    Args:
        scale: The scale to follow.
        mimic: The scale whose contrast to have.
        quantile: The share of numbers that are not cut; 1 cuts only what exceeds the larger contrast.
    """
    return Guidance().then("mimic", scale=scale, mimic=mimic, quantile=quantile)


@node("guidance/instructed", title="Instructed edit", describe=_edits)
def instructed(scale: Scale = 7.5, image_scale: Annotated[float, Range(0, 10, step=0.1)] = 1.5) -> Guidance:
    """For models that edit a picture as they are told (InstructPix2Pix).

    Args:
        scale: How strongly to follow the instruction.
        image_scale: How closely to stay with the picture; at 1 one prediction less is computed.
    """
    return Guidance().then("instructed", scale=scale, image_scale=image_scale)


@node("guidance/rescale", title="Rescale guidance", describe=_facts)
def rescale(guidance: Guidance, share: Share = 0.7) -> Guidance:
    """Take back the contrast that strong guidance adds.

    Args:
        guidance: What to rescale.
        share: How much of it to take back.
    """
    return guidance.then("rescale", share=share)


@node("guidance/threshold", title="Dynamic thresholding", describe=_facts)
def threshold(
    guidance: Guidance,
    quantile: Annotated[float, Range(0.5, 1, step=0.005)] = 0.995,
    limit: Annotated[float, Range(0.1, 100, log=True)] = 1.0,
) -> Guidance:
    """Bound each step's clean picture, as Imagen does.

    Args:
        guidance: What to bound.
        quantile: The share of numbers that stay as they are.
        limit: How large a number may be: 1 for models of pixels, about 4 for those of latents.
    """
    return guidance.then("threshold", quantile=quantile, limit=limit)


@node("guidance/interval", title="Guidance interval", describe=_facts)
def interval(
    guidance: Guidance,
    start: Share = 0.0,
    end: Share = 1.0,
    low: Annotated[float, Range(0, 1000, step=0.01)] = 0.0,
    high: Annotated[float, Range(0, 1000, step=0.01)] = 0.0,
) -> Guidance:
    """Guide in the middle of the run only; before and after, the prompt alone, which is faster and often better.

    Args:
        guidance: What to limit.
        start: The share of the steps at which it begins.
        end: The share before which it ends.
        low: The noise level (sigma) down to which it works; 0.28 is published for SDXL.
        high: The noise level up to which it works; 0 = any, 5.42 is published for SDXL.
    """
    return guidance.then("interval", start=start, end=end, low=low, high=high or None)


@node("guidance/adaptive", title="Adaptive guidance", describe=_facts)
def adaptive(guidance: Guidance, agree: Annotated[float, Range(0.5, 1, step=0.001)] = 0.991) -> Guidance:
    """Stop guiding, and computing the negative prediction, once both predictions agree.

    Args:
        guidance: What to stop.
        agree: The cosine between the clean pictures they mean that is enough.
    """
    return guidance.then("adaptive", agree=agree)


@node("guidance/auto", title="Autoguidance", describe=_facts)
def auto(weak: Denoiser, guidance: Guidance | None = None, scale: Strength = 1.0) -> Guidance:
    """Steer away from what a weaker version of the model paints for the same prompt.

    Args:
        weak: A smaller or less trained denoiser of the same kind.
        guidance: What to add it to; none = the prompt alone.
        scale: How strongly.
    """
    made = (guidance or Guidance()).then("auto", scale=scale)
    return replace(made, networks={**made.networks, "weak": weak})


@node("guidance/perturbed-attention", title="Perturbed attention (PAG)", describe=_facts)
def perturbed_attention(
    guidance: Guidance | None = None,
    scale: Strength = 3.0,
    layers: Layers = "mid_block",
    start: Share = 0.0,
    end: Share = 1.0,
) -> Guidance:
    """Steer away from what the model paints when its pixels do not look at each other; needs no negative prompt.

    Args:
        guidance: What to add it to; none = the prompt alone.
        scale: How strongly.
        layers: The blocks to perturb, by their published names, with commas between.
        start: The share of the steps at which it begins.
        end: The share before which it ends.
    """
    options = {"scale": scale, "layers": tuple(named_layers(layers)), "start": start, "end": end}
    return (guidance or Guidance()).then("perturbed-attention", **options)


@node("guidance/smoothed-energy", title="Smoothed energy (SEG)", describe=_facts)
def smoothed_energy(
    guidance: Guidance | None = None,
    scale: Strength = 3.0,
    sigma: Annotated[float, Range(0, 1000, step=0.5)] = 0.0,
    layers: Layers = "mid_block",
    start: Share = 0.0,
    end: Share = 1.0,
) -> Guidance:
    """Steer away from what the model paints when its attention is blurred; needs no negative prompt.

    Args:
        guidance: What to add it to; none = the prompt alone.
        scale: How strongly.
        sigma: Width of the blur in pixels of the feature map; 0 = the whole map.
        layers: The blocks to blur, by their published names, with commas between.
        start: The share of the steps at which it begins.
        end: The share before which it ends.
    """
    options = {
        "scale": scale,
        "sigma": sigma or None,
        "layers": tuple(named_layers(layers)),
        "start": start,
        "end": end,
    }
    return (guidance or Guidance()).then("smoothed-energy", **options)


@node("guidance/skip-layers", title="Skip layers (SLG)", describe=_facts)
def skip_layers(
    guidance: Guidance | None = None,
    scale: Strength = 2.8,
    layers: Layers = "mid_block",
    start: Share = 0.01,
    end: Share = 0.2,
) -> Guidance:
    """Steer away from what the model paints with blocks left out, early in the run; needs no negative prompt.

    Args:
        guidance: What to add it to; none = the prompt alone.
        scale: How strongly.
        layers: The blocks to leave out, by their published names, with commas between.
        start: The share of the steps at which it begins.
        end: The share before which it ends.
    """
    options = {"scale": scale, "layers": tuple(named_layers(layers)), "start": start, "end": end}
    return (guidance or Guidance()).then("skip-layers", **options)


@node("guidance/self-attention", title="Self-attention (SAG)", describe=_facts)
def self_attention(
    guidance: Guidance | None = None,
    scale: Strength = 0.75,
    threshold: Annotated[float, Range(0, 10, step=0.05)] = 1.0,
    sigma: Annotated[float, Range(0.1, 10, step=0.1)] = 1.0,
    layers: Layers = "mid_block",
) -> Guidance:
    """Steer away from what the model makes of a picture that is blurred where it looks; one more call a step.

    Args:
        guidance: What to add it to; none = the prompt alone.
        scale: How strongly.
        threshold: How much attention a pixel must receive to be blurred; 1 is the average.
        sigma: Width of the blur in pixels of the latent.
        layers: The block whose attention counts, by its published name.
    """
    options = {"scale": scale, "threshold": threshold, "sigma": sigma, "layers": tuple(named_layers(layers))}
    return (guidance or Guidance()).then("self-attention", **options)
