"""Guidance: several predictions of a network become the one that a solver follows.

A *guidance* says which predictions it wants at a call of the network and how they combine; `Guided` asks the network
for just these, in one batch where it can. What is not wanted is never computed. Guidances nest:

    pair = ClassifierFree(7.5)
    Interval(PerturbedAttention(pair, scale=3.0), start=0.1, end=0.8)

and another one is a class of a few lines:

    @dataclass(frozen=True)
    class Halfway(Around):
        def wants(self, call):
            return self.inner.wants(call) if call.share < 0.5 else (POSITIVE,)

        def combine(self, seen, call):
            return self.inner.combine(seen, call) if call.share < 0.5 else seen[POSITIVE]

Guidances are immutable. What one remembers from call to call (a momentum, a switch) is a value that the run carries
in its state, so a resumed run goes on bit for bit.
"""

from .around import Adaptive, Auto, Interval, Rescaled, Thresholded
from .base import EMPTY, NEGATIVE, POSITIVE, Around, Ask, Blind, Call, Guidance, Inside, Memory, Other, Seen
from .chain import built
from .free import ClassifierFree, Contrast, MagnitudeAware, PerpNeg, Tangential, ZeroStar
from .guided import Denoise, Guided, Predict, Reply, ask, network, prompts_wanted, unguided
from .instructed import Instructed
from .perturbed import PerturbedAttention, SelfAttention, SkipLayers, SmoothedEnergy
from .projected import AdaptiveProjected, FrequencyDecoupled, Mimic

__all__ = [
    "EMPTY",
    "NEGATIVE",
    "POSITIVE",
    "Adaptive",
    "AdaptiveProjected",
    "Around",
    "Ask",
    "Auto",
    "Blind",
    "Call",
    "ClassifierFree",
    "Contrast",
    "Denoise",
    "FrequencyDecoupled",
    "Guidance",
    "Guided",
    "Inside",
    "Instructed",
    "Interval",
    "MagnitudeAware",
    "Memory",
    "Mimic",
    "Other",
    "PerpNeg",
    "PerturbedAttention",
    "Predict",
    "Reply",
    "Rescaled",
    "Seen",
    "SelfAttention",
    "SkipLayers",
    "SmoothedEnergy",
    "Tangential",
    "Thresholded",
    "ZeroStar",
    "ask",
    "built",
    "network",
    "prompts_wanted",
    "unguided",
]
