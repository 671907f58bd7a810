"""What a denoiser in training is told of its pictures: nothing, a class, or a text; and sometimes nothing after all.

Leaving out what is said now and then (with the probability `dropout`) teaches one network both what one asked for
and what nobody asked for, which is what guidance needs (Ho & Salimans 2022, arXiv 2207.12598, algorithm 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from nodeflow.errors import NodeflowError
from nodeflow.values import Conditioning, TextEncoder

from .. import text
from ..reading import Borrow, Prompts, conditioning
from .material import Count
from .store import Store


class Conditions(Protocol):
    """What a network is told of files by their numbers, and what it would be told where nothing is said."""

    def __call__(self, chosen: Sequence[int], generator: torch.Generator) -> Conditioning | None:
        """What the network is told of these files; tensors of batch B on the CPU, or where they have gradients."""

    def nothing(self, told: Conditioning) -> Conditioning:
        """The same as `told`, had nothing been said."""


class Nothing:
    """For networks that paint what they like."""

    def __call__(self, chosen: Sequence[int], generator: torch.Generator) -> Conditioning | None:
        return None

    def nothing(self, told: Conditioning) -> Conditioning:
        return told


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
        self.labels, self.dropout = torch.tensor(labels), dropout
        self.any = net.config["num_class_embeds"] - 1
        if min(labels) < 0 or max(labels) >= self.any:
            what = f"the pictures have {max(labels) + 1} classes, the network {self.any} and one for none"
            raise NodeflowError("NF404", what, where="model", fix="make a network with one class more than folders")

    def __call__(self, chosen: Sequence[int], generator: torch.Generator) -> Conditioning:
        dropped = torch.rand(len(chosen), generator=generator) < self.dropout
        return labelled(torch.where(dropped, self.any, self.labels[list(chosen)]).tolist())

    def nothing(self, told: Conditioning) -> Conditioning:
        return labelled([self.any] * len(told.states))


class CachedTexts:
    """What a model's text encoders say, where they are not trained: computed once for each caption, and kept.

    It is what the model's denoiser is told in sampling: the states of a caption's first window, pooled texts where
    the family has them; without weights in brackets.

    Args:
        captions: Of each file.
        handle: The text encoder, with those beside it.
        store: Where states are kept.
        dropout: How often the empty caption is said instead.
    """

    def __init__(self, captions: Sequence[str], handle: TextEncoder, store: Store, dropout: float = 0.0) -> None:
        self.captions, self.handle, self.store, self.dropout = captions, handle, store, dropout

    def prepare(self, borrow: Borrow, count: Count) -> None:
        """Encode every caption that is not kept yet.

        Args:
            borrow: Lends the text encoders' networks.
            count: Told how many are done.

        Raises:
            NodeflowError: As the readings raise.
        """
        wanted = list(dict.fromkeys(["", *self.captions]))
        for done, caption in enumerate(wanted):
            self.store.get(self._key(caption), partial(self._encoded, caption, borrow))
            count(done + 1, len(wanted))

    def __call__(self, chosen: Sequence[int], generator: torch.Generator) -> Conditioning:
        return self._said(drop([self.captions[i] for i in chosen], self.dropout, generator))

    def nothing(self, told: Conditioning) -> Conditioning:
        silent = self._said([""] * len(told.states))
        return replace(silent, more={**told.more, **silent.more})

    def _said(self, captions: Sequence[str]) -> Conditioning:
        kept = [self.store.get(self._key(caption), _never) for caption in captions]
        whole = {name: torch.stack([one[name] for one in kept]) for name in kept[0]}
        return Conditioning(whole.pop("states"), whole.pop("pooled", None), more=whole)

    def _encoded(self, caption: str, borrow: Borrow) -> dict[str, Tensor]:
        """{"states": [T, D], "pooled": [D'], …} float32, without those that the family has not."""
        said = conditioning(self.handle, first_window([caption]), borrow)
        own = {"states": said.states, **({} if said.pooled is None else {"pooled": said.pooled}), **said.more}
        return {name: tensor[0].cpu() for name, tensor in own.items()}

    def _key(self, caption: str) -> str:
        one = self.handle
        parts = [(own.digest, own.dtype, repr(own.patches)) for own in one.all]
        return Store.key("text", one.reading, repr(sorted(one.options.items())), repr(parts), caption)


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

    def __call__(self, chosen: Sequence[int], generator: torch.Generator) -> Conditioning:
        return Conditioning(self.states(drop([self.captions[i] for i in chosen], self.dropout, generator)))

    def nothing(self, told: Conditioning) -> Conditioning:
        return replace(told, states=self.states([""] * len(told.states)))

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


def first_window(captions: Sequence[str]) -> Prompts:
    """Captions as training reads them: one window each, brackets being text."""
    return Prompts(captions, "none", windows=1)


def labelled(labels: Sequence[int]) -> Conditioning:
    """Classes as a conditioning, one a sample."""
    return Conditioning(torch.zeros(len(labels), 0, 0), labels=torch.tensor(labels))


def _never() -> dict[str, Tensor]:
    raise NodeflowError("NF401", "a text was not prepared", fix="prepare the texts before training")
