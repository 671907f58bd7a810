"""What the editor remembers between sessions, in one JSON file in the user's folder.

Each entry is validated by its type. One that is not valid is as at first, and `faults` says so; the others stay.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from .. import content, shelf
from ..atomic import atomic_write
from ..errors import Fault, NodeflowError
from ..worker import messages as say
from .theme import Look

RECENT = 12
GIB = 2**30
FOLDERS = ("models", "outputs", "packs")
Gib = Annotated[float, msgspec.Meta(ge=0, le=4096)]


class Settings(msgspec.Struct):
    """The settings.

    Args:
        recent: Files opened or saved last, the newest first.
        favourites: Node types that the palette shows on top.
        shortcuts: Keys of actions where they are others than at first.
        window: Where the panels of the window are.
        theme: The look.
        font: A font that is installed; empty = the bundled one.
        font_size: Pixels of ordinary text.
        models: The folder of models; empty = in the user's folder, as for the other two.
        outputs: The folder of outputs.
        packs: The folder of node packs.
        device: Where networks run.
        dtype: Their number format.
        vram_gib: Budget of weights on the device; 0 = four fifths of a CUDA card, no bound elsewhere.
        host_gib: Budget of results in memory.
        device_gib: Budget of results on the device.
        disk_gib: Budget of results on disk.
        previews: Previews a node and second, at most; 0 = none.
        keep: Are the outputs of runs written to the folder of outputs?
        opened_at: When each of the recent files was opened, in seconds since 1970.
    """

    recent: list[str] = []
    favourites: list[str] = []
    shortcuts: dict[str, str] = {}
    window: str = ""
    theme: Literal["dark", "light", "system"] = "dark"
    font: str = ""
    font_size: Annotated[int, msgspec.Meta(ge=10, le=20)] = 13
    models: str = ""
    outputs: str = ""
    packs: str = ""
    device: Annotated[str, msgspec.Meta(min_length=1)] = "auto"
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    vram_gib: Gib = 0.0
    host_gib: Gib = 2.0
    device_gib: Gib = 2.0
    disk_gib: Gib = 10.0
    previews: Annotated[int, msgspec.Meta(ge=0, le=60)] = 30
    keep: bool = True
    opened_at: dict[str, float] = {}

    @classmethod
    def load(cls) -> tuple[Settings, list[Fault]]:
        """The settings as they were saved, and what of them is not valid."""
        try:
            found = msgspec.json.decode(_file().read_bytes(), type=dict[str, Any])
        except OSError:
            return cls(), []
        except msgspec.MsgspecError as error:
            what = f"the settings cannot be read: {error}; they are as at first"
            return cls(), [Fault("NF107", what, str(_file()))]
        made, faults = cls(), []
        for name, value in found.items():
            if why := made.set(name, value):
                faults.append(Fault("NF205", f"{name}: {why}; it is as at first", str(_file())))
        return made, faults

    def set(self, name: str, value: object) -> str:
        """Change an entry; returns why not, where the value is not valid."""
        if name not in _TYPES:
            return "there is no such setting"
        try:
            setattr(self, name, msgspec.convert(value, _TYPES[name]))
        except msgspec.ValidationError as error:
            return str(error)[:1].lower() + str(error)[1:]
        except NodeflowError as error:
            return error.faults[0].line
        return ""

    def save(self) -> None:
        """Write them; a folder that cannot be written costs the memory of a session."""
        with contextlib.suppress(OSError, NodeflowError):
            _file().parent.mkdir(parents=True, exist_ok=True)
            atomic_write(_file(), msgspec.json.format(msgspec.json.encode(self)))

    def opened(self, path: str) -> None:
        """A file was opened or saved: the newest of the recent ones."""
        path = str(Path(path).resolve())
        self.recent = [path, *(each for each in self.recent if each != path)][:RECENT]
        self.opened_at = {each: self.opened_at.get(each, 0.0) for each in self.recent} | {path: time.time()}
        self.save()

    @property
    def more_models(self) -> list[str]:
        """Folders of other tools where models are looked for, too; the command line has them from the same file."""
        return shelf.listed()

    @more_models.setter
    def more_models(self, folders: list[str]) -> None:
        shelf.list_folders(folders)

    @property
    def look(self) -> Look:
        """The theme and the font."""
        return Look(self.theme, self.font, self.font_size)

    @property
    def folders(self) -> dict[str, str]:
        """The folders that are not where they are at first."""
        return {name: path for name in FOLDERS if (path := getattr(self, name))}

    def apply_folders(self) -> None:
        """This process, and those that it starts, use the folders."""
        for name in FOLDERS:
            if path := self.folders.get(name):
                os.environ[content.variable(name)] = path
            elif _HERE.get(name) is None:
                os.environ.pop(content.variable(name), None)
            else:
                os.environ[content.variable(name)] = _HERE[name]

    @property
    def setup(self) -> say.Setup:
        """What the worker is to know."""
        return say.Setup(
            device=self.device,
            dtype=self.dtype,
            vram=int(self.vram_gib * GIB),
            device_bytes=int(self.device_gib * GIB),
            host_bytes=int(self.host_gib * GIB),
            disk_bytes=int(self.disk_gib * GIB),
            previews=float(self.previews),
            folders=self.folders,
        )


_TYPES = {field.name: field.type for field in msgspec.structs.fields(Settings)} | {"more_models": list[str]}
_HERE = {name: os.environ[content.variable(name)] for name in FOLDERS if content.variable(name) in os.environ}
"""Folders that the environment names: they hold where the settings name none."""


def _file() -> Path:
    return content.user_folder("") / "editor.json"
