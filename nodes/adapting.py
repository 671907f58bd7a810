"""Training small things for a model that stays as it is: LoRAs, words, ControlNets."""

from typing import Annotated, NamedTuple

from nodeflow import (
    Autoencoder,
    ControlNetwork,
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


class TrainedLora(NamedTuple):
    """What a training brought.

    Args:
        denoiser: With the LoRA.
        text_encoder: With the LoRA, where it was trained.
        file: The LoRA as diffusers and PEFT read it.
        kohya: The same as web interfaces read it.
        samples: Pictures that it makes.
        curve: The loss over the steps.
        losses: One number a step.
    """

    denoiser: Denoiser
    text_encoder: TextEncoder | None
    file: str
    kohya: str
    samples: Image
    curve: Image
    losses: list[float]


@node("training/lora", title="Train LoRA")
def lora(
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
    rank: Annotated[int, Range(1, 1024)] = 8,
    alpha: Annotated[float, Range(0, 1024)] = 0.0,
    targets: str = "to_q, to_k, to_v, to_out.0",
    steps: Steps = 500,
    prompts: Annotated[str, Text(), Cosmetic()] = "",
    guidance: Annotated[float, Range(1, 30), Cosmetic()] = 3.0,
    save_every: Every = 250,
    preview_every: Every = 0,
) -> TrainedLora:
    """Train a low-rank change of a denoiser (2106.09685): a small file that any copy of the model takes.

    Args:
        model: What is changed.
        scheduler: Its noise space and what it predicts.
        data: What to learn from.
        objective: What it is asked.
        optimiser: How weights follow.
        settings: Batch, precision, average, seed.
        autoencoder: Between pictures and latents; none for pixels.
        text_encoder: Reads the captions.
        prior: Pictures that it must not forget while it learns the others (DreamBooth, 2208.12242).
        prior_weight: How much those count.
        train_text: Change the text encoder too.
        rank: Of the change; more can say more and is a larger file.
        alpha: The change counts alpha / rank; 0 = as it is.
        targets: Endings of the names of the layers that are changed.
        steps: How many in all.
        prompts: What to draw on the way, a line each; empty = some captions.
        guidance: For those pictures.
        save_every: Steps between two saved states.
        preview_every: Steps between two previews; 0 = only at the end.
    """
    from nodeflow.diffusion.training import recipes
    from nodeflow.diffusion.training.lessons import Base

    done = recipes.train_lora(
        course(run, save_every, preview_every),
        plan(data, optimiser, settings, steps),
        objective or Objective(),
        Base(model, scheduler, autoencoder, text_encoder, train_text),
        recipes.LowRank(rank, alpha, tuple(targets.replace(",", " ").split())),
        prior=prior_of(prior, prior_weight),
        wanted=wanted(prompts, guidance),
    )
    return TrainedLora(done.denoiser, done.text_encoder, str(done.path), str(done.kohya), *shown(done.result))


class LearntWord(NamedTuple):
    """What a training brought.

    Args:
        text_encoder: Which knows the word.
        file: The word's vectors, as diffusers and web interfaces read them.
        samples: Pictures of sentences with the word.
        curve: The loss over the steps.
        losses: One number a step.
    """

    text_encoder: TextEncoder
    file: str
    samples: Image
    curve: Image
    losses: list[float]


@node("training/word", title="Learn a word")
def word(
    run: Run,
    model: Denoiser,
    scheduler: SchedulerConfig,
    data: Dataset,
    text_encoder: TextEncoder,
    objective: Objective | None = None,
    optimiser: Optimiser | None = None,
    settings: Settings | None = None,
    autoencoder: Autoencoder | None = None,
    word: str = "<word>",
    like: str = "toy",
    vectors: Annotated[int, Range(1, 64)] = 1,
    sentences: Annotated[str, Text()] = "",
    steps: Steps = 500,
    prompts: Annotated[str, Text(), Cosmetic()] = "",
    guidance: Annotated[float, Range(1, 30), Cosmetic()] = 3.0,
    save_every: Every = 250,
    preview_every: Every = 0,
) -> LearntWord:
    """Learn a new word for what a few pictures show: textual inversion (2208.01618); the networks stay as they are.

    Args:
        model: The denoiser.
        scheduler: Its noise space and what it predicts.
        data: Pictures of one thing; their captions are not read.
        text_encoder: Which shall know the word.
        objective: What the denoiser is asked.
        optimiser: How the word's vectors follow.
        settings: Batch, precision, average, seed.
        autoencoder: Between pictures and latents; none for pixels.
        word: How it is written; not a word that there is.
        like: What it is like; where its vectors start.
        vectors: How many it has.
        sentences: What is said of the pictures, a line each, with {} for the word; empty = some plain ones.
        steps: How many in all.
        prompts: What to draw on the way, a line each; empty = some of the sentences.
        guidance: For those pictures.
        save_every: Steps between two saved states.
        preview_every: Steps between two previews; 0 = only at the end.
    """
    from nodeflow.diffusion.training import concepts
    from nodeflow.diffusion.training.lessons import Base

    lines = tuple(line.strip() for line in sentences.splitlines() if line.strip())
    done = concepts.learn_word(
        course(run, save_every, preview_every),
        plan(data, optimiser, settings, steps),
        objective or Objective(),
        Base(model, scheduler, autoencoder, text_encoder),
        concepts.Word(word, like, vectors, lines or concepts.SENTENCES),
        wanted=wanted(prompts, guidance),
    )
    return LearntWord(done.text_encoder, str(done.path), *shown(done.result))


class TrainedControl(NamedTuple):
    """What a training brought.

    Args:
        control_network: With averaged weights, to be applied to the model.
        folder: Where it is, as diffusers reads it.
        samples: Pictures that the model makes after the first control pictures.
        curve: The loss over the steps.
        losses: One number a step.
    """

    control_network: ControlNetwork
    folder: str
    samples: Image
    curve: Image
    losses: list[float]


@node("training/control", title="Train ControlNet")
def control(
    run: Run,
    model: Denoiser,
    scheduler: SchedulerConfig,
    network: ControlNetwork,
    data: Dataset,
    objective: Objective | None = None,
    optimiser: Optimiser | None = None,
    settings: Settings | None = None,
    autoencoder: Autoencoder | None = None,
    text_encoder: TextEncoder | None = None,
    steps: Steps = 1000,
    prompts: Annotated[str, Text(), Cosmetic()] = "",
    guidance: Annotated[float, Range(1, 30), Cosmetic()] = 3.0,
    save_every: Every = 500,
    preview_every: Every = 0,
) -> TrainedControl:
    """Train a network that steers a model by a picture (ControlNet, 2302.05543); the model stays as it is.

    Args:
        model: The denoiser that is steered.
        scheduler: Its noise space and what it predicts.
        network: Where it starts: a new one, or one to go on with.
        data: Pictures with control pictures.
        objective: What the denoiser is asked.
        optimiser: How weights follow.
        settings: Batch, precision, average, seed.
        autoencoder: Between pictures and latents; none for pixels.
        text_encoder: Reads the captions.
        steps: How many in all.
        prompts: What to draw on the way, a line each; empty = some captions.
        guidance: For those pictures.
        save_every: Steps between two saved states.
        preview_every: Steps between two previews; 0 = only at the end.
    """
    from nodeflow.diffusion.training.control import train_control
    from nodeflow.diffusion.training.lessons import Base

    done = train_control(
        course(run, save_every, preview_every),
        plan(data, optimiser, settings, steps),
        objective or Objective(),
        Base(model, scheduler, autoencoder, text_encoder),
        network,
        wanted=wanted(prompts, guidance),
    )
    return TrainedControl(done.network, done.network.folder, *shown(done.result))
