"""What a model should not forget while it learns something new (Ruiz et al. 2022, DreamBooth, arXiv 2208.12242).

While it learns a few pictures of "a sks dog", it is shown pictures that it painted itself of "a dog":
L = L(new) + λ L(prior), equation 2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from nodeflow.media import images
from nodeflow.training import Dataset
from nodeflow.values import Image

from .course import Course, locked
from .draws import Draw
from .folder import files, scan
from .loop import Loss, Task


@dataclass(frozen=True)
class Prior:
    """Pictures of a model's own, of the class that something new belongs to.

    Args:
        data: The pictures.
        weight: λ.
    """

    data: Dataset
    weight: float = 1.0


class WithPrior:
    """A task, and what must not be forgotten for it.

    Args:
        task: On the new pictures.
        prior: On the model's own.
        weight: λ.
    """

    def __init__(self, task: Task, prior: Task, weight: float) -> None:
        self.task, self.prior, self.weight = task, prior, weight

    def __call__(self, draw: Draw) -> Loss:
        new, old = self.task(draw), self.prior(draw)
        return Loss(new.value + self.weight * old.value, [*new.batch, *old.batch])


def own_pictures(
    course: Course, key: Path, caption: str, count: int, size: int, paint: Callable[[int, int], Image]
) -> Dataset:
    """A folder of pictures that a model paints of a caption; those that are there are not painted again.

    Args:
        course: Where it runs; told of the progress.
        key: The folder's name.
        caption: What every picture is called.
        count: How many.
        size: Their side, pixels.
        paint: (first seed, how many) -> pictures.
    """
    folder = course.folder / "prior" / key
    with locked(folder):
        there = len(files(folder)) if any(folder.glob("*.png")) else 0
        while there < count:
            for picture in paint(there, min(8, count - there)).numpy():
                images.write(folder / f"{there:05d}.png", picture)
                (folder / f"{there:05d}.txt").write_text(caption, encoding="utf-8")
                there += 1
            course.host.progress(there, count, None, "painting what must not be forgotten")
    data = Dataset(str(folder), "text", size)
    return replace(data, digest=scan(data).digest)
