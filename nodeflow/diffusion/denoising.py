"""What a sampler node does: a denoiser, a latent, a schedule and prompts become one run of the loop in `sampling`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..errors import NodeflowError
from ..values import Conditioning, Control, Denoiser, Guidance, Latent, PicturePrompt, Schedule, moved
from .adapters.control import Steering
from .calling import completed, shown_channels, tokens
from .checkpoints.families import known
from .guidance import NEGATIVE, POSITIVE, Guided, built, network, prompts_wanted
from .sampling import Sampled, Standing, begin_at, call_of, sample, seeds
from .schedulers import Noise, Solver, State
from .scheduling import bound
from .windows import Windows

Keep = Callable[[int, int, Callable[[], object]], None]
"""Called with (calls done, calls in all, a function that makes what the run could go on from)."""

PROMPTED = ("cross_attention_dim", "joint_attention_dim", "encoder_channels")
"""Keys of configurations that say that a network follows a prompt."""

Report = Callable[[int, int, object], None]
"""Called after each model call with (calls done, calls in all, the clean latent as estimated so far)."""


def denoise(
    net: Any,
    latent: Latent,
    schedule: Schedule,
    *,
    positive: Conditioning | None = None,
    negative: Conditioning | None = None,
    guidance: Guidance | None = None,
    told_guidance: float | None = None,
    others: Mapping[str, Any] | None = None,
    controls: Mapping[str, Sequence[tuple[Control | PicturePrompt, Any]]] | None = None,
    windows: Windows | None = None,
    seed: int = 0,
    strength: float = 1.0,
    start: int = 0,
    end: int = 0,
    renoise: bool = True,
    report: Report | None = None,
    keep: Keep | None = None,
    kept: Mapping[str, Any] | None = None,
) -> Sampled:
    """Walk a latent down a schedule, on the device of the network.

    Args:
        net: The denoiser's network.
        latent: Where to start, [B, C, H, W] or [B, C, N]; empty or with a mask it starts from pure noise.
        schedule: The scheduler and its noise levels.
        positive: What to paint, one prompt or one a sample; None for a network without text.
        negative: What to steer away from; needed where the guidance asks for it.
        guidance: How predictions combine; None follows the positive prompt alone.
        told_guidance: How strongly to follow, for networks that are told; None = as was usual in training.
        others: The networks of `guidance.networks`, by the same names.
        controls: What steers those, and the denoiser itself (""), each with its network.
        windows: In which networks see a larger latent; each is told that it is a picture of its own.
        seed: Sample i of the batch draws from seed + i.
        strength: 0..1, how much of the way to walk; 1 = all of it.
        start: The step to begin at, where it is not for `strength` to say.
        end: The step to stop before; 0 walks to the end.
        renoise: Bring the latent to the noise it begins at; False takes it as noisy as it is.
        report: Progress and preview; what it raises ends the run.
        keep: Offered, before each report, what the run could go on from.
        kept: What an interrupted run with the same arguments kept last.

    Raises:
        NodeflowError: NF203 a prompt is needed and there is none; NF205, NF211 a guidance that cannot be; NF410 no
            step is left; NF414 parts do not fit; NF506 a value is not finite.
    """
    device = str(next(net.parameters()).device)
    if positive is None and any(net.config.get(key) for key in PROMPTED):
        raise NodeflowError("NF203", "the denoiser follows a prompt; there is none", where="positive", fix="wire one")
    seen = _seen(latent, windows)
    solver = bound(schedule, tokens(net, seen))
    guidance = guidance or Guidance()
    given = {POSITIVE: positive, **({} if negative is None else {NEGATIVE: negative}), **guidance.prompts}

    noise = Noise.seeded(seeds(seed, len(latent.data)))

    def on_step(done: int, total: int, state: State) -> None:
        if keep is not None:
            keep(done, total, Standing(state, noise.state()).plain)
        if report is not None:
            report(done, total, None if state.estimate is None else replace(latent, data=state.estimate))

    if told_guidance is not None:
        given = {name: one and _told(one, told_guidance) for name, one in given.items()}
    prompts = moved(completed(net, given, seen), device)
    more = {name: network(other) for name, other in (others or {}).items()}
    steers = {name: Steering.of(own, moved(latent, device)) for name, own in (controls or {}).items() if own}
    return sample(
        Guided(network(net), prompts, built(guidance), others=more, steers=steers, windows=windows),
        moved(latent, device),
        solver,
        noise,
        begin=_begin(solver, schedule, strength, start, end),
        end=call_of(solver.schedule, end) if end else None,
        renoise=renoise,
        in_channels=shown_channels(net),
        on_step=on_step,
        resume=None if kept is None else Standing.of(kept, device),
    )


def _seen(latent: Latent, windows: Windows | None) -> Latent:
    """What a network sees of a latent at once, as far as sizes go.

    Raises:
        NodeflowError: NF414, windows lie over maps, and this latent is none.
    """
    if windows is None:
        return latent
    if latent.data.ndim != 4:
        raise NodeflowError("NF414", "windows lie over maps, and this latent is waves", fix="leave the windows out")
    return replace(latent, data=latent.data[..., : windows.height, : windows.width])


def windows_of(model: Denoiser) -> Windows | None:
    """The windows that a denoiser's handle asks for; None = it sees all of a latent at once."""
    width, height = (side // model.space.factor for side in model.window)
    return Windows(height, width, model.overlap) if width and height else None


def _told(prompt: Conditioning, guidance: float) -> Conditioning:
    """A prompt with the number that a network is told."""
    return replace(prompt, more={"guidance": prompt.states.new_full((len(prompt.states),), guidance), **prompt.more})


def _begin(solver: Solver, schedule: Schedule, strength: float, start: int, end: int) -> int:
    if end and end <= start:
        raise NodeflowError("NF410", f"no step lies between {start} and {end}", where="end", fix="end after the start")
    if start:
        return call_of(solver.schedule, start)
    return begin_at(solver.schedule, strength, schedule.request.get("num_inference_steps"))


def wants_negative(guidance: Guidance, schedule: Schedule) -> bool:
    """Whether a run will ever ask for the negative prompt, so that it must be encoded."""
    guide, solver = built(guidance), bound(schedule)
    return NEGATIVE in prompts_wanted(guide, solver.schedule) or (solver.cfg_pp and guide.unconditional == NEGATIVE)


def usual(family: str, scale: float, rescale: float = 0.0) -> tuple[Guidance, float | None]:
    """How a family's models follow a prompt, and the number that they are told: those need no second prediction."""
    own = known(family)
    embedded = own is not None and own.guidance == "embedded"
    return (plain(1.0), scale) if embedded else (plain(scale, rescale), None)


def plain(scale: float, rescale: float = 0.0) -> Guidance:
    """Classifier-free guidance, and how much of the contrast it adds is taken back, 0..1."""
    free = Guidance().then("classifier-free", scale=scale)
    return free.then("rescale", share=rescale) if rescale else free
