"""Sampling: the loop from noise to latent."""

from contextlib import ExitStack
from dataclasses import replace
from typing import Annotated, Any, NamedTuple

from nodeflow import Conditioning, Denoiser, Guidance, Latent, Lazy, NodeflowError, Range, Run, Schedule, Seed, node

from ._fits import fit_task, guides, require_form, same_blocks, same_kind, same_space, same_states


class Denoised(NamedTuple):
    """Where a sampler ended.

    Args:
        latent: The result.
        estimate: The clean latent as the denoiser saw it at the last step.
    """

    latent: Latent
    estimate: Latent


def _facts(
    model: dict[str, Any] | None,
    latent: dict[str, Any] | None,
    positive: dict[str, Any] | None = None,
    negative: dict[str, Any] | None = None,
    guide: dict[str, Any] | None = None,
    **_: Any,
) -> dict[str, Any]:
    same_space(latent, model, "denoiser")
    fit_task(latent, model)
    guides(guide, model)
    for port, conditioning in (("positive", positive), ("negative", negative)):
        same_states(conditioning, model, port)
    same_blocks(guide, model)
    same_kind((guide or {}).get("weak"), model)
    made = {"space": (model or {}).get("space"), "for": (latent or {}).get("for")}
    return {"latent": made, "estimate": made}


@node("sampling/denoise", version=2, title="Denoise", describe=_facts)
def denoise(
    run: Run,
    model: Denoiser,
    latent: Latent,
    schedule: Schedule,
    positive: Conditioning | None = None,
    negative: Lazy[Conditioning] | None = None,
    guidance: Annotated[float, Range(1, 30, step=0.5)] = 7.0,
    rescale: Annotated[float, Range(0, 1, step=0.05)] = 0.0,
    guide: Guidance | None = None,
    seed: Annotated[int, Seed()] = 0,
    strength: Annotated[float, Range(0, 1, step=0.05)] = 1.0,
) -> Denoised:
    """Walk a noisy latent down a schedule of noise levels.

    Args:
        model: The denoiser.
        latent: Where to start, [B, C, H, W] or [B, C, N]; its mask, if any, limits where to paint.
        schedule: The scheduler and the noise levels.
        positive: What to paint; none for models without text.
        negative: What to steer away from; never computed where the guidance does not ask for it.
        guidance: How strongly to follow the prompt: the scale of classifier-free guidance, 1 = not at all, or the
            number that a model like Flux is told, which then needs no negative prompt.
        rescale: How much of the contrast that strong guidance adds is taken back.
        guide: Another guidance, in place of the two numbers; beside the number that a model is told.
        seed: For the noise; the same seed gives the same picture on any device.
        strength: How much noise to begin with: 1 paints from nothing, less keeps more of the latent.
    """
    guide, told = _guide(model, guidance, rescale, positive, guide)
    more = {"told_guidance": told, "seed": seed, "strength": strength}
    return _walked(run, model, latent, schedule, positive, negative, guide, **more)


@denoise.migrate(1)
def _without_guide(saved: dict[str, Any]) -> dict[str, Any]:
    """Version 1 had no `guide`; what it had means the same."""
    return saved


def _part(start: int | None, end: int | None, **known: Any) -> dict[str, Any]:
    if start is not None and end and end <= start:
        raise NodeflowError("NF410", f"no step lies between {start} and {end}", where="end", fix="end after the start")
    return _facts(**known)


@node("sampling/denoise-steps", title="Denoise, some steps", describe=_part)
def denoise_steps(
    run: Run,
    model: Denoiser,
    latent: Latent,
    schedule: Schedule,
    positive: Conditioning | None = None,
    negative: Lazy[Conditioning] | None = None,
    guidance: Annotated[float, Range(1, 30, step=0.5)] = 7.0,
    rescale: Annotated[float, Range(0, 1, step=0.05)] = 0.0,
    guide: Guidance | None = None,
    seed: Annotated[int, Seed()] = 0,
    start: Annotated[int, Range(0, 10_000, unit="steps")] = 0,
    end: Annotated[int, Range(0, 10_000, unit="steps")] = 0,
    add_noise: bool = True,
    leftover_noise: bool = False,
) -> Denoised:
    """Walk some of the steps of a schedule, so that several samplers can share one run.

    Two in a row, the first to step 12 with leftover noise, the second from step 12 without adding any, equal one run
    of a solver that looks at one step and draws nothing (Euler, DDIM, Heun), or draws along one path of noise, with one
    seed for both (DPMSolverSDE). A solver that looks back begins the second part anew, at low order. One that draws
    fresh noise at each step (ancestral) gives another picture than one run; let its second part have another seed, or
    it draws again what it drew at the start.

    Args:
        model: The denoiser.
        latent: Where to start, [B, C, H, W] or [B, C, N]; its mask, if any, limits where to paint.
        schedule: The scheduler and the noise levels of the whole run.
        positive: What to paint; none for models without text.
        negative: What to steer away from; never computed where the guidance does not ask for it.
        guidance: How strongly to follow the prompt: the scale of classifier-free guidance, 1 = not at all, or the
            number that a model like Flux is told, which then needs no negative prompt.
        rescale: How much of the contrast that strong guidance adds is taken back.
        guide: Another guidance, in place of the two numbers; beside the number that a model is told.
        seed: For the noise; the same seed gives the same picture on any device.
        start: The step to begin at.
        end: The step to stop before; 0 = walk to the end.
        add_noise: Bring the latent to the noise of the first step; off where another sampler left its noise in it.
        leftover_noise: Hand on the latent as noisy as it is after the last step; off = its clean estimate.
    """
    guide, told = _guide(model, guidance, rescale, positive, guide)
    more = {"told_guidance": told, "seed": seed, "start": start, "end": end, "renoise": add_noise}
    done = _walked(run, model, latent, schedule, positive, negative, guide, **more)
    return done if leftover_noise or not end else Denoised(done.estimate, done.estimate)


def _guide(
    model: Denoiser, guidance: float, rescale: float, positive: Conditioning | None, guide: Guidance | None
) -> tuple[Guidance, float | None]:
    """The guidance, and the number that a model of a family that is told it gets: no second prediction is needed."""
    from nodeflow.diffusion.denoising import plain, usual

    own, told = usual(model.family, guidance, rescale)
    if told is None and positive is None:
        own = plain(1.0)
    return guide or own, told


def _walked(
    run: Run,
    model: Denoiser,
    latent: Latent,
    schedule: Schedule,
    positive: Conditioning | None,
    negative: Lazy[Conditioning] | None,
    guide: Guidance,
    **more: Any,
) -> Denoised:
    from nodeflow.diffusion.adapters.shown import encoded
    from nodeflow.diffusion.denoising import denoise as sampled
    from nodeflow.diffusion.denoising import wants_negative, windows_of

    away = negative() if negative is not None and wants_negative(guide, schedule) else None
    told = {"report": run.progress, "keep": run.keep, "kept": run.kept()}
    steered = {
        name: [encoded(one, latent, run.weights) for one in handle.controls]
        for name, handle in {"": model, **guide.networks}.items()
    }
    with ExitStack() as borrowed:
        net = borrowed.enter_context(run.weights(model))
        others = {name: borrowed.enter_context(run.weights(other)) for name, other in guide.networks.items()}
        controls = {
            name: [(one, borrowed.enter_context(run.weights(one.network))) for one in own]
            for name, own in steered.items()
        }
        nets = {"others": others, "controls": controls, "windows": windows_of(model)}
        prompts = {"positive": positive, "negative": away}
        done = sampled(net, latent, schedule, guidance=guide, **nets, **prompts, **told, **more)
    return Denoised(*done)


def _windowed(model: dict[str, Any] | None, **_: Any) -> dict[str, Any]:
    require_form(model, lines=False)
    return {"denoiser": model or {}}


@node("sampling/windows", title="Denoise in windows", describe=_windowed)
def windows(
    model: Denoiser,
    width: Annotated[int, Range(0, 4096, step=64, unit="px")] = 0,
    height: Annotated[int, Range(0, 4096, step=64, unit="px")] = 0,
    overlap: Annotated[float, Range(0, 0.9, step=0.05)] = 0.5,
) -> Denoiser:
    """Let a denoiser see pictures larger than it was trained for in overlapping windows (MultiDiffusion, 2302.08113).

    At every step its predictions for all windows are averaged, each counting less towards its edges, so that they
    paint one picture: panoramas, and large pictures after "Scale image". With any sampler, scheduler and guidance.

    Args:
        model: The denoiser.
        width: Of a window; 0 = what the model was trained for.
        height: Of a window; 0 = what the model was trained for.
        overlap: The share of a window that it has in common with the next; more takes longer and agrees better.

    Returns:
        The denoiser that looks through windows.
    """
    return replace(model, window=model.sized(width, height), overlap=overlap)
