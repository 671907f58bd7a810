"""Sampling: the loop from noise to latent."""

from typing import Annotated, Any, NamedTuple

from nodeflow import Conditioning, Denoiser, Guidance, Latent, Lazy, Range, Run, Schedule, Seed, node

from ._fits import same_blocks, same_space, same_states


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
    for port, conditioning in (("positive", positive), ("negative", negative)):
        same_states(conditioning, model, port)
    same_blocks(guide, model)
    space = (model or {}).get("space")
    return {"latent": {"space": space}, "estimate": {"space": space}}


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
        latent: Where to start, [B, C, H, W]; its mask, if any, limits where to paint.
        schedule: The scheduler and the noise levels.
        positive: What to paint; none for models without text.
        negative: What to steer away from; never computed where the guidance does not ask for it.
        guidance: How strongly to follow the prompt (classifier-free guidance scale); 1 = not at all.
        rescale: How much of the contrast that strong guidance adds is taken back.
        guide: Another guidance, in place of the two numbers.
        seed: For the noise; the same seed gives the same picture on any device.
        strength: How much noise to begin with: 1 paints from nothing, less keeps more of the latent.
    """
    from nodeflow.diffusion.denoising import denoise as sampled
    from nodeflow.diffusion.denoising import plain, wants_negative

    guide = guide or plain(guidance if positive is not None else 1.0, rescale)
    away = negative() if negative is not None and wants_negative(guide, schedule) else None
    with run.weights(model) as net:
        done = sampled(
            net,
            latent,
            schedule,
            positive=positive,
            negative=away,
            guidance=guide,
            seed=seed,
            strength=strength,
            report=run.progress,
            keep=run.keep,
            kept=run.kept(),
        )
    return Denoised(*done)


@denoise.migrate(1)
def _without_guide(saved: dict[str, Any]) -> dict[str, Any]:
    """Version 1 had no `guide`; what it had means the same."""
    return saved
