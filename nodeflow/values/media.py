"""What people look at and listen to: pictures, masks, sounds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .base import Value
from .contents import describe

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


@dataclass(frozen=True, repr=False)
class Image(Value):
    """Pictures.

    Args:
        data: [B, 3, H, W] float32, 0..1, sRGB.
    """

    data: Tensor

    def __len__(self) -> int:
        return int(self.data.shape[0])

    def __repr__(self) -> str:
        return describe(self)

    def _repr_png_(self) -> bytes:
        """The pictures side by side, for notebooks."""
        import numpy as np

        from ..media import images

        return images.encode(np.concatenate(list(self.numpy()), axis=1))

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return int(self.data.shape[-1]), int(self.data.shape[-2])

    def numpy(self) -> np.ndarray:
        """The pictures as 8-bit arrays, [B, H, W, 3] uint8."""
        data = self.data.detach().clamp(0, 1).mul(255).round().byte()
        return data.permute(0, 2, 3, 1).cpu().numpy()

    def save(self, path: str | Path, *, graph: str | None = None) -> list[Path]:
        """Write PNG, WebP or JPEG by the name's ending; a batch gets `-0`, `-1`, … before it.

        Args:
            path: The file.
            graph: Graph JSON to carry inside the picture.

        Raises:
            NodeflowError: NF605 for an unknown ending, NF108 if the file cannot be written.
        """
        from ..media import images

        arrays = self.numpy()
        names = numbered(path, len(arrays))
        for name, array in zip(names, arrays, strict=True):
            images.write(name, array, graph=graph)
        return names


@dataclass(frozen=True)
class Mask(Value):
    """Where to change a picture: [B, 1, H, W] float32, 1 = change, 0 = keep."""

    data: Tensor


@dataclass(frozen=True, repr=False)
class Audio(Value):
    """Sounds.

    Args:
        data: [B, channels, samples] float32, -1..1.
        rate: Samples a second.
    """

    data: Tensor
    rate: int

    def __len__(self) -> int:
        return int(self.data.shape[0])

    def __repr__(self) -> str:
        return describe(self)

    def _repr_html_(self) -> str:
        """Players for notebooks, one a sound."""
        from base64 import b64encode

        from ..media import sounds

        wavs = (b64encode(sounds.encode(samples, self.rate, "WAV")).decode() for samples in self.numpy())
        return "".join(f'<audio controls src="data:audio/wav;base64,{wav}"></audio>' for wav in wavs)

    @property
    def seconds(self) -> float:
        """How long the sounds are."""
        return int(self.data.shape[-1]) / self.rate

    def numpy(self) -> np.ndarray:
        """The sounds as arrays, [B, channels, samples] float32."""
        return self.data.detach().clamp(-1, 1).float().cpu().numpy()

    def save(self, path: str | Path, *, graph: str | None = None) -> list[Path]:
        """Write FLAC, WAV or Ogg Vorbis by the name's ending; a batch gets `-0`, `-1`, … before it.

        Args:
            path: The file.
            graph: Graph JSON to carry inside the sound.

        Raises:
            NodeflowError: NF605 for an unknown ending, NF108 if the file cannot be written.
        """
        from ..media import sounds

        arrays = self.numpy()
        names = numbered(path, len(arrays))
        for name, array in zip(names, arrays, strict=True):
            sounds.write(name, array, self.rate, graph=graph)
        return names


def numbered(path: str | Path, count: int) -> list[Path]:
    """File names for a batch: the name itself for one, else with `-0`, `-1`, … before the ending."""
    path = Path(path)
    return [path] if count == 1 else [path.with_stem(f"{path.stem}-{i}") for i in range(count)]
