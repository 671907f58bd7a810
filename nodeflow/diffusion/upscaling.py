"""Enlarging pictures with networks of others, which `spandrel` (the extra "upscale") tells by their weights.

It is imported when such a network is loaded, and not before. It is handed tensors, never a file: what it would read as
pickles is refused with all others.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import NodeflowError
from ..values import Image
from .tiling import blended
from .windows import offsets

Report = Callable[[int, int], None]


class Upscaling(nn.Module):
    """A network that enlarges, as `spandrel` describes it.

    Args:
        described: A `spandrel.ImageModelDescriptor`; what is called pads pictures to sides that the network can do.
    """

    def __init__(self, described: Any) -> None:
        super().__init__()
        self.net = described.model
        self.factor = int(described.scale)
        self._described = described

    def forward(self, x: Tensor) -> Tensor:
        """[1, 3, H, W] -> [1, 3, f H, f W], 0..1."""
        return self._described(x).clone()  # what it gives is of inference mode, in which nobody may write later


def load_upscaler(file: Path, device: str, dtype: torch.dtype) -> Upscaling:
    """The network of a safetensors file.

    Args:
        file: The file.
        device: As `pick_device` gives it.
        dtype: Of the weights.

    Raises:
        NodeflowError: NF301, `spandrel` is not installed or does not load; NF404, the network does not enlarge
            pictures of three channels; NF406, `spandrel` does not know it; NF407, the weights do not fit it; NF412, it
            does not compute in this number format; and as `read_header`.
    """
    from .checkpoints.reading import read_stored

    spandrel = _spandrel()
    try:
        described = spandrel.ModelLoader().load_from_state_dict(dict(read_stored(file)))
    except spandrel.UnsupportedModelError:
        what = "spandrel knows no upscaler with tensors of these names"
        raise NodeflowError("NF406", what, where=str(file), fix="choose another upscaler") from None
    except (RuntimeError, KeyError, ValueError, IndexError, TypeError, AssertionError) as error:
        raise NodeflowError("NF407", f"the upscaler cannot be loaded: {_why(error)}", where=str(file)) from error
    _check(described, dtype, file)
    return Upscaling(described).to(device=device, dtype=dtype)


def _spandrel() -> Any:
    try:
        import spandrel
    except ModuleNotFoundError as error:
        what = f"upscalers need the package {error.name or 'spandrel'}, which is not installed"
        raise NodeflowError("NF301", what, fix='pip install "nodeflow[upscale]"') from None
    except (ImportError, RuntimeError, OSError) as error:  # torchvision for CUDA beside torch for the CPU: RuntimeError
        what = f"upscalers need spandrel, which does not load beside torch {torch.__version__}: {_why(error)}"
        fix = "install torchvision again, from where torch was installed from"
        raise NodeflowError("NF301", what, fix=fix) from error
    return spandrel


def _why(error: Exception) -> str:
    """What an error of others says, in a line."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def _check(described: Any, dtype: torch.dtype, file: Path) -> None:
    """Refuse what is no upscaler of pictures, or does not compute in a number format."""
    name, takes, gives = described.architecture.name, described.input_channels, described.output_channels
    if described.purpose != "SR" or (takes, gives) != (3, 3):
        what = f"this is a network ({name}) for {described.purpose} that takes {takes} channels and gives {gives}"
        fix = "choose one for SR, super-resolution, of 3 channels"
        raise NodeflowError("NF404", what, where=str(file), fix=fix)
    able = {torch.float16: described.supports_half, torch.bfloat16: described.supports_bfloat16}
    if not able.get(dtype, True):
        short = str(dtype).removeprefix("torch.")
        raise NodeflowError("NF412", f"{name} does not compute in {short}", where=str(file), fix="use float32")


@torch.no_grad()
def upscale(net: Any, image: Image, tile: int = 0, overlap: int = 32, report: Report | None = None) -> Image:
    """Enlarge pictures, one after the other, each in tiles that fade into each other over their overlap.

    Args:
        net: An `Upscaling`, or what is called and has a `factor` and parameters as it does.
        image: [B, 3, H, W].
        tile: Side of a tile in pixels; 0 = whole pictures.
        overlap: Pixels that neighbours share at least, fewer than a tile has.
        report: Told after each tile how many are done, of how many; may raise.
    """
    weights = next(net.parameters())
    total = len(image) * (prod(len(offsets(side, tile, overlap)) for side in image.size) if tile else 1)
    done = 0

    def enlarged(x: Tensor) -> Tensor:
        nonlocal done
        y = net(x.to(weights)).to(image.data)
        done += 1
        if report:
            report(done, total)
        return y

    pictures = [blended(enlarged, one, tile, overlap, becomes=net.factor) for one in image.data.split(1)]
    return Image(torch.cat(pictures).clamp(0, 1))
