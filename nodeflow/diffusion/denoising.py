"""What a sampler node does: a denoiser, a latent, a schedule and prompts become one run of the loop in `sampling`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..errors import NodeflowError
from ..values import Conditioning, Latent, Schedule, moved
from .guidance import NEGATIVE, POSITIVE, ClassifierFree, Guided, Rescaled, network
from .sampling import Sampled, begin_at, sample, seeds
from .schedulers import Noise, State
from .scheduling import bound

Report = Callable[[int, int, object], None]
"""Called after each model call with (calls done, calls in all, the clean latent as estimated so far)."""


def denoise(
    net: Any,
    latent: Latent,
    schedule: Schedule,
    *,
    positive: Conditioning | None = None,
    negative: Conditioning | None = None,
    guidance: float = 7.0,
    rescale: float = 0.0,
    seed: int = 0,
    strength: float = 1.0,
    report: Report | None = None,
) -> Sampled:
    """Walk a latent down a schedule, on the device of the network.

    Args:
        net: The denoiser's network.
        latent: Where to start, [B, C, H, W]; empty or with a mask it starts from pure noise.
        schedule: The scheduler and its noise levels.
        positive: What to paint, one prompt or one a sample; None for a network without text.
        negative: What to steer away from; needed where guidance is above 1 and there is a positive one.
        guidance: Classifier-free guidance scale.
        rescale: How much of the prediction's contrast to restore under strong guidance, 0..1.
        seed: Sample i of the batch draws from seed + i.
        strength: 0..1, how much of the way to walk; 1 = all of it.
        report: Progress and preview; what it raises ends the run.

    Raises:
        NodeflowError: NF203 no prompt, or no negative one, where it is needed; NF410 no step is left; NF414 parts do
            not fit; NF506 a value is not finite.
    """
    device = str(next(net.parameters()).device)
    if positive is None and net.config.get("cross_attention_dim"):
        raise NodeflowError("NF203", "the denoiser follows a prompt; there is none", where="positive", fix="wire one")
    scheduler, laid = bound(schedule)
    prompts = {POSITIVE: moved(positive, device), **({} if negative is None else {NEGATIVE: moved(negative, device)})}
    free = Rescaled(ClassifierFree(guidance if positive is not None else 1.0), rescale)

    def on_step(done: int, total: int, state: State) -> None:
        if report is not None:
            report(done, total, None if state.estimate is None else replace(latent, data=state.estimate))

    return sample(
        Guided(network(net), prompts, free),
        moved(latent, device),
        scheduler.solver(laid),
        Noise.seeded(seeds(seed, len(latent.data))),
        begin=begin_at(laid, strength, schedule.request.get("num_inference_steps")),
        in_channels=net.config["in_channels"],
        on_step=on_step,
    )
