"""Trainings from folder to networks: they learn, are not done twice, go on where they were, and stop when asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from toy_training import Host

from nodeflow.diffusion.checkpoints.load import load_weights
from nodeflow.diffusion.training import coding, fresh, recipes
from nodeflow.diffusion.training.course import Course
from nodeflow.diffusion.training.lessons import Base, Plan
from nodeflow.diffusion.training.painting import Wanted
from nodeflow.diffusion.training.recipes import TrainedModel
from nodeflow.errors import Cancelled, NodeflowError
from nodeflow.training import Dataset, Objective, Optimiser, Settings
from nodeflow.values import Denoiser

SETTINGS = Settings(batch=4, ema=0.9)
SCHEDULER = fresh.scheduler_for("v_prediction")


def plan(pictures: Path, steps: int, **settings: object) -> Plan:
    data = Dataset(str(pictures), "folders", size=8)
    return Plan(data, Optimiser(2e-3, warmup=2), replace(SETTINGS, **settings), steps)  # type: ignore[arg-type]


def model(course: Course, classes: int = 0) -> Denoiser:
    config = fresh.denoiser_config(size=8, widths=(8, 16), attention=1, classes=classes)
    return fresh.new_denoiser(course.folder / "new", config, fresh.PIXELS, seed=0)


def trained(course: Course, pictures: Path, steps: int, **settings: object) -> TrainedModel:
    wanted = Wanted(count=2, steps=2)
    return recipes.train_denoiser(
        course, plan(pictures, steps, **settings), Objective(), Base(model(course), SCHEDULER), wanted=wanted
    )


def weights(handle: Denoiser) -> dict[str, torch.Tensor]:
    return dict(load_weights(handle).state_dict())


def same(a: Denoiser, b: Denoiser) -> bool:
    one, other = weights(a), weights(b)
    return all(torch.equal(one[name], other[name]) for name in one)


def test_a_training_that_was_done_is_not_done_again(course: Course, host: Host, pictures: Path) -> None:
    first = trained(course, pictures, 6)
    assert host.steps == [1, 2, 3, 4, 5, 6]
    again = trained(course, pictures, 6)
    assert len(host.steps) == 6 and same(first.denoiser, again.denoiser)
    assert torch.equal(first.result.losses, again.result.losses)
    assert first.result.samples is not None and again.result.samples is not None
    assert torch.allclose(first.result.samples.data, again.result.samples.data, atol=1 / 255)


def test_more_steps_go_on_and_end_as_one_long_training(
    course: Course, host: Host, pictures: Path, tmp_path: Path
) -> None:
    trained(course, pictures, 6)
    longer = trained(course, pictures, 10)
    assert host.steps[6:] == [7, 8, 9, 10] and "going on from step 6" in host.lines
    whole = trained(Course(Host(), tmp_path / "other"), pictures, 10)
    assert same(longer.denoiser, whole.denoiser)
    assert torch.equal(longer.result.losses, whole.result.losses)


def test_fewer_steps_are_another_result(course: Course, host: Host, pictures: Path) -> None:
    longer = trained(course, pictures, 10)
    shorter = trained(course, pictures, 6)
    assert len(shorter.result.losses) == 6 and not same(longer.denoiser, shorter.denoiser)
    assert torch.equal(longer.result.losses[:6], shorter.result.losses)


def test_a_training_that_was_stopped_goes_on_bit_equal(course: Course, pictures: Path, tmp_path: Path) -> None:
    stopping = Host(stop_at=7)
    with pytest.raises(Cancelled):
        trained(Course(stopping, course.folder, save_every=3), pictures, 10)
    assert "saved at step 7" in stopping.lines[-1]
    rest = Host()
    resumed = trained(Course(rest, course.folder), pictures, 10)
    assert rest.steps == [8, 9, 10]
    whole = trained(Course(Host(), tmp_path / "other"), pictures, 10)
    assert same(resumed.denoiser, whole.denoiser)


@pytest.mark.parametrize("change", [{"seed": 1}, {"batch": 3}, {"ema": 0.5}, {"accumulate": 2}])
def test_whatever_decides_a_training_is_part_of_its_name(
    change: dict[str, object], course: Course, host: Host, pictures: Path
) -> None:
    first = trained(course, pictures, 2)
    other = trained(course, pictures, 2, **change)
    assert len(host.steps) == 4 and first.denoiser.folder != other.denoiser.folder


def test_old_states_give_way_to_newer_ones(course: Course, pictures: Path) -> None:
    course.save_every = 2
    done = trained(course, pictures, 7)
    states = sorted(path.name for path in done.result.folder.parent.glob("state-*"))
    assert states == ["state-00000007.safetensors"]


def test_previews_are_shown_on_the_way_and_change_nothing(
    course: Course, host: Host, pictures: Path, tmp_path: Path
) -> None:
    course.preview_every = 2
    watched = trained(course, pictures, 5)
    assert len(host.previews) == 2 and host.previews[0].data.shape == (2, 3, 8, 8)
    assert same(watched.denoiser, trained(Course(Host(), tmp_path / "other"), pictures, 5).denoiser)


def test_two_at_once_are_refused(course: Course, pictures: Path) -> None:
    from nodeflow.diffusion.training.course import locked

    place = trained(course, pictures, 1).result.folder.parent
    with locked(place), pytest.raises(NodeflowError, match=r"NF108.*another process"):
        trained(course, pictures, 2)


def test_less_memory_computes_the_same_gradient(course: Course, pictures: Path) -> None:
    """Activations that are computed again are the same activations."""
    plain, saving = (trained(course, pictures, 3, checkpointing=on) for on in (False, True))
    assert torch.allclose(plain.result.losses, saving.result.losses, rtol=1e-5)


def test_parts_that_do_not_fit_are_refused(course: Course, pictures: Path) -> None:
    with pytest.raises(NodeflowError, match=r"NF404.*2 classes"):
        recipes.train_denoiser(course, plan(pictures, 1), Objective(), Base(model(course, classes=1), SCHEDULER))
    with pytest.raises(NodeflowError, match=r"NF205.*halved"):
        fresh.denoiser_config(size=10, widths=(8, 8, 8))
    with pytest.raises(NodeflowError, match=r"NF205.*no class 'green'"):
        wanted = Wanted(("green",))
        recipes.train_denoiser(course, plan(pictures, 1), Objective(), Base(model(course, 2), SCHEDULER), wanted=wanted)


def test_a_class_conditional_training_learns_both_kinds_of_pictures(course: Course, pictures: Path) -> None:
    """The one training of the suite that goes on until something is learnt: means, modes and spread of 24 samples."""
    learnt = Plan(
        Dataset(str(pictures), "folders", size=8),
        Optimiser(4e-3, warmup=20, weight_decay=0.0, betas=(0.9, 0.99)),
        Settings(batch=12, ema=0.97),
        steps=160,
    )
    config = fresh.denoiser_config(size=8, widths=(16, 32), attention=1, classes=2)
    start = fresh.new_denoiser(course.folder / "new", config, fresh.PIXELS, seed=0)
    prompts = ("red",) * 12 + ("blue",) * 12
    course.save_every = 1000
    done = recipes.train_denoiser(
        course, learnt, Objective(dropout=0.1), Base(start, SCHEDULER), wanted=Wanted(prompts, guidance=1.0)
    )
    losses = done.result.losses
    assert losses[-20:].mean() < losses[:5].mean() / 4
    assert done.result.samples is not None
    red, blue = (255 * done.result.samples.data).split(12)
    truth = torch.tensor([[220.0, 60, 40], [40, 40, 40]])
    for kind, mean in ((red, truth), (blue.flip(1), truth.flip(0))):
        halves = torch.stack([kind[..., :4].mean((0, 2, 3)), kind[..., 4:].mean((0, 2, 3))])
        assert (halves - mean).abs().max() < 45, halves
    assert ((red[:, 0, :, :4].mean((1, 2)) > 130) & (blue[:, 2, :, 4:].mean((1, 2)) > 130)).float().mean() > 0.9
    assert 2 < red.std(0).mean() < 40


def test_an_autoencoder_learns_to_bring_pictures_back(course: Course, pictures: Path) -> None:
    config = fresh.autoencoder_config(size=8, widths=(16, 16), layers=1, channels=4)
    start = fresh.new_autoencoder(course.folder / "new", config, seed=0)
    short = Plan(Dataset(str(pictures), "none", size=8), Optimiser(4e-3, warmup=5), Settings(batch=8, ema=0.9), 60)
    done = coding.train_autoencoder(course, short, start, kl=1e-4)
    assert done.result.losses[-5:].mean() < done.result.losses[:5].mean() / 4
    assert done.autoencoder.space.name != start.space.name and done.autoencoder.space.channels == 4
    net = load_weights(done.autoencoder)
    x = torch.cat([torch.rand(1, 3, 8, 8)])
    assert net.encode(x).mode().shape == (1, 4, 4, 4)


@pytest.mark.parametrize("train_text", [False, True])
def test_text_to_image_trains_in_latents_on_captions(
    train_text: bool, course: Course, host: Host, pictures: Path
) -> None:
    data = Dataset(str(pictures), "folders", size=8, mirror=True)
    new = course.folder / "new"
    encoder = fresh.new_text_encoder(new, data, tokens=50, width=16, layers=1, heads=2, seed=0)
    coder = fresh.new_autoencoder(new, fresh.autoencoder_config(size=8, widths=(8, 8), layers=1, channels=4), seed=0)
    config = fresh.denoiser_config(size=8, space=coder.space, widths=(8, 16), attention=1, text_width=16)
    start = fresh.new_denoiser(new, config, coder.space, seed=0)
    done = recipes.train_denoiser(
        course,
        Plan(data, Optimiser(2e-3), Settings(batch=4), 3),
        Objective(dropout=0.2),
        Base(start, SCHEDULER, coder, encoder, train_text),
        wanted=Wanted(count=2, steps=2),
    )
    assert {"encoding pictures"} <= set(host.notes) and ("encoding texts" in host.notes) == (not train_text)
    assert done.result.samples is not None and done.result.samples.data.shape == (2, 3, 8, 8)
    assert done.text_encoder is not None and (done.text_encoder.digest != encoder.digest) == train_text
    assert done.denoiser.digest != start.digest
