"""Prompts become text states."""

from typing import Annotated, Any, Literal

from nodeflow import Conditioning, Latent, NodeflowError, Range, Run, Text, TextEncoder, node


def _facts(text_encoder: dict[str, Any] | None, **_: Any) -> dict[str, Any]:
    facts = text_encoder or {}
    if "absent" in facts:
        raise NodeflowError(
            "NF211",
            f"a model of the kind {facts['absent']} takes no text",
            fix="remove the prompt, or choose another model",
        )
    return {"conditioning": {name: facts.get(name) for name in ("width", "reading")}}


@node("text/encode", version=2, title="Encode text", describe=_facts)
def encode(
    run: Run,
    text_encoder: TextEncoder,
    text: Annotated[str, Text()] = "",
    weighting: Literal["a1111", "comfy", "none"] = "a1111",
    clip_skip: Annotated[int, Range(0, 11)] = 0,
    second: Annotated[str, Text()] = "",
    empty: Literal["auto", "zeros", "text"] = "auto",
) -> Conditioning:
    """Turn a prompt into text states.

    Args:
        text_encoder: The model's.
        text: Weights as in (word:1.2) and [word]; BREAK begins a new chunk of 75 tokens.
        weighting: Whose reading of the weights: "a1111" keeps the mean of the states, "comfy" moves away from the
            empty prompt, "none" takes brackets as text.
        clip_skip: Layers to leave out at the end of the encoder.
        second: For the text encoders after the first, where the model has several; empty = the same text.
        empty: What an empty text becomes: "zeros", what the encoder says of an empty "text", or "auto", what the model
            was trained with.
    """
    from nodeflow.diffusion.reading import Prompts, conditioning

    prompts = Prompts([text], weighting, clip_skip, empty, [second] if second else [])
    return conditioning(text_encoder, prompts, run.weights)


@encode.migrate(1)
def _with_one_text(saved: dict[str, Any]) -> dict[str, Any]:
    """Version 1 had no `second` and no `empty`; what it had means the same."""
    return saved


def _same(conditioning: dict[str, Any] | None, **_: Any) -> dict[str, Any]:
    return {"conditioning": conditioning or {}}


Pixels = Annotated[int, Range(0, 16384, unit="px")]


@node("text/sizes", title="Sizes (SDXL)", describe=_same)
def sizes(
    conditioning: Conditioning,
    width: Pixels = 0,
    height: Pixels = 0,
    left: Pixels = 0,
    top: Pixels = 0,
    target_width: Pixels = 0,
    target_height: Pixels = 0,
    score: Annotated[float, Range(0, 10, step=0.5)] = 0.0,
) -> Conditioning:
    """Tell an SDXL model more about the pictures it is to think of; others do not listen.

    Args:
        conditioning: What to paint, or what to steer away from.
        width: Of the picture before it was scaled for training; 0 = that of the picture painted. Small = blurred.
        height: As the width.
        left: What was cut off its left side; 0 keeps things in the middle.
        top: What was cut off above.
        target_width: Of the picture to paint; 0 = its own.
        target_height: As the target width.
        score: How beautiful, for the refiner; 0 = 6, and 2.5 for what to steer away from.
    """
    from nodeflow.diffusion.calling.unet import told_sizes

    return told_sizes(conditioning, (height, width), (top, left), (target_height, target_width), score)


def _looking(conditioning: dict[str, Any] | None, **_: Any) -> dict[str, Any]:
    return {"conditioning": {**(conditioning or {}), "reference": True}}


@node("text/reference", title="Show reference picture", describe=_looking)
def reference(conditioning: Conditioning, latent: Latent) -> Conditioning:
    """Let the denoiser look at a picture while it paints another: Flux Kontext, which edits it as the text says.

    Args:
        conditioning: The text.
        latent: The picture, encoded by the model's autoencoder; it may be of another size than the one painted.
    """
    from dataclasses import replace

    return replace(conditioning, more={**conditioning.more, "reference": latent.data})


@node("text/class", title="Class")
def label(number: Annotated[int, Range(0, 100_000)] = 0) -> Conditioning:
    """What to paint, for denoisers that know classes instead of texts.

    Args:
        number: Of the class; of folders in alphabetical order, from 0. One more than the last is any class, which is
            what to steer away from.
    """
    from nodeflow.diffusion.training.conditions import labelled

    return labelled([number])
