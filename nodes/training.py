"""Training: data, objective, optimiser; networks from scratch; the loop; and the trained model as a folder."""

from typing import Annotated, Any, Literal, NamedTuple

from nodeflow import (
    Autoencoder,
    Cosmetic,
    Denoiser,
    Image,
    NodeflowError,
    Path,
    Range,
    Run,
    SchedulerConfig,
    Seed,
    Text,
    TextEncoder,
    node,
)
from nodeflow.content import user_folder
from nodeflow.training import Dataset, Objective, Optimiser, Settings

Steps = Annotated[int, Range(1, 10_000_000)]
Every = Annotated[int, Range(0, 1_000_000), Cosmetic()]
Prediction = Literal["epsilon", "sample", "v_prediction", "flow_prediction", "edm"]


def _course(run: Run, save_every: int, preview_every: int) -> Any:
    from nodeflow.diffusion.training.course import Course

    return Course(run, user_folder("training"), max(1, save_every), preview_every)


def _plan(data: Dataset, optimiser: Optimiser | None, settings: Settings | None, steps: int) -> Any:
    from nodeflow.diffusion.training.lessons import Plan

    return Plan(data, optimiser or Optimiser(), settings or Settings(), steps)


def _prior(data: Dataset | None, weight: float) -> Any:
    from nodeflow.diffusion.training.prior import Prior

    return None if data is None else Prior(data, weight)


def _wanted(prompts: str, guidance: float = 3.0) -> Any:
    from nodeflow.diffusion.training.painting import Wanted

    return Wanted(tuple(line.strip() for line in prompts.splitlines() if line.strip()), guidance)


def _widths(text: str) -> list[int]:
    try:
        return [int(part) for part in text.replace(",", " ").split()]
    except ValueError:
        raise NodeflowError(
            "NF205", f"{text!r} is not a list of whole numbers", where="widths", fix='as in "32, 64, 128"'
        ) from None


def _folder(folder: str) -> Any:
    from nodeflow.diffusion.training.folder import fingerprint

    return fingerprint(folder)


class Data(NamedTuple):
    """What a folder holds.

    Args:
        dataset: For training nodes.
        count: How many pictures can be read.
        classes: How many classes they have; 0 without classes.
    """

    dataset: Dataset
    count: int
    classes: int


@node("training/dataset", title="Picture folder", waits=True, fingerprint=_folder)
def dataset(
    run: Run,
    folder: Annotated[str, Path("folder")],
    captions: Literal["auto", "text", "metadata", "names", "folders", "none"] = "auto",
    size: Annotated[int, Range(8, 4096, step=8, unit="px")] = 64,
    buckets: bool = False,
    step: Annotated[int, Range(8, 256, step=8, unit="px")] = 64,
    mirror: bool = False,
    skip_unreadable: bool = False,
) -> Data:
    """Read a folder of pictures to learn from; every file is looked at, and what cannot be read is named.

    Args:
        folder: Pictures, also in subfolders.
        captions: A .txt beside each picture, metadata.jsonl, the file's name, the folder's name (then also the
            class), or none; auto takes the first of metadata, text, names that is there.
        size: Side of the square that pictures are cut to.
        buckets: Keep their shapes instead, near this square's area.
        step: Sides of shapes are multiples of this.
        mirror: Show every picture mirrored too.
        skip_unreadable: Leave out what cannot be read instead of refusing.
    """
    from dataclasses import replace

    from nodeflow.diffusion.training.folder import scan

    wanted = Dataset(folder, captions, size, buckets, step, mirror, skip_unreadable)
    found = scan(wanted)
    for fault in found.unreadable:
        run.log(f"left out: {fault.line}")
    return Data(replace(wanted, digest=found.digest), len(found.items), len(found.classes))


@node("training/objective", title="Objective")
def objective(
    weighting: Literal["constant", "min_snr", "p2", "edm"] = "constant",
    gamma: Annotated[float, Range(0, 100)] = 0.0,
    timesteps: Literal["uniform", "logit_normal", "mode", "log_normal"] = "uniform",
    mean: Annotated[float, Range(-10, 10)] = 0.0,
    std: Annotated[float, Range(-10, 10)] = 1.0,
    shift: Annotated[float, Range(0.01, 100)] = 1.0,
    offset: Annotated[float, Range(0, 1, step=0.01)] = 0.0,
    dropout: Annotated[float, Range(0, 1, step=0.05)] = 0.1,
) -> Objective:
    """What a denoiser is asked at which noise levels; what it predicts is the scheduler's affair.

    Args:
        weighting: How much each level counts: min-SNR (2303.09556), P2 (2204.00227), EDM (2206.00364).
        gamma: γ of min-SNR (usually 5) or P2 (usually 1); 0 = the usual one.
        timesteps: How often each level is asked about: logit-normal and mode (2403.03206), log-normal (2206.00364).
        mean: Of the logit of time, or of the logarithm of noise over signal.
        std: Of the same; the scale of mode.
        shift: How far a flow's times are moved towards noise.
        offset: Noise that is one number for a whole channel, so that dark and bright pictures are learnt.
        dropout: How often the caption is left out, so that guidance works.
    """
    return Objective("", weighting, gamma, timesteps, mean, std, shift, offset, dropout)


@node("training/optimiser", title="Optimiser")
def optimiser(
    learning_rate: Annotated[float, Range(0, 1, log=True)] = 1e-4,
    schedule: Literal["constant", "cosine", "linear"] = "constant",
    warmup: Annotated[int, Range(0, 1_000_000)] = 0,
    horizon: Annotated[int, Range(0, 10_000_000)] = 0,
    weight_decay: Annotated[float, Range(0, 1)] = 0.01,
    beta1: Annotated[float, Range(0, 0.9999)] = 0.9,
    beta2: Annotated[float, Range(0, 0.999999)] = 0.999,
    clip: Annotated[float, Range(0, 1000)] = 1.0,
    kind: Literal["adamw", "adamw8bit"] = "adamw",
) -> Optimiser:
    """How weights follow the gradient.

    Args:
        learning_rate: The highest rate.
        schedule: Constant after the warm-up, or falling to 0 at the horizon.
        warmup: Steps in which the rate climbs.
        horizon: The step at which a falling rate is 0. It is not the number of steps: asking for more steps goes on,
            changing the horizon begins anew.
        weight_decay: λ of AdamW.
        beta1: How long the gradient's mean remembers.
        beta2: How long its square remembers.
        clip: The largest norm of the gradient; 0 = any.
        kind: adamw8bit needs bitsandbytes and a GPU.
    """
    return Optimiser(learning_rate, schedule, warmup, horizon, weight_decay, (beta1, beta2), clip, kind)


@node("training/settings", title="Training settings")
def settings(
    batch: Annotated[int, Range(1, 4096)] = 4,
    accumulate: Annotated[int, Range(1, 4096)] = 1,
    precision: Literal["float32", "bfloat16", "float16"] = "float32",
    ema: Annotated[float, Range(0, 0.99999)] = 0.999,
    checkpointing: bool = False,
    seed: Annotated[int, Seed()] = 0,
) -> Settings:
    """What else decides the course of a training.

    Args:
        batch: Pictures at once.
        accumulate: So many batches make one step.
        precision: What networks compute in; weights stay in float32.
        ema: How long the average of the weights remembers, which is what one samples from; 0 = no average.
        checkpointing: Less memory for more time.
        seed: Of everything drawn.
    """
    return Settings(batch, accumulate, precision, ema, seed, checkpointing)


class NewDenoiser(NamedTuple):
    """A denoiser that has learnt nothing.

    Args:
        denoiser: To train.
        scheduler: Of its prediction.
    """

    denoiser: Denoiser
    scheduler: SchedulerConfig


@node("training/new-denoiser", title="New denoiser")
def new_denoiser(
    autoencoder: Autoencoder | None = None,
    text_encoder: TextEncoder | None = None,
    size: Annotated[int, Range(8, 4096, step=8, unit="px")] = 64,
    widths: str = "32, 64, 128",
    layers: Annotated[int, Range(1, 8)] = 1,
    attention: Annotated[int, Range(0, 8)] = 2,
    classes: Annotated[int, Range(0, 100_000)] = 0,
    prediction: Prediction = "v_prediction",
    seed: Annotated[int, Seed()] = 0,
) -> NewDenoiser:
    """A U-net with random weights.

    Args:
        autoencoder: Whose latents it will work on; none = pixels.
        text_encoder: Whose texts it will read; none = no text.
        size: Side of its pictures.
        widths: Channels at each resolution, finest first.
        layers: Residual blocks at each resolution.
        attention: At how many of the coarsest resolutions pixels read each other and the text.
        classes: How many classes it will know; 0 = none.
        prediction: What it will predict; decides the scheduler.
        seed: Of the weights.
    """
    from nodeflow.diffusion.training import fresh

    space = autoencoder.space if autoencoder else fresh.PIXELS
    width = int(text_encoder.config.get("hidden_size", 0)) if text_encoder else 0
    config = fresh.denoiser_config(
        size=size,
        space=space,
        widths=_widths(widths),
        layers=layers,
        attention=attention,
        text_width=width,
        classes=classes,
    )
    made = fresh.new_denoiser(user_folder("training") / "new", config, space, seed)
    return NewDenoiser(made, fresh.scheduler_for(prediction))


@node("training/new-autoencoder", title="New autoencoder")
def new_autoencoder(
    size: Annotated[int, Range(8, 4096, step=8, unit="px")] = 64,
    widths: str = "16, 32, 64",
    layers: Annotated[int, Range(1, 8)] = 1,
    channels: Annotated[int, Range(1, 256)] = 8,
    seed: Annotated[int, Seed()] = 0,
) -> Autoencoder:
    """An autoencoder with random weights.

    Args:
        size: Side of its pictures.
        widths: Channels at each resolution, finest first; each after the first halves the picture.
        layers: Residual blocks at each resolution.
        channels: Of a latent.
        seed: Of the weights.
    """
    from nodeflow.diffusion.training import fresh

    config = fresh.autoencoder_config(size=size, widths=_widths(widths), layers=layers, channels=channels)
    return fresh.new_autoencoder(user_folder("training") / "new", config, seed)


@node("training/new-text-encoder", title="New text encoder")
def new_text_encoder(
    data: Dataset,
    width: Annotated[int, Range(8, 4096, step=8)] = 128,
    layers: Annotated[int, Range(1, 48)] = 2,
    heads: Annotated[int, Range(1, 64)] = 4,
    merges: Annotated[int, Range(0, 100_000)] = 1500,
    seed: Annotated[int, Seed()] = 0,
) -> TextEncoder:
    """A text encoder with random weights, and a tokenizer learnt from a folder's captions.

    Args:
        data: Whose captions are read.
        width: Of the text states.
        layers: Of the encoder.
        heads: Of its attention.
        merges: The most pieces of words that the tokenizer learns.
        seed: Of the weights.
    """
    from nodeflow.diffusion.training import fresh

    place = user_folder("training") / "new"
    return fresh.new_text_encoder(place, data, tokens=merges, width=width, layers=layers, heads=heads, seed=seed)


class TrainedDenoiser(NamedTuple):
    """What a training brought.

    Args:
        denoiser: With averaged weights, ready to sample from.
        text_encoder: As it was, or trained too.
        samples: Pictures that it makes.
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
    data: Dataset,
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
        data: What to learn from.
        objective: What it is asked.
        optimiser: How weights follow.
        settings: Batch, precision, average, seed.
        autoencoder: Between pictures and latents; none for pixels.
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
        _course(run, save_every, preview_every),
        _plan(data, optimiser, settings, steps),
        objective or Objective(),
        Base(model, scheduler, autoencoder, text_encoder, train_text),
        prior=_prior(prior, prior_weight),
        wanted=_wanted(prompts, guidance),
    )
    return TrainedDenoiser(done.denoiser, done.text_encoder, *_shown(done.result))


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
    data: Dataset,
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
        _course(run, save_every, preview_every),
        _plan(data, optimiser, settings, steps),
        objective or Objective(),
        Base(model, scheduler, autoencoder, text_encoder, train_text),
        recipes.LowRank(rank, alpha, tuple(targets.replace(",", " ").split())),
        prior=_prior(prior, prior_weight),
        wanted=_wanted(prompts, guidance),
    )
    return TrainedLora(done.denoiser, done.text_encoder, str(done.path), str(done.kohya), *_shown(done.result))


class Distilled(NamedTuple):
    """What a distillation brought.

    Args:
        denoiser: The student, to be sampled without guidance in 1 to 8 steps.
        scheduler: How to sample from it.
        file: The LoRA that makes the teacher the student; empty where the whole denoiser was trained.
        samples: Pictures that it makes in four steps.
        curve: The loss over the steps.
        losses: One number a step.
    """

    denoiser: Denoiser
    scheduler: SchedulerConfig
    file: str
    samples: Image
    curve: Image
    losses: list[float]


@node("training/distil", title="Distil to few steps")
def distil(
    run: Run,
    model: Denoiser,
    scheduler: SchedulerConfig,
    data: Dataset,
    optimiser: Optimiser | None = None,
    settings: Settings | None = None,
    autoencoder: Autoencoder | None = None,
    text_encoder: TextEncoder | None = None,
    teacher_guidance: Annotated[float, Range(1, 30)] = 3.0,
    teacher_steps: Annotated[int, Range(4, 1000)] = 50,
    rank: Annotated[int, Range(0, 1024)] = 0,
    steps: Steps = 1000,
    prompts: Annotated[str, Text(), Cosmetic()] = "",
    save_every: Every = 500,
    preview_every: Every = 0,
) -> Distilled:
    """Teach a copy of a denoiser to paint in few steps: latent consistency distillation (2310.04378).

    Args:
        model: The teacher.
        scheduler: Its noise space and what it predicts.
        data: What to learn from.
        optimiser: How weights follow.
        settings: Batch, precision, average, seed.
        autoencoder: Between pictures and latents; none for pixels.
        text_encoder: Reads the captions.
        teacher_guidance: The guidance that the student will have built in.
        teacher_steps: Into how many steps the teacher's path is cut.
        rank: Of a LoRA that makes any copy of the teacher the student; 0 trains the whole denoiser.
        steps: How many in all.
        prompts: What to draw on the way, a line each; empty = some captions.
        save_every: Steps between two saved states.
        preview_every: Steps between two previews; 0 = only at the end.
    """
    from nodeflow.diffusion.training import distillation, recipes
    from nodeflow.diffusion.training.lessons import Base

    done = distillation.distil(
        _course(run, save_every, preview_every),
        _plan(data, optimiser, settings, steps),
        Base(model, scheduler, autoencoder, text_encoder),
        distillation.Distillation(teacher_guidance, teacher_steps),
        recipes.LowRank(rank) if rank else None,
        wanted=_wanted(prompts),
    )
    return Distilled(done.denoiser, done.scheduler, str(done.path or ""), *_shown(done.result))


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
        _course(run, save_every, preview_every),
        _plan(data, optimiser, settings, steps),
        objective or Objective(),
        Base(model, scheduler, autoencoder, text_encoder),
        concepts.Word(word, like, vectors, lines or concepts.SENTENCES),
        wanted=_wanted(prompts, guidance),
    )
    return LearntWord(done.text_encoder, str(done.path), *_shown(done.result))


@node("training/class-pictures", title="Class pictures")
def class_pictures(
    run: Run,
    model: Denoiser,
    scheduler: SchedulerConfig,
    text_encoder: TextEncoder,
    autoencoder: Autoencoder | None = None,
    prompt: Annotated[str, Text(1)] = "a dog",
    count: Annotated[int, Range(1, 10_000)] = 100,
    guidance: Annotated[float, Range(1, 30)] = 5.0,
    seed: Annotated[int, Seed()] = 0,
) -> Dataset:
    """Let a model paint pictures that it must not forget while it learns something new of their class.

    Args:
        model: The model as it is.
        scheduler: How to sample from it.
        text_encoder: Reads the prompt.
        autoencoder: None for pixels.
        prompt: The class, such as "a dog" where "a sks dog" is learnt.
        count: How many pictures.
        guidance: How strongly to follow the prompt.
        seed: Of the first picture.
    """
    from nodeflow.diffusion.training import painting
    from nodeflow.diffusion.training.lessons import Base

    base = Base(model, scheduler, autoencoder, text_encoder)
    return painting.class_pictures(_course(run, 1, 0), base, prompt, count, guidance, seed)


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

    course = _course(run, save_every, preview_every)
    done = coding.train_autoencoder(course, _plan(data, optimiser, settings, steps), model, kl=kl)
    return TrainedAutoencoder(done.autoencoder, *_shown(done.result))


@node("training/save-model", title="Save model", sink=True, waits=True)
def save_model(
    run: Run,
    denoiser: Denoiser,
    scheduler: SchedulerConfig,
    autoencoder: Autoencoder | None = None,
    text_encoder: TextEncoder | None = None,
    name: str = "model",
    dtype: Literal["float32", "float16", "bfloat16"] = "float32",
) -> str:
    """Save a model as a folder in the published layout, which this and other programs open.

    Args:
        denoiser: The denoiser; changes to its weights, such as a LoRA, are merged.
        scheduler: How to sample from it.
        autoencoder: None for models on pixels.
        text_encoder: None for models without text.
        name: Of the folder, inside the output folder.
        dtype: Number format of the files.

    Returns:
        The folder.
    """
    from nodeflow.diffusion.checkpoints.save import save_model as saved

    folder = _inside(run.folder, name)
    saved(folder, denoiser, scheduler, autoencoder, text_encoder, dtype)
    return str(folder)


def _inside(folder: str, name: str) -> Any:
    from pathlib import Path as Place

    if not name or any(sign in name for sign in "/\\:\0") or name.startswith("."):
        raise NodeflowError("NF603", f"{name!r} is not the plain name of a folder", where="name", fix='as in "model"')
    return Place(folder) / name


def _shown(result: Any) -> tuple[Image, Image, list[float]]:
    from nodeflow.diffusion.training.curve import curve

    return result.samples, curve(result.losses), result.losses.tolist()
