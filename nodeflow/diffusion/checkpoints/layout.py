"""The components of a model folder, as its `model_index.json` lists them.

    {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"], "safety_checker":
    [null, null], "requires_safety_checker": false, ...}

Each component has its own folder with a config. The oldest repositories keep config, scheduler and weights at the
root, with or without a `model_index.json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodeflow.errors import NodeflowError

from .files import STEMS, check_name, read_json

INDEX = "model_index.json"
SCHEDULER_CONFIG = "scheduler_config.json"


@dataclass(frozen=True)
class Component:
    """A part of a model.

    Args:
        library: "diffusers" or "transformers", or what else the index says.
        kind: The class name.
        folder: Where its files are, or the single file it is in.
        part: Which part of a single file; see `Weights.part`.
        given: Its configuration, where no file says it.
    """

    library: str
    kind: str
    folder: Path
    part: str = ""
    given: Mapping[str, Any] | None = None

    @property
    def stem(self) -> str:
        """What its weight files' names begin with."""
        return STEMS.get(self.library, STEMS["diffusers"])

    def config(self) -> dict[str, Any]:
        """Its published configuration.

        Raises:
            NodeflowError: NF401 missing, NF402 corrupt.
        """
        if self.given is not None:
            return dict(self.given)
        return read_json(self.folder / (SCHEDULER_CONFIG if "Scheduler" in self.kind else "config.json"))


@dataclass(frozen=True)
class Layout:
    """What a model folder says about itself.

    Args:
        folder: Its root.
        components: The parts that are there, by name ("unet", "vae", "text_encoder", "scheduler", …).
        options: The plain values between them in the index.
    """

    folder: Path
    components: Mapping[str, Component]
    options: Mapping[str, Any]


def read_layout(folder: Path) -> Layout:
    """Read which components a model folder has.

    Raises:
        NodeflowError: NF401 there is no model in it, NF402 its index is corrupt, NF404 it holds a single component.
    """
    if (folder / INDEX).is_file():
        return _from_index(folder)
    if (folder / "config.json").is_file():
        return _from_root(folder)
    if (folder / "pytorch_lora_weights.safetensors").is_file():
        raise _single(folder, "a LoRA")
    files = sorted(path.name for path in folder.iterdir() if path.suffix in (".safetensors", ".gguf"))
    fix = f"choose one of its files, such as {files[0]}" if files else f"choose the folder that holds {INDEX}"
    raise NodeflowError("NF401", f"there is no {INDEX} in this folder", where=str(folder), fix=fix)


def _from_index(folder: Path) -> Layout:
    index = folder / INDEX
    components: dict[str, Component] = {}
    options: dict[str, Any] = {}
    for name, entry in read_json(index).items():
        match entry:
            case [None, None]:
                continue
            case [str(library), str(kind)]:
                check_name(name, index)
                components[name] = Component(library, kind, _home(folder, name))
            case _:
                options[name] = entry
    return Layout(folder, components, options)


def _home(folder: Path, name: str) -> Path:
    """A component's own folder, or the root in repositories that have none."""
    at_root = {"scheduler": SCHEDULER_CONFIG, "unet": "config.json"}.get(name)
    own = folder / name
    return folder if at_root and not own.is_dir() and (folder / at_root).is_file() else own


def _from_root(folder: Path) -> Layout:
    """A network of its own with a scheduler beside it, as the first DDPM repositories had it."""
    config = read_json(folder / "config.json")
    kind = config.get("_class_name")
    if kind != "UNet2DModel":
        raise _single(folder, _alone(config))
    components = {
        "unet": Component("diffusers", "UNet2DModel", folder),
        "scheduler": Component("diffusers", "Scheduler", folder),
    }
    return Layout(folder, components, {})


def _alone(config: Mapping[str, Any]) -> str:
    """A component by what its configuration says, in words."""
    kind = config.get("_class_name")
    names = config.get("architectures")
    if not isinstance(kind, str) and isinstance(names, list) and names:
        kind = names[0]
    kind = str(kind)
    families = {
        "Autoencoder": "an autoencoder", "VQModel": "an autoencoder", "ControlNet": "a ControlNet",
        "Adapter": "an adapter", "TextModel": "a text encoder", "T5Encoder": "a text encoder",
        "UNet": "a denoiser alone", "Transformer": "a denoiser alone",
    }  # fmt: skip
    words = next((words for part, words in families.items() if part in kind), "a single network")
    return f"{words} ({kind})" if kind != "None" else "no diffusion model"


def _single(folder: Path, what: str) -> NodeflowError:
    return NodeflowError(
        "NF404",
        f"this is {what}, not a whole model",
        where=str(folder),
        fix=f"choose the folder that holds {INDEX}",
    )
