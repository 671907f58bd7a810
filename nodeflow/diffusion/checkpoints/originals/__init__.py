"""Files in the form their makers wrote them: which names there mean which published names.

A *name map* is data: a table of name beginnings and what stands for each among the published names, and in a few
rows a change of the tensor (a fused matrix is split, a transposed one is turned). `rules` reads such a table;
`unets`, `transformers`, `texts`, `sounds` and `glide` hold the tables; `configs` tells a network's configuration from
the shapes of its tensors. `MAPS` names them all. No torch: everything here works on names and shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nodeflow.errors import NodeflowError

from . import glide, sounds, texts, transformers, unets
from .rules import Shapes, Source, Table, renamed

MAPS: Mapping[str, Callable[[Shapes], Table]] = {
    "": lambda _: Table(),
    "ldm-unet": unets.unet,
    "ldm-controlnet": unets.controlnet,
    "ldm-vae": unets.autoencoder,
    "clip": texts.clip,
    "clip-plain": texts.clip_plain,
    "clip-identity": texts.clip_identity,
    "open-clip": texts.open_clip,
    "open-clip-penultimate": texts.open_clip_penultimate,
    "t5": texts.t5,
    "sd3": transformers.sd3,
    "flux": transformers.flux,
    "stable-audio": sounds.denoiser,
    "stable-audio-seconds": sounds.seconds,
    "oobleck": sounds.autoencoder,
    "glide": glide.denoiser,
    "glide-text": glide.text,
}
"""Name of a map -> its table for a file with these shapes; "" = the names are the published ones."""


def part(name: str, prefix: str = "") -> str:
    """How a handle says which part of a file it stands for: "map@prefix"."""
    return f"{name}@{prefix}"


def within(shapes: Shapes, prefix: str) -> dict[str, tuple[int, ...]]:
    """The names that begin so, without that beginning."""
    return {name.removeprefix(prefix): tuple(shape) for name, shape in shapes.items() if name.startswith(prefix)}


def sources(of: str, shapes: Shapes) -> dict[str, Source]:
    """Where each published tensor of a part comes from.

    Args:
        of: As `part` writes it.
        shapes: All names of the file with their shapes.

    Returns:
        Published name -> the name in the file, and what is taken of it.

    Raises:
        NodeflowError: NF406, no such map; NF407, two tensors claim one published name.
    """
    name, _, prefix = of.partition("@")
    if name not in MAPS:
        raise NodeflowError("NF406", f"there is no map of names called {name!r}", fix=f"known are {', '.join(MAPS)}")
    own = within(shapes, prefix)
    return {key: source._replace(name=prefix + source.name) for key, source in renamed(own, MAPS[name](own)).items()}


__all__ = ["MAPS", "Source", "part", "sources", "within"]
