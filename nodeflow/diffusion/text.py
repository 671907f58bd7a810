"""Prompts to text states: tokens, windows of 77, weights.

A CLIP text encoder reads 77 tokens: a start token, 75 of the prompt, an end token, then padding. Longer prompts are
read in several windows whose states stand one after the other, [B, 77 n, D]. The two dialects of `prompts` differ:

           | where a full window is cut                       | how a weight w changes the state z of a token
    a1111  | after a comma within the last 20 tokens, if any  | z w, then the window is rescaled to its former mean
    comfy  | between words (of at most 7 tokens)              | ∅ + (z - ∅) w; ∅ is the empty prompt's state there
    none   | after the 75th token                             | there are none

All of it is done prompt by prompt, so a prompt's states do not depend on the batch it is in.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from ..errors import NodeflowError
from ..values import Conditioning
from .prompts import Piece, Section, Weighting, parse

BACKTRACK = 20
"""So many tokens may move to the next window, to cut at a comma ("a1111")."""
LONG_WORD = 8
"""Words of so many tokens or more are cut where the window ends ("comfy")."""
ROUNDING = 1e-6
"""Means of float32 states that are this much smaller than the largest state are rounding."""


class Tokenizer(Protocol):
    """What is needed of a tokenizer: `checkpoints.tokenizer.ClipTokenizer` has it, and so has that of transformers."""

    bos_token_id: int
    eos_token_id: int
    pad_token_id: int
    model_max_length: int

    def encode(self, text: str, add_special_tokens: bool = True) -> Sequence[int]:
        """The text's token numbers, without start and end tokens where these are not asked for."""


class Token(NamedTuple):
    """A token's number and its weight."""

    id: int
    weight: float = 1.0


Window = list[Token]
"""At most 75 tokens, start, end and padding left off."""


@torch.no_grad()
def encode(
    texts: Sequence[str],
    tokenizer: Tokenizer,
    encoder: Any,
    *,
    weighting: Weighting = "a1111",
    skip: int = 0,
    normalised: bool = True,
    windows: int | None = None,
    least: int = 1,
) -> Conditioning:
    """Encode prompts.

    Prompts of a batch that need fewer windows than the longest get empty ones.

    Args:
        texts: One prompt a sample.
        tokenizer: The tokenizer that belongs to the encoder.
        encoder: A CLIP text model: called with token numbers [N, 77], it gives `last_hidden_state` [N, 77, D],
            `hidden_states` and `pooler_output` (or `text_embeds`, which is preferred); has `final_layer_norm`.
        weighting: The dialect of the prompts.
        skip: Take the states of so many layers before the last ("CLIP skip"; 0 = the last layer).
        normalised: Bring skipped states through the final normalisation; SDXL reads them as they are.
        windows: Read at most so many windows and leave off the rest; None = all.
        least: Read at least so many windows, empty ones after the prompt's.

    Returns:
        States [B, 77 n, D] and the pooled state of each prompt's first window [B, D'], float32.

    Raises:
        NodeflowError: NF408, the tokenizer knows tokens that the encoder does not; NF413, a weight is not finite;
            NF205, no such layer.
    """
    own = [read(text, tokenizer, weighting)[:windows] for text in texts]
    batch, longest = len(own), max(least, *map(len, own))
    frame, layer = _Frame(tokenizer), (skip, normalised)
    all_windows = [window for mine in own for window in [*mine, *([[]] * (longest - len(mine)))]]
    states, pooled = _states(encoder, torch.tensor([frame.ids(window) for window in all_windows]), layer)
    weights = torch.tensor([frame.weights(window) for window in all_windows]).to(states)[..., None]
    relative = weighting == "comfy" and bool((weights != 1).any())
    empty = _states(encoder, torch.tensor([frame.ids([])]), layer)[0] if relative else states
    states = weighed(states, weights, weighting, empty)
    if pooled is not None:
        pooled = pooled.unflatten(0, (batch, longest))[:, 0]
    return Conditioning(states.unflatten(0, (batch, longest)).flatten(1, 2), pooled)


def read(text: str, tokenizer: Tokenizer, weighting: Weighting) -> list[Window]:
    """The windows of a prompt, at least one.

    Raises:
        NodeflowError: NF413, a weight is not finite.
    """
    size = tokenizer.model_max_length - 2
    sections = parse(text, weighting)
    for piece in (piece for section in sections for piece in section):
        require_finite_weight(piece)
    match weighting:
        case "a1111":
            (comma,) = tokenizer.encode(",", add_special_tokens=False)
            cut = [cut_at_commas(_tokens(section, tokenizer), size, comma) for section in sections]
            windows = [window for windows in cut for window in windows]
            return windows if windows[-1] else windows[:-1] or [[]]
        case "comfy":
            return cut_at_words((_tokens([word], tokenizer) for word in _words(sections[0])), size)
        case "none":
            tokens = _tokens(sections[0], tokenizer)
            return [tokens[i : i + size] for i in range(0, len(tokens), size)] or [[]]


def require_finite_weight(piece: Piece) -> None:
    """Raise NF413 unless a stretch of text weighs a number."""
    if not math.isfinite(piece.weight):
        raise NodeflowError("NF413", f"{piece.text[:40]!r} weighs {piece.weight}", fix="lower the weights around it")


def cut_at_commas(tokens: Iterable[Token], size: int, comma: int) -> list[Window]:
    """Windows of `size` tokens; what follows a comma within the last `BACKTRACK` moves to the next window."""
    done: list[Window] = []
    window: Window = []
    for token in tokens:
        if len(window) == size:
            keep = size if token.id == comma else _after_last(comma, window)
            done.append(window[:keep])
            window = window[keep:]
        window.append(token)
    return [*done, window]


def _after_last(comma: int, window: Window) -> int:
    """Where to cut a full window: after its last comma, if that is near the end."""
    near = range(len(window) - 1, max(len(window) - BACKTRACK, 0) - 1, -1)
    return next((i + 1 for i in near if window[i].id == comma), len(window))


def cut_at_words(words: Iterable[Sequence[Token]], size: int) -> list[Window]:
    """Windows of at most `size` tokens that hold whole words, unless a word has `LONG_WORD` tokens or more."""
    windows: list[Window] = [[]]
    for word in words:
        if len(windows[-1]) + len(word) <= size:
            windows[-1].extend(word)
        elif len(word) < LONG_WORD:
            windows.append(list(word))
        else:
            room = size - len(windows[-1])
            windows[-1].extend(word[:room])
            windows.extend(list(word[i : i + size]) for i in range(room, len(word), size))
    return windows


def _words(section: Section) -> Iterator[Piece]:
    for text, weight in section:
        yield from (Piece(word, weight) for word in text.replace("\n", " ").split(" ") if word)


def _tokens(pieces: Iterable[Piece], tokenizer: Tokenizer) -> Window:
    return [Token(id, weight) for text, weight in pieces for id in tokenizer.encode(text, add_special_tokens=False)]


class _Frame:
    """Puts a window between start and end token and pads it to what the encoder reads.

    Stable Diffusion 1 pads with the end token, 2 with token 0; the tokenizer says which.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.bos, self.eos, self.pad = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
        self.length = tokenizer.model_max_length

    def ids(self, window: Window) -> list[int]:
        ids = [self.bos, *(token.id for token in window), self.eos]
        return ids + [self.pad] * (self.length - len(ids))

    def weights(self, window: Window) -> list[float]:
        weights = [1.0, *(token.weight for token in window)]
        return weights + [1.0] * (self.length - len(weights))


def _states(encoder: Any, ids: Tensor, layer: tuple[int, bool]) -> tuple[Tensor, Tensor | None]:
    """Windows [N, 77] to states [N, 77, D] and pooled states [N, D'], float32: weights would lose digits in less.

    Args:
        layer: How many layers before the last to take, and whether to normalise their states.
    """
    table = next((m for name, m in encoder.named_modules() if name.endswith(("token_embedding", "embed_tokens"))), None)
    if table is not None and ids.max() >= table.num_embeddings:
        raise NodeflowError(
            "NF408",
            f"the tokenizer gives token {int(ids.max())}, but the text encoder knows {table.num_embeddings} tokens",
            fix="use the tokenizer that belongs to the text encoder",
        )
    said = encoder(ids.to(next(encoder.parameters()).device), output_hidden_states=True)
    states = layer_states(encoder, said, *layer)
    pooled = getattr(said, "text_embeds", None)
    if pooled is None:
        pooled = said.pooler_output
    return states.float(), None if pooled is None else pooled.float()


def layer_states(encoder: Any, said: Any, skip: int, normalised: bool) -> Tensor:
    """The states of so many layers before the last, [N, T, D], through the final normalisation if asked.

    Raises:
        NodeflowError: NF205, no such layer.
    """
    layers = len(said.hidden_states) - 1
    if not 0 <= skip < layers:
        raise NodeflowError("NF205", f"cannot skip {skip} layers of a text encoder that has {layers}")
    states = said.hidden_states[-1 - skip] if skip else said.last_hidden_state
    return encoder.final_layer_norm(states) if skip and normalised else states


def weighed(states: Tensor, weights: Tensor, weighting: Weighting, empty: Tensor) -> Tensor:
    """States changed by the weights of their tokens in a dialect, [N, T, D]; `empty` are those of the empty prompt."""
    if weighting == "comfy":
        return torch.where(weights == 1, states, torch.lerp(empty, states, weights))
    return emphasised(states, weights) if weighting == "a1111" else states


def emphasised(states: Tensor, weights: Tensor) -> Tensor:
    """States times weights, [N, T, D] and [N, T, 1]; each window that has weights is brought back to its mean.

    Where the mean is nothing but rounding, as after a layer norm without bias, there is nothing to bring back to.
    """
    weighed = states * weights
    mean, new = states.mean((1, 2), keepdim=True), weighed.mean((1, 2), keepdim=True)
    vague = new.abs() <= ROUNDING * weighed.abs().amax((1, 2), keepdim=True)
    ratio = torch.where(vague, 1.0, mean / new)
    return torch.where((weights == 1).all(1, keepdim=True), states, weighed * ratio)
