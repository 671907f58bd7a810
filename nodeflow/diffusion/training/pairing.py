"""Pictures with their control pictures. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from nodeflow.errors import Fault, NodeflowError
from nodeflow.training import Dataset

from .folder import Item, look
from .partners import control_of


def paired(data: Dataset, items: Sequence[Item]) -> list[Item]:
    """The control picture of each picture.

    Raises:
        NodeflowError: NF203 the data has none; NF205 it is mirrored; NF105 a picture lacks its own.
    """
    if not data.controls:
        fix = "name their folder at the picture folder"
        raise NodeflowError("NF203", "the pictures have no control pictures", where="data", fix=fix)
    if data.mirror:
        fix = "turn mirroring off"
        raise NodeflowError("NF205", "mirrored pictures do not fit their control pictures", where="mirror", fix=fix)
    paths = [control_of(data, item.path) for item in items]
    faults = [
        Fault("NF105", "this picture has no control picture", str(item.path), "add one of the same name, or remove it")
        for item, path in zip(items, paths, strict=True)
        if path is None
    ]
    if faults:
        raise NodeflowError.of(faults)
    return [Item(path, "", -1, *look(path)) for path in paths if path is not None]


def paired_digest(data: Dataset, items: Sequence[Item]) -> str:
    """Identifies the control pictures of a folder's pictures; as `paired` raises."""
    return blake2b(" ".join(item.digest for item in paired(data, items)).encode(), digest_size=16).hexdigest()
