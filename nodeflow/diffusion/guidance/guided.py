"""A network and its prompts become a denoiser that follows a guidance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from ...errors import NodeflowError
from ...values import Conditioning, mapped
from ..calling import Question, asked
from ..models.perturbation import Hand, Watch
from ..schedulers.schedule import Schedule
from ..windows import Box, Windows
from .base import POSITIVE, Ask, Blind, Call, Guidance, Inside, Memory, Other
from .free import ClassifierFree

Denoise = Callable[[Tensor, Tensor], Tensor]
"""(x [B, C, H, W], t) -> the guided prediction [B, C', H, W]: all that a sampler must know of networks and prompts."""


class Predict(Protocol):
    """A network as a plain function."""

    def __call__(self, x: Tensor, t: Tensor, conditioning: Conditioning | None, hand: Hand | None = None, /) -> Tensor:
        """(x [B, C, H, W], t, conditioning of the same B) -> prediction [B, C', H, W]."""


class Steer(Protocol):
    """What other networks add inside a network; see `adapters.control`."""

    def __call__(self, question: Question, call: Call, prompts: Sequence[str], /) -> Hand:
        """What is done inside the network, for a batch of these prompts, one after the other."""

    def within(self, box: Box, height: int, width: int) -> Steer:
        """The same for a rectangle of a latent of so many cells."""


class Reply(NamedTuple):
    """What a denoiser says at one call.

    Args:
        prediction: The one to follow, [B, C, H, W]; behind it, where the network says it, the variance that the
            positive prompt brings, in as many channels more.
        memory: What the guidance remembers for the next call.
        unconditional: The unconditional prediction, where it was asked for, [B, C', H, W].
    """

    prediction: Tensor
    memory: Memory
    unconditional: Tensor | None = None


def network(net: Any) -> Predict:
    """A network as a plain function in float32, asked in its own way: see `calling`."""

    @torch.no_grad()
    def predict(x: Tensor, t: Tensor, conditioning: Conditioning | None, hand: Hand | None = None, /) -> Tensor:
        return asked(net, Question(x, t, conditioning, hand))

    return predict


@dataclass(frozen=True)
class Guided:
    """A denoiser that follows a guidance: (x [B, C, H, W], t) -> the guided prediction [B, C', H, W].

    Prompts of unequal length are not padded, which would change the picture: they are asked for one after the other.

    Args:
        predict: The network; see `network`.
        conditionings: By the prompts that the guidance wants; None for a network without conditioning.
        guidance: How predictions combine.
        together: Compute predictions in one batch where their prompts are equally long; False takes less memory.
        others: More networks, by the names that the guidance knows them by.
        steers: What is added inside a network, by the same names; "" = the denoiser's own.
        windows: In which networks see larger samples, one window after the other; None = all of a sample at once.
    """

    predict: Predict
    conditionings: Mapping[str, Conditioning | None]
    guidance: Guidance
    together: bool = True
    others: Mapping[str, Predict] = field(default_factory=dict)
    steers: Mapping[str, Steer] = field(default_factory=dict)
    windows: Windows | None = None

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        return self.ask(Call(t, x)).prediction

    def both(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """The guided prediction and the unconditional one, for solvers that step with both; see `ask`."""
        reply = self.ask(Call(t, x), unconditional=True)
        assert reply.unconditional is not None
        return reply.prediction, reply.unconditional

    def ask(self, call: Call, unconditional: bool = False) -> Reply:
        """Answer one call of a run.

        Args:
            call: The call; parts of a guidance may need to know its level, its place in the run, and what they
                remembered.
            unconditional: Give the unconditional prediction too. CFG++ (Chung et al. 2024, arXiv 2406.08070) takes x0
                from the guided prediction and the noise from this one.

        Raises:
            NodeflowError: NF203, a prompt is wanted and there is none; NF410, the call does not say enough; NF414,
                the network cannot do what the guidance wants.
        """
        prompt = self.guidance.unconditional
        asks = dict.fromkeys((*((prompt,) if unconditional else ()), *self.guidance.wants(call)))
        assert call.x is not None
        seen = self._answers(tuple(asks), call.shown(call.x), call)
        for name, (its_prompt, x) in self.guidance.further(seen, call).items():
            seen[name] = self._answers((its_prompt,), call.shown(x), call)[its_prompt]
        seen, spreads = _apart(seen, call.x.shape[1])
        guided, memory = self.guidance.combine(seen, call), self.guidance.remember(seen, call)
        if spreads:
            guided = torch.cat([guided, spreads.get(POSITIVE, next(iter(spreads.values())))], 1)
        return Reply(guided, memory, seen[prompt] if unconditional else None)

    def _answers(self, asks: tuple[Ask, ...], x: Tensor, call: Call) -> dict[Ask, Tensor]:
        """Every prediction once, in as few batches as the prompts allow; a look inside goes with its prompt."""
        looks = tuple(ask for ask in asks if isinstance(ask, Inside) and isinstance(ask.touch, Watch))
        batches: dict[object, dict[Ask, Conditioning | None]] = {}
        for ask in asks:
            if ask not in looks:
                prompt = self._prompt(ask, len(x))
                kind = (ask.network if isinstance(ask, Other) else "", _shape(prompt))
                batches.setdefault(kind if self.together else ask, {})[ask] = prompt
        seen: dict[Ask, Tensor] = {}
        for batch in batches.values():
            seen |= self._batch(batch, looks, x, call)
        return seen

    def _batch(
        self, batch: Mapping[Ask, Conditioning | None], looks: tuple[Inside, ...], x: Tensor, call: Call
    ) -> dict[Ask, Tensor]:
        """The answers of one batch; in windows, their weighted mean."""
        windows = self.windows
        if windows is None or not windows.several(x):
            return self._asked(batch, looks, x, call)
        if looks:
            raise NodeflowError("NF414", "this guidance looks at what a network attends to, which windows cut",
                                fix="choose another guidance, or leave the windows out")  # fmt: skip
        height, width = x.shape[-2:]

        def say(box: Box) -> Tensor:
            own = {name: steer.within(box, height, width) for name, steer in self.steers.items()}
            prompts = {ask: given and _cut(given, box, height, width) for ask, given in batch.items()}
            seen = replace(self, steers=own, windows=None)._asked(prompts, (), box.of(x), call)
            return torch.cat([seen[ask] for ask in batch])

        return dict(zip(batch, windows.blended(x, say).chunk(len(batch)), strict=True))

    def _asked(
        self, batch: Mapping[Ask, Conditioning | None], looks: tuple[Inside, ...], x: Tensor, call: Call
    ) -> dict[Ask, Tensor]:
        rows: dict[Ask, slice] = {ask: slice(i * len(x), (i + 1) * len(x)) for i, ask in enumerate(batch)}
        touches = [(ask.touch, rows[ask]) for ask in batch if isinstance(ask, Inside)]
        looks = tuple(look for look in looks if look.prompt in rows)
        touches += [(look.touch, rows[look.prompt]) for look in looks]
        given = torch.cat([x] * len(batch)), call.t, _stacked(list(batch.values()))
        predict, steer = self._network(next(iter(batch)))
        done = steer(Question(*given), call, [_prompt_of(ask) for ask in batch]) if steer else Hand()
        if not touches and not done.inputs and not done.readings:
            return dict(zip(batch, predict(*given).chunk(len(batch)), strict=True))
        hand = replace(done, touches=touches, maps={})
        seen: dict[Ask, Tensor] = dict(zip(batch, predict(*given, hand).chunk(len(batch)), strict=True))
        for look in looks:
            seen[look] = hand.maps[rows[look.prompt].start][:, None].to(x)
        return seen

    def _network(self, ask: Ask) -> tuple[Predict, Steer | None]:
        if not isinstance(ask, Other):
            return self.predict, self.steers.get("")
        if ask.network not in self.others:
            raise NodeflowError("NF203", f"the guidance wants a {ask.network} denoiser and there is none")
        return self.others[ask.network], self.steers.get(ask.network)

    def _prompt(self, ask: Ask, batch: int) -> Conditioning | None:
        """The conditioning of a prediction, as many as the batch; one prompt serves a whole batch."""
        name = _prompt_of(ask)
        if name not in self.conditionings:
            raise NodeflowError(
                "NF203", f"the guidance wants a {name} conditioning and there is none", where=name, fix="wire one"
            )
        given = self.conditionings[name]
        if isinstance(ask, Blind):
            given = _blinded(given)
        if given is None or len(given.states) == batch:
            return given
        if len(given.states) != 1:
            raise NodeflowError(
                "NF414",
                f"{len(given.states)} prompts meet {batch} latents",
                fix="give one prompt, or as many as there are latents",
            )
        return mapped(given, lambda array: array.expand(batch, *[-1] * (array.ndim - 1)))


def _apart(seen: Mapping[Ask, Tensor], channels: int) -> tuple[dict[Ask, Tensor], dict[Ask, Tensor]]:
    """The predictions, [B, C, H, W], and what networks say beside them of a step's variance, in as many channels.

    Guidance goes along what a prompt adds to the sample; a variance lies between two bounds and is not to leave them.
    """
    both = {ask: answer.shape[1] == 2 * channels for ask, answer in seen.items()}
    predictions = {ask: answer[:, :channels] if both[ask] else answer for ask, answer in seen.items()}
    return predictions, {ask: answer[:, channels:] for ask, answer in seen.items() if both[ask]}


def _cut(given: Conditioning, box: Box, height: int, width: int) -> Conditioning:
    """The conditioning of a window: of maps beside the latent, what lies there."""
    more = {name: box.of(one) if one.ndim == 4 and one.shape[-2:] == (height, width) else one
            for name, one in given.more.items()}  # fmt: skip
    return replace(given, more=more)


def _blinded(given: Conditioning | None) -> Conditioning:
    """The conditioning with nothing, zeros, for the picture beside the latent."""
    if given is None or "beside" not in given.more:
        raise NodeflowError(
            "NF414",
            "this guidance leaves out the picture to edit, and the denoiser sees none",
            fix="use it with a model that edits, or choose another guidance",
        )
    return replace(given, more={**given.more, "beside": torch.zeros_like(given.more["beside"])})


def unguided(predict: Predict, conditioning: Conditioning | None = None) -> Guided:
    """A denoiser that follows one prediction."""
    return Guided(predict, {POSITIVE: conditioning}, ClassifierFree(1.0))


def ask(denoise: Denoise, call: Call, unconditional: bool = False) -> Reply:
    """The reply of any denoiser; a plain function of (x, t) has neither memory nor an unconditional prediction."""
    if isinstance(denoise, Guided):
        return denoise.ask(call, unconditional)
    assert call.x is not None
    return Reply(denoise(call.shown(call.x), call.t), call.memory)


def prompts_wanted(guidance: Guidance, schedule: Schedule) -> set[str]:
    """The prompts that a run may ask for, so that no other need be encoded."""
    wanted: set[str] = set()
    for index, one in enumerate(schedule.evals):
        asks = guidance.wants(Call(schedule.timesteps[index], None, index, len(schedule), one.level))
        wanted |= {_prompt_of(ask) for ask in asks}
    return wanted


def _prompt_of(ask: Ask) -> str:
    return ask if isinstance(ask, str) else ask.prompt


def _shape(conditioning: Conditioning | None) -> object:
    """What prompts must have in common to be asked together."""
    if conditioning is None:
        return None
    parts = {**conditioning.parts(), "more": None, **conditioning.more}
    return tuple((name, part is not None and part.shape) for name, part in sorted(parts.items()))


def _stacked(wanted: list[Conditioning | None]) -> Conditioning | None:
    given = [one for one in wanted if one is not None]
    if not given:
        return None
    first = given[0]

    def column(*read: Tensor | None) -> Tensor | None:
        there = [part for part in read if part is not None]
        return torch.cat(there) if there else None

    return replace(
        first,
        states=torch.cat([one.states for one in given]),
        pooled=column(*(one.pooled for one in given)),
        labels=column(*(one.labels for one in given)),
        more={name: torch.cat([one.more[name] for one in given]) for name in first.more},
    )
