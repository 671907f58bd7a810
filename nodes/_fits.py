"""What `check` can say about parts that do not fit, before anything runs.

Facts are plain dicts that travel beside the wires: of a model {"family", "space", "size", "states", …} as the loader
reads them from configs; None = unknown, and what is unknown is not refused.
"""

from typing import Any

from nodeflow import NodeflowError

Facts = dict[str, Any] | None


def same_space(latent: Facts, other: Facts, what: str) -> None:
    """Refuse a latent that another part cannot read.

    Raises:
        NodeflowError: NF211, naming both spaces.
    """
    have, need = (latent or {}).get("space"), (other or {}).get("space")
    if have and need and have != need:
        raise NodeflowError(
            "NF211",
            f"the latent is in the space {_name(have)}, the {what} works in {_name(need)}",
            fix="wire both from one model",
        )


def same_states(conditioning: Facts, denoiser: Facts, port: str) -> None:
    """Refuse text states of a width that a denoiser cannot attend to.

    Raises:
        NodeflowError: NF211, naming both widths.
    """
    have, need = (conditioning or {}).get("width"), (denoiser or {}).get("states")
    if have and need and have != need:
        raise NodeflowError(
            "NF211",
            f"the {port} text states are {have} wide, the denoiser attends to {need}",
            fix="use the text encoder of the denoiser's own model",
        )


def _name(space: dict[str, Any]) -> str:
    return f"{space['name']} ({space['channels']} channels, 1/{space['factor']} size)"
