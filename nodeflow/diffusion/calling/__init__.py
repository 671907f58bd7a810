"""How each network is asked: the one table from a network's class to what it is told besides x and t.

Samplers and guidance know one question, (x, t, conditioning) -> prediction, with x the latent as it is, [B, C, H, W].
What differs from network to network (pooled vectors, sizes, packing, scaled times, signs) is in a *way*: a file of this
package and a line in `WAYS`. A network without a line is asked as (x, t), with the text states, or the labels, as a
third argument.

A way may also complete a conditioning once a run, before the first call: put in what nobody said, such as the size of
the picture.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ...values import Conditioning, Latent
from .base import Question, Way
from .dit import DIT
from .flux import FLUX
from .glide import GLIDE
from .plain import PLAIN
from .sd3 import SD3
from .stable_audio import STABLE_AUDIO
from .unet import UNET
from .unet2d import UNET2D

__all__ = ["WAYS", "Question", "Way", "asked", "completed", "shown_channels", "tokens"]

WAYS: dict[str, Way] = {
    "FluxTransformer2DModel": FLUX,
    "SD3Transformer2DModel": SD3,
    "DiTTransformer2DModel": DIT,
    "StableAudioDiTModel": STABLE_AUDIO,
    "Text2ImUNet": GLIDE,
    "UNet2DConditionModel": UNET,
    "UNet2DModel": UNET2D,
}
"""By the class name of the network."""


def way_of(net: Any) -> Way:
    """How a network is asked."""
    return WAYS.get(type(net).__name__, PLAIN)


def asked(net: Any, question: Question) -> Tensor:
    """A network's prediction in float32, [B, C', H, W].

    The network computes in the number format and on the device of its weights.

    Raises:
        NodeflowError: NF414, the conditioning lacks what the network needs, or does not fit.
    """
    weights = next(net.parameters())
    return way_of(net).ask(net, question.on(weights)).to(question.x)


def shown_channels(net: Any) -> int:
    """How many channels of a latent a network is shown, and of what stands beside it."""
    return way_of(net).channels(net)


def tokens(net: Any, latent: Latent) -> int:
    """How many tokens a network makes of a latent."""
    edge = way_of(net).patch(net)
    return math.prod(side // edge for side in latent.data.shape[-2:])


def completed(net: Any, prompts: Mapping[str, Conditioning | None], latent: Latent) -> dict[str, Conditioning | None]:
    """The prompts of a run with what the network wants to know and nobody said.

    Args:
        net: The network that will be asked.
        prompts: By what they are for ("positive", "negative", …).
        latent: Where the run starts; its size counts.
    """
    complete = way_of(net).complete
    return {name: complete(net, name, given, latent) for name, given in prompts.items()}
