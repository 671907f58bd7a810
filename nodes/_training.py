"""What the nodes that train have in common."""

from typing import Annotated, Any

from nodeflow import Cosmetic, Image, NodeflowError, Range, Run
from nodeflow.content import user_folder
from nodeflow.training import Dataset, Folder, Optimiser, Settings

Steps = Annotated[int, Range(1, 10_000_000)]
Every = Annotated[int, Range(0, 1_000_000), Cosmetic()]


def course(run: Run, save_every: int, preview_every: int) -> Any:
    """The course of a training in the user's own folder of trainings."""
    from nodeflow.diffusion.training.course import Course

    return Course(run, user_folder("training"), max(1, save_every), preview_every)


def plan(data: Folder, optimiser: Optimiser | None, settings: Settings | None, steps: int) -> Any:
    """Data and all that is not wired at its default."""
    from nodeflow.diffusion.training.lessons import Plan

    return Plan(data, optimiser or Optimiser(), settings or Settings(), steps)


def prior_of(data: Dataset | None, weight: float) -> Any:
    """What must not be forgotten, where it is wired."""
    from nodeflow.diffusion.training.prior import Prior

    return None if data is None else Prior(data, weight)


def wanted(prompts: str, guidance: float = 3.0) -> Any:
    """Pictures to draw: a line each."""
    from nodeflow.diffusion.training.painting import Wanted

    return Wanted(tuple(line.strip() for line in prompts.splitlines() if line.strip()), guidance)


def inside(folder: str, name: str) -> Any:
    """A folder inside the output folder, by its plain name."""
    from pathlib import Path as Place

    if not name or any(sign in name for sign in "/\\:\0") or name.startswith("."):
        raise NodeflowError("NF603", f"{name!r} is not the plain name of a folder", where="name", fix='as in "model"')
    return Place(folder) / name


def shown(result: Any) -> tuple[Image, Image, list[float]]:
    """What every training shows: samples, curve, losses."""
    from nodeflow.diffusion.training.curve import curve

    return result.samples, curve(result.losses), result.losses.tolist()
