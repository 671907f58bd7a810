"""Prompts become text states."""

from typing import Annotated, Any, Literal

from nodeflow import Conditioning, NodeflowError, Range, Run, Text, TextEncoder, node


def _facts(text_encoder: dict[str, Any] | None, **_: Any) -> dict[str, Any]:
    facts = text_encoder or {}
    if "absent" in facts:
        raise NodeflowError(
            "NF211",
            f"a model of the kind {facts['absent']} takes no text",
            fix="remove the prompt, or choose another model",
        )
    return {"conditioning": {name: facts.get(name) for name in ("width", "reading")}}


@node("text/encode", title="Encode text", describe=_facts)
def encode(
    run: Run,
    text_encoder: TextEncoder,
    text: Annotated[str, Text()] = "",
    weighting: Literal["a1111", "comfy", "none"] = "a1111",
    clip_skip: Annotated[int, Range(0, 11)] = 0,
) -> Conditioning:
    """Turn a prompt into text states.

    Args:
        text_encoder: The model's.
        text: Weights as in (word:1.2) and [word]; BREAK begins a new chunk of 75 tokens.
        weighting: Whose reading of the weights: "a1111" keeps the mean of the states, "comfy" moves away from the
            empty prompt, "none" takes brackets as text.
        clip_skip: Layers to leave out at the end of the encoder.
    """
    from nodeflow.diffusion.reading import Prompts, conditioning

    return conditioning(text_encoder, Prompts([text], weighting, clip_skip), run.weights)


@node("text/class", title="Class")
def label(number: Annotated[int, Range(0, 100_000)] = 0) -> Conditioning:
    """What to paint, for denoisers that know classes instead of texts.

    Args:
        number: Of the class; of folders in alphabetical order, from 0. One more than the last is any class, which is
            what to steer away from.
    """
    from nodeflow.diffusion.training.painting import labelled

    return labelled([number])
