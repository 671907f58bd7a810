"""Models merged into one: computed while the weights are loaded, nothing is written."""

from typing import Annotated, Any, NamedTuple

from nodeflow import Denoiser, NodeflowError, Range, Text, TextEncoder, node

from ._fits import Facts, same_names


class Merged(NamedTuple):
    """A model merged of others.

    Args:
        denoiser: Merged.
        text_encoder: Merged where another was given, else as it was.
    """

    denoiser: Denoiser
    text_encoder: TextEncoder | None


def _alike(denoiser: Facts, other: Facts, port: str) -> None:
    """Refuse models whose weights cannot be mixed."""
    have, its = denoiser or {}, other or {}
    words = {"family": "of the family", "kind": "a", "task": "trained to", "states": "reading text states of width"}
    for key, word in words.items():
        if have.get(key) and its.get(key) and have[key] != its[key]:
            what = f"one model is {word} {have[key]}, the other {word} {its[key]}: their weights cannot be mixed"
            raise NodeflowError("NF211", what, where=port, fix="merge models of one family and form")


def _summed(
    denoiser: Facts = None, other: Facts = None, text_encoder: Facts = None, blocks: str | None = None, **_: Any
) -> dict[str, Any]:
    _alike(denoiser, other, "other")
    same_names(blocks, denoiser)
    return {"denoiser": denoiser or {}, "text_encoder": text_encoder or {}}


def _added(
    denoiser: Facts = None,
    plus: Facts = None,
    minus: Facts = None,
    text_encoder: Facts = None,
    blocks: str | None = None,
    **_: Any,
) -> dict[str, Any]:
    _alike(denoiser, plus, "plus")
    _alike(denoiser, minus, "minus")
    same_names(blocks, denoiser)
    return {"denoiser": denoiser or {}, "text_encoder": text_encoder or {}}


Share = Annotated[float, Range(-2, 2, step=0.05)]


@node("model/merge", title="Merge models", describe=_summed)
def merge(
    denoiser: Denoiser,
    other: Denoiser,
    text_encoder: TextEncoder | None = None,
    other_text_encoder: TextEncoder | None = None,
    share: Share = 0.5,
    text_share: Share = 0.5,
    blocks: Annotated[str, Text()] = "",
) -> Merged:
    """The weighted sum of two models, (1 − share) A + share B; the autoencoder is that of either, by its wire.

    Nothing is computed here: weights are mixed one by one when a sampler first needs them, and "Save checkpoint" writes
    them into a file.

    Args:
        denoiser: A.
        other: B, of A's family and form.
        text_encoder: A's.
        other_text_encoder: B's; none keeps A's.
        share: 0 is A, 1 is B.
        text_share: The same for the text encoders.
        blocks: How much of `share` each block of the denoiser gets, as in "in: 0, mid: 0.5, out: 1, up_blocks.1: 0.3";
            "rest" is all that no other name holds; empty = all of it everywhere.
    """
    from nodeflow.diffusion.adapters.mixing import mixed

    made = mixed(denoiser, other, None, share, blocks)
    if text_encoder is not None and other_text_encoder is not None:
        text_encoder = mixed(text_encoder, other_text_encoder, None, text_share)
    return Merged(made, text_encoder)


@node("model/add-difference", title="Add difference of models", describe=_added)
def add_difference(
    denoiser: Denoiser,
    plus: Denoiser,
    minus: Denoiser,
    text_encoder: TextEncoder | None = None,
    plus_text_encoder: TextEncoder | None = None,
    minus_text_encoder: TextEncoder | None = None,
    share: Share = 1.0,
    text_share: Share = 1.0,
    blocks: Annotated[str, Text()] = "",
) -> Merged:
    """What one model learnt since another, added to a third: A + share (B − C).

    Args:
        denoiser: A.
        plus: B, of A's family and form.
        minus: C, of which B was trained.
        text_encoder: A's.
        plus_text_encoder: B's; none keeps A's.
        minus_text_encoder: C's; none keeps A's.
        share: 0 is A.
        text_share: The same for the text encoders.
        blocks: How much of `share` each block of the denoiser gets, as in "in: 0, mid: 0.5, out: 1, up_blocks.1: 0.3";
            "rest" is all that no other name holds; empty = all of it everywhere.
    """
    from nodeflow.diffusion.adapters.mixing import mixed

    made = mixed(denoiser, plus, minus, share, blocks)
    if text_encoder is not None and plus_text_encoder is not None and minus_text_encoder is not None:
        text_encoder = mixed(text_encoder, plus_text_encoder, minus_text_encoder, text_share)
    return Merged(made, text_encoder)
