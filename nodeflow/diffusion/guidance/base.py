"""What every guidance is: what it wants of a network, what it gets, and what it makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from ...errors import NodeflowError
from ..models.perturbation import Touch
from ..schedulers.prediction import Prediction
from ..schedulers.space import Level

POSITIVE, NEGATIVE, EMPTY = "positive", "negative", "empty"
"""What a prompt is for: to follow, to steer away from, and the one that says nothing."""


@dataclass(frozen=True)
class Inside:
    """A prompt asked with a hand inside the network.

    The answer is a prediction, [B, C, H, W]; with a `Watch` it is the attention that each pixel of a feature map
    receives, [B, 1, h, w], a mean of 1.
    """

    prompt: str
    touch: Touch


@dataclass(frozen=True)
class Other:
    """A prompt asked of another network, which is known by a name."""

    prompt: str
    network: str


@dataclass(frozen=True)
class Blind:
    """A prompt asked without the picture that a denoiser which edits sees beside its latent."""

    prompt: str


Ask = str | Inside | Other | Blind
"""A prediction wanted: of a prompt by its name; with the network touched, by another network, or blind."""

Seen = Mapping[Ask, Tensor]
"""The answers."""

Memory = Mapping[str, Tensor]
"""What a guidance remembers from one call to the next."""


def _as_it_is(x: Tensor) -> Tensor:
    return x


@dataclass(frozen=True)
class Call:
    """One call of the network, as a guidance sees it.

    Args:
        t: What the network is told, a tensor without dimensions.
        x: The noisy sample, [B, C, H, W].
        index: Which call of the schedule this is, from 0.
        total: The calls of the schedule.
        level: Signal and noise in x; None where unknown.
        prediction: How to read what the network says; None where unknown.
        memory: What the guidance remembered at the call before.
        shown: How the network gets to see a sample: scaled, with a mask beside it.
    """

    t: Tensor
    x: Tensor | None = None
    index: int = 0
    total: int = 1
    level: Level | None = None
    prediction: Prediction | None = None
    memory: Memory = field(default_factory=dict)
    shown: Callable[[Tensor], Tensor] = _as_it_is

    @property
    def share(self) -> float:
        """How much of the schedule lies behind, 0 ≤ share < 1."""
        return self.index / self.total

    @property
    def noise(self) -> float:
        """The noise level σ/α.

        Raises:
            NodeflowError: NF410, it is not known.
        """
        if self.level is None:
            raise _unknown("the noise level")
        return self.level.k

    def x0(self, output: Tensor) -> Tensor:
        """The clean sample that a prediction means, [B, C, H, W].

        Raises:
            NodeflowError: NF410, the level or the kind of prediction is not known; NF414, the network predicts more
                than the sample.
        """
        x, prediction, level = self._known(output)
        return prediction.raw_x0(x, output, level)

    def eps(self, output: Tensor) -> Tensor:
        """The noise that a prediction means, [B, C, H, W]; raises as `x0` does."""
        x, prediction, level = self._known(output)
        return prediction.eps(x, output, level)

    def shifted(self, output: Tensor, by: Tensor) -> Tensor:
        """The prediction whose clean sample lies `by` further, [B, C, H, W]; raises as `x0` does."""
        _, prediction, level = self._known(output)
        return output + prediction.slope(level) * by

    def noised(self, x0: Tensor, eps: Tensor) -> Tensor:
        """A clean sample at this call's level, α x0 + σ ε, [B, C, H, W]."""
        if self.level is None:
            raise _unknown("the noise level")
        return self.level.alpha * x0 + self.level.sigma * eps

    def _known(self, output: Tensor) -> tuple[Tensor, Prediction, Level]:
        if self.x is None or self.prediction is None or self.level is None:
            raise _unknown("the clean sample")
        if output.shape != self.x.shape:
            raise NodeflowError(
                "NF414",
                f"this guidance works on clean samples, but the network predicts {list(output.shape)} "
                f"for {list(self.x.shape)}",
                fix="choose another guidance for this model",
            )
        return self.x, self.prediction, self.level


def _unknown(what: str) -> NodeflowError:
    return NodeflowError("NF410", f"this guidance needs {what}, which is not known outside a run", fix="use `sample`")


class Guidance:
    """A way to combine predictions.

    Args:
        unconditional: The prompt whose prediction counts as the unconditional one.
    """

    @property
    def unconditional(self) -> str:
        """The prompt whose prediction counts as the unconditional one."""
        return NEGATIVE

    def wants(self, call: Call) -> tuple[Ask, ...]:
        """The predictions needed; asked while planning too, when the call has no x and no memory."""
        raise NotImplementedError

    def further(self, seen: Seen, call: Call) -> Mapping[str, tuple[str, Tensor]]:
        """Predictions of other samples that only now can be asked for: by name, a prompt and [B, C, H, W]."""
        return {}

    def combine(self, seen: Seen, call: Call) -> Tensor:
        """The prediction to follow, [B, C, H, W], from the answers, each [B, C, H, W]; others may lie beside them."""
        raise NotImplementedError

    def remember(self, seen: Seen, call: Call) -> Memory:
        """What to remember for the next call."""
        return call.memory


@dataclass(frozen=True)
class Around(Guidance):
    """A guidance that changes another one.

    Args:
        inner: The other one.
    """

    inner: Guidance

    @property
    def unconditional(self) -> str:
        return self.inner.unconditional

    def wants(self, call: Call) -> tuple[Ask, ...]:
        return self.inner.wants(call)

    def further(self, seen: Seen, call: Call) -> Mapping[str, tuple[str, Tensor]]:
        return self.inner.further(seen, call)

    def combine(self, seen: Seen, call: Call) -> Tensor:
        return self.inner.combine(seen, call)

    def remember(self, seen: Seen, call: Call) -> Memory:
        return self.inner.remember(seen, call)


def dot(a: Tensor, b: Tensor) -> Tensor:
    """The scalar product of each sample in float64, [B, 1, 1, 1]: sums over many pixels lose digits in less."""
    return (a.double() * b.double()).flatten(1).sum(1).view(-1, *[1] * (a.ndim - 1))


def along(a: Tensor, b: Tensor) -> Tensor:
    """The part of a that is parallel to b, ⟨a, b⟩ / ‖b‖² b, sample by sample, [B, C, H, W]; 0 where b is."""
    square = dot(b, b)
    share = dot(a, b) / square.where(square > 0, 1)
    return (share * b.double()).to(a.dtype)


def norm(a: Tensor) -> Tensor:
    """The Euclidean norm of each sample, [B, 1, 1, 1]."""
    return dot(a, a).sqrt().to(a.dtype)
