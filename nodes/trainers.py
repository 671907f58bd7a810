"""Training whole networks: denoisers, autoencoders, and students of few steps."""

from typing import Annotated, Any, Literal, NamedTuple

from nodeflow import (
    Autoencoder,
    Cosmetic,
    Denoiser,
    Image,
    Range,
    Run,
    SchedulerConfig,
    Text,
    TextEncoder,
    node,
)
from nodeflow.training import Dataset, Folder, Objective, Optimiser, Settings

from ._training import Every, Steps, course, plan, prior_of, shown, wanted


class TrainedDenoiser(NamedTuple):
    """What a training brought.

    Args:
        denoiser: With averaged weights, ready to sample from.
        text_encoder: As it was, or trained too.
        samples: Pictures that it makes, or spectrograms of its sounds.
        curve: The loss over the steps.
        losses: One number a step.
    """

    denoiser: Denoiser
    text_encoder: TextEncoder | None
    samples: Image
    curve: Image
    losses: list[float]


@node("training/denoiser", title="Train denoiser")
def denoiser(
    run: Run,
    model: Denoiser,
    scheduler: SchedulerConfig,
    data: Folder,
    objective: Objective | None = None,
    optimiser: Optimiser | None = None,
    settings: Settings | None = None,
    autoencoder: Autoencoder | None = None,
    text_encoder: TextEncoder | None = None,
    prior: Dataset | None = None,
    prior_weight: Annotated[float, Range(0, 100)] = 1.0,
    train_text: bool = False,
    steps: Steps = 1000,
    prompts: Annotated[str, Text(), Cosmetic()] = "",
    guidance: Annotated[float, Range(1, 30), Cosmetic()] = 3.0,
    save_every: Every = 500,
    preview_every: Every = 0,
) -> TrainedDenoiser:
    """Train a whole denoiser, from scratch or from where it stands.

    Nothing changed, nothing is trained again; more steps go on from the last state. Stopped, it saves its state.

    Args:
        model: Where it starts.
        scheduler: Its noise space and what it predicts.
        data: Pictures or sounds to learn from.
        objective: What it is asked.
        optimiser: How weights follow.
        settings: Batch, precision, average, seed.
        autoencoder: Between pictures or sounds and latents; none for pixels and waves.
        text_encoder: Reads the captions; none for models without text.
        prior: Pictures that it must not forget while it learns the others (DreamBooth, 2208.12242).
        prior_weight: How much those count.
        train_text: Train the text encoder too.
        steps: How many in all.
        prompts: What to draw on the way, a line each; empty = some captions.
        guidance: For those pictures.
        save_every: Steps between two saved states.
        preview_every: Steps between two previews; 0 = only at the end.
    """
    from nodeflow.diffusion.training import recipes
    from nodeflow.diffusion.training.lessons import Base

    done = recipes.train_denoiser(
        course(run, save_every, preview_every),
        plan(data, optimiser, settings, steps),
        objective or Objective(),
        Base(model, scheduler, autoencoder, text_encoder, train_text),
        prior=prior_of(prior, prior_weight),
        wanted=wanted(prompts, guidance),
    )
    return TrainedDenoiser(done.denoiser, done.text_encoder, *shown(done.result))


class TrainedAutoencoder(NamedTuple):
    """What a training brought.

    Args:
        autoencoder: With averaged weights; its latents have mean 0 and variance 1 in each channel.
        samples: Pictures, and below each what came back of it.
        curve: The loss over the steps.
        losses: One number a step.
    """

    autoencoder: Autoencoder
    samples: Image
    curve: Image
    losses: list[float]


@node("training/autoencoder", title="Train autoencoder")
def autoencoder(
    run: Run,
    model: Autoencoder,
    data: Dataset,
    optimiser: Optimiser | None = None,
    settings: Settings | None = None,
    kl: Annotated[float, Range(0, 1)] = 1e-3,
    steps: Steps = 1000,
    save_every: Every = 500,
    preview_every: Every = 0,
) -> TrainedAutoencoder:
    """Train an autoencoder on pictures, by absolute and squared error and divergence; no other network is needed.

    Args:
        model: Where it starts.
        data: What to learn from.
        optimiser: How weights follow.
        settings: Batch, precision, average, seed.
        kl: How strongly latents are drawn to a normal distribution.
        steps: How many in all.
        save_every: Steps between two saved states.
        preview_every: Steps between two previews; 0 = only at the end.
    """
    from nodeflow.diffusion.training import coding

    own, how = course(run, save_every, preview_every), plan(data, optimiser, settings, steps)
    done = coding.train_autoencoder(own, how, model, kl=kl)
    return TrainedAutoencoder(done.autoencoder, *shown(done.result))


class Distilled(NamedTuple):
    """What a distillation brought.

    Args:
        denoiser: The student, to be sampled without guidance in its few steps.
        scheduler: How to sample from it.
        file: The LoRA that makes the teacher the student; empty where the whole denoiser was trained.
        samples: Pictures that it makes in its steps.
        curve: The loss over the steps.
        losses: One number a step.
    """

    denoiser: Denoiser
    scheduler: SchedulerConfig
    file: str
    samples: Image
    curve: Image
    losses: list[float]


@node("training/distil", version=2, title="Distil to few steps")
def distil(
    run: Run,
    model: Denoiser,
    scheduler: SchedulerConfig,
    data: Dataset,
    optimiser: Optimiser | None = None,
    settings: Settings | None = None,
    autoencoder: Autoencoder | None = None,
    text_encoder: TextEncoder | None = None,
    method: Literal["progressive", "consistency"] = "progressive",
    student_steps: Annotated[int, Range(1, 50)] = 4,
    teacher_guidance: Annotated[float, Range(1, 30)] = 3.0,
    teacher_steps: Annotated[int, Range(4, 1000)] = 20,
    rank: Annotated[int, Range(0, 1024)] = 0,
    targets: str = "to_q, to_k, to_v, to_out.0",
    steps: Steps = 1000,
    prompts: Annotated[str, Text(), Cosmetic()] = "",
    save_every: Every = 500,
    preview_every: Every = 0,
) -> Distilled:
    """Teach a copy of a denoiser to paint in few steps, progressively (2202.00512) or by consistency (2310.04378).

    Args:
        model: The teacher.
        scheduler: Its noise space and what it predicts.
        data: What to learn from.
        optimiser: How weights follow; consistency wants a low rate (about 2e-5), or the student forgets its prompts.
        settings: Batch, precision, average, seed.
        autoencoder: Between pictures and latents; none for pixels.
        text_encoder: Reads the captions.
        method: One step goes as far as several of the teacher's, or every step is a guess of the end, noised anew.
        student_steps: In how many steps the student will be sampled; consistency is taught none in particular.
        teacher_guidance: The guidance that the student will have built in.
        teacher_steps: Into how many steps the teacher's path is cut: about 20, for consistency about 50.
        rank: Of a LoRA that makes any copy of the teacher the student; 0 trains the whole denoiser.
        targets: Endings of the names of the layers that the LoRA changes.
        steps: How many in all.
        prompts: What to draw on the way, a line each; empty = some captions.
        save_every: Steps between two saved states.
        preview_every: Steps between two previews; 0 = only at the end.
    """
    from nodeflow.diffusion.training import distillation, recipes
    from nodeflow.diffusion.training.consistency import Consistency
    from nodeflow.diffusion.training.lessons import Base
    from nodeflow.diffusion.training.progressive import Progressive

    way = Progressive if method == "progressive" else Consistency

    done = distillation.distil(
        course(run, save_every, preview_every),
        plan(data, optimiser, settings, steps),
        Base(model, scheduler, autoencoder, text_encoder),
        way(teacher_guidance, teacher_steps, student_steps),
        recipes.LowRank(rank, targets=tuple(targets.replace(",", " ").split())) if rank else None,
        wanted=wanted(prompts),
    )
    return Distilled(done.denoiser, done.scheduler, str(done.path or ""), *shown(done.result))


@distil.migrate(1)  # type: ignore[attr-defined]
def _consistency_was_the_only_method(saved: dict[str, Any]) -> dict[str, Any]:
    return {**saved, "values": {"method": "consistency", "teacher_steps": 50, **saved.get("values", {})}}
