"""What a denoiser in training is told of its pictures: nothing, a class, or a text; and sometimes nothing after all.

Leaving out what is said now and then (with the probability `dropout`) teaches one network both what one asked for
and what nobody asked for, which is what guidance needs (Ho & Salimans 2022, arXiv 2207.12598, algorithm 1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from nodeflow.errors import NodeflowError
from nodeflow.values import TextEncoder

from .. import text
from .material import Count
from .store import Store


class Conditions(Protocol):
    """Keyword arguments of a network by the numbers of the pictures."""

    def __call__(self, chosen: Sequence[int], generator: torch.Generator) -> Mapping[str, Tensor]:
        """What the network is told of these pictures; tensors of batch B on the network's device."""


class Nothing:
    """For networks that paint what they like."""

    def __call__(self, chosen: Sequence[int], generator: torch.Generator) -> Mapping[str, Tensor]:
        return {}


class Classes:
    """The number of a picture's class; one more class stands for any.

    Args:
        labels: The class of each picture, from 0.
        net: The denoiser; its `num_class_embeds` is the number of classes and one.
        dropout: How often the class is left out.

    Raises:
        NodeflowError: NF404, the network knows another number of classes.
    """

    def __init__(self, labels: Sequence[int], net: Any, dropout: float) -> None:
        self.labels, self.dropout, self.net = torch.tensor(labels), dropout, net
        self.any = net.config["num_class_embeds"] - 1
        if min(labels) < 0 or max(labels) >= self.any:
            what = f"the pictures have {max(labels) + 1} classes, the network {self.any} and one for none"
            raise NodeflowError("NF404", what, where="model", fix="make a network with one class more than folders")

    def __call__(self, chosen: Sequence[int], generator: torch.Generator) -> Mapping[str, Tensor]:
        dropped = torch.rand(len(chosen), generator=generator) < self.dropout
        labels = torch.where(dropped, self.any, self.labels[list(chosen)])
        return {"class_labels": labels.to(next(self.net.parameters()).device)}

    def nothing(self, count: int) -> Mapping[str, Tensor]:
        """What the network is told where nothing is said, of a batch of `count`."""
        return {"class_labels": torch.full((count,), self.any, device=next(self.net.parameters()).device)}


class CachedTexts:
    """Text states of an encoder that is not trained: computed once for each caption, and kept.

    Args:
        captions: Of each picture.
        handle: The text encoder.
        store: Where states are kept.
        device: Where the denoiser is.
        dropout: How often the empty caption is said instead.
    """

    def __init__(
        self, captions: Sequence[str], handle: TextEncoder, store: Store, device: str, dropout: float = 0.0
    ) -> None:
        self.captions, self.handle, self.store = captions, handle, store
        self.device, self.dropout = device, dropout

    def prepare(self, tokenizer: text.Tokenizer, encoder: Any, count: Count) -> None:
        """Encode every caption that is not kept yet."""
        wanted = list(dict.fromkeys(["", *self.captions]))
        for done, caption in enumerate(wanted):
            self.store.get(self._key(caption), lambda said=caption: encoded(said, tokenizer, encoder))  # type: ignore[misc]
            count(done + 1, len(wanted))

    def __call__(self, chosen: Sequence[int], generator: torch.Generator) -> Mapping[str, Tensor]:
        said = drop([self.captions[i] for i in chosen], self.dropout, generator)
        states = [self.store.get(self._key(caption), _never)["states"] for caption in said]
        return {"encoder_hidden_states": torch.stack(states).to(self.device)}

    def nothing(self, count: int) -> Mapping[str, Tensor]:
        """What the network is told where nothing is said, of a batch of `count`."""
        states = self.store.get(self._key(""), _never)["states"]
        return {"encoder_hidden_states": states.expand(count, -1, -1).to(self.device)}

    def _key(self, caption: str) -> str:
        return Store.key("text", self.handle.digest, self.handle.dtype, repr(self.handle.patches), caption)


class TrainedTexts:
    """Text states of an encoder that is trained too: computed anew each time.

    Args:
        captions: Of each picture.
        tokenizer: The encoder's.
        encoder: The network.
        dropout: How often the empty caption is said instead.
    """

    def __init__(
        self, captions: Sequence[str], tokenizer: text.Tokenizer, encoder: nn.Module, dropout: float = 0.0
    ) -> None:
        self.captions, self.tokenizer, self.encoder, self.dropout = captions, tokenizer, encoder, dropout

    def __call__(self, chosen: Sequence[int], generator: torch.Generator) -> Mapping[str, Tensor]:
        said = drop([self.captions[i] for i in chosen], self.dropout, generator)
        return {"encoder_hidden_states": self.states(said)}

    def states(self, captions: Sequence[str]) -> Tensor:
        """[B, T, D], with gradients."""
        ids = torch.stack([token_ids(caption, self.tokenizer) for caption in captions])
        return self.encoder(ids.to(next(self.encoder.parameters()).device)).last_hidden_state


def drop(captions: Sequence[str], dropout: float, generator: torch.Generator) -> list[str]:
    """The captions, each left empty with the probability `dropout`."""
    silent = torch.rand(len(captions), generator=generator) < dropout
    return ["" if quiet else caption for caption, quiet in zip(captions, silent, strict=True)]


def token_ids(caption: str, tokenizer: text.Tokenizer) -> Tensor:
    """The numbers of a caption's tokens between start and end, cut and padded to what an encoder reads, [T]."""
    length = tokenizer.model_max_length
    ids = list(tokenizer.encode(caption, add_special_tokens=False))[: length - 2]
    padding = [tokenizer.pad_token_id] * (length - 2 - len(ids))
    return torch.tensor([tokenizer.bos_token_id, *ids, tokenizer.eos_token_id, *padding])


@torch.no_grad()
def encoded(caption: str, tokenizer: text.Tokenizer, encoder: Any) -> dict[str, Tensor]:
    """The states of a caption's first window, without weights in brackets, {"states": [T, D]} float32."""
    said = text.encode([caption], tokenizer, encoder, weighting="none", windows=1)
    return {"states": said.states[0]}


def _never() -> dict[str, Tensor]:
    raise NodeflowError("NF401", "a text was not prepared", fix="prepare the texts before training")
