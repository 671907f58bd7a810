"""Trainings on sounds: what is found, how it is cut, that it is learnt, and what is refused."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import Tiny
from toy_training import Host, hear, two_tones

from nodeflow.diffusion import schedulers
from nodeflow.diffusion.checkpoints import open_model
from nodeflow.diffusion.checkpoints.handles import identity
from nodeflow.diffusion.checkpoints.load import load_weights
from nodeflow.diffusion.training import clips, fresh, recipes
from nodeflow.diffusion.training.course import Course
from nodeflow.diffusion.training.folder import scan
from nodeflow.diffusion.training.lessons import Base, Plan, prepared_material
from nodeflow.diffusion.training.objectives import DenoisingLoss
from nodeflow.diffusion.training.painting import Wanted
from nodeflow.errors import Cancelled, NodeflowError
from nodeflow.training import Dataset, Objective, Optimiser, Settings, Sounds
from nodeflow.values import Denoiser, SchedulerConfig

SHOWN = Wanted(count=2, steps=2)
WAVES = SchedulerConfig(fresh.ON_WAVES)


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_tones(tmp_path_factory.mktemp("tones"))


def waves(course: Course, samples: int = 64, **options: int) -> Denoiser:
    how = {"rate": 8000, "channels": 1, "attention": 1, **options}
    config = fresh.wave_config(seconds=samples / how["rate"], widths=(32, 32), **how)
    return fresh.new_denoiser(course.folder / "new", config, identity("UNet1DModel", config).space, seed=0)


def plan(data: Sounds | Dataset, steps: int, rate: float = 2e-3) -> Plan:
    return Plan(data, Optimiser(rate, warmup=5), Settings(batch=8, ema=0.9), steps)


def material(course: Course, data: Sounds, denoiser: Denoiser) -> clips.Clips:
    made = prepared_material(course, data, scan(data), Base(denoiser, WAVES))
    assert isinstance(made, clips.Clips)
    return made


# -- what is in a folder -------------------------------------------------------------------------------------------


def test_sounds_are_found_captioned_and_named_like_pictures(tones: Path, tmp_path: Path) -> None:
    found = scan(Sounds(str(tones), "folders"))
    assert found.classes == ("high", "low") and {item.size for item in found.items} == {(800, 8000)}
    assert [item.path for item in found.items] == sorted(item.path for item in found.items)
    for name in ("a.flac", "b.ogg", "c.wav"):
        hear(tmp_path / name, np.zeros((2, 400)))
    (tmp_path / "d.png").write_bytes(b"no sound")
    (tmp_path / "metadata.jsonl").write_text(
        "".join(f'{{"file_name": "{n}", "text": "x"}}\n' for n in ("a.flac", "b.ogg", "c.wav"))
    )
    assert [(item.path.name, item.caption) for item in scan(Sounds(str(tmp_path))).items] == [
        ("a.flac", "x"), ("b.ogg", "x"), ("c.wav", "x")
    ]  # fmt: skip


def test_what_is_cut_empty_or_no_number_is_named_and_left_out_only_when_asked(tmp_path: Path) -> None:
    hear(tmp_path / "good.wav", np.zeros((1, 4000)))
    hear(tmp_path / "empty.wav", np.zeros((1, 0)))
    hear(tmp_path / "whole.flac", np.random.default_rng(0).normal(0, 0.1, (1, 40000)))
    whole = (tmp_path / "whole.flac").read_bytes()
    (tmp_path / "whole.flac").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(NodeflowError, match="NF601") as caught:
        scan(Sounds(str(tmp_path)))
    assert [Path(fault.where).name for fault in caught.value.faults] == ["empty.wav", "whole.flac"]
    found = scan(Sounds(str(tmp_path), skip_unreadable=True))
    assert [item.path.name for item in found.items] == ["good.wav"] and len(found.unreadable) == 2


def test_a_folder_without_sounds_is_refused(tmp_path: Path) -> None:
    for folder, words in (("", "no folder of sounds"), (str(tmp_path), "no sound in this folder")):
        with pytest.raises(NodeflowError, match=f"NF107.*{words}"):
            scan(Sounds(folder))


# -- clips ---------------------------------------------------------------------------------------------------------


@given(length=st.integers(0, 5000), samples=st.integers(1, 700))
def test_pieces_cover_a_sound_and_end_with_it(length: int, samples: int) -> None:
    begin = clips.starts(length, samples)
    assert begin[0] == 0 and len(begin) == max(1, -(-length // samples))
    assert all(b - a <= samples for a, b in pairwise(begin))
    if length >= samples:
        assert begin[-1] + samples == length


@pytest.mark.parametrize("rate", [4000, 8000, 11025, 16000])
def test_clips_have_the_models_rate_length_and_channels(rate: int, course: Course, tones: Path) -> None:
    denoiser = waves(course, samples=160, rate=rate, channels=2)
    x = material(course, Sounds(str(tones), "folders"), denoiser)([0, 1], torch.Generator())
    assert x.shape == (2, 2, 160) and torch.equal(x[:, 0], x[:, 1])
    time = torch.arange(160) / rate
    low = 0.7 * torch.sin(2 * torch.pi * 400 * time + 0.1 * 0) * torch.exp(-8 * time)
    first = next(i for i, item in enumerate(scan(Sounds(str(tones))).items) if item.path.name == "0.wav")
    own = material(course, Sounds(str(tones), "folders"), denoiser)([first], torch.Generator())[0, 0]
    assert (own - low)[40:].abs().max() < 0.02
    longer = material(course, Sounds(str(tones), "folders", seconds=0.2), denoiser)([0], torch.Generator())
    assert longer.shape[-1] == -(-round(0.2 * rate) // 4) * 4 and not longer[..., round(0.11 * rate) :].any()


def test_all_of_a_long_sound_is_shown_where_asked(course: Course, tmp_path: Path) -> None:
    hear(tmp_path / "long.wav", np.repeat(np.arange(5) / 10, 64)[None])
    shown = {}
    for pieces in (False, True):
        clean = material(course, Sounds(str(tmp_path), pieces=pieces), waves(course))
        shown[pieces] = {round(float(clean([0], torch.Generator().manual_seed(i)).mean()), 3) for i in range(60)}
    assert shown == {False: {0.0}, True: {0.0, 0.1, 0.2, 0.3, 0.4}}


def test_clips_are_made_once_and_outlive_the_process(course: Course, tmp_path: Path) -> None:
    folder, host = two_tones(tmp_path / "tones", count=2), Host()
    data = Sounds(str(folder))
    first = material(course, data, waves(course))([0, 1], torch.Generator())
    again = Course(host, course.folder)
    found, base = scan(data), Base(waves(course), WAVES)
    for item in found.items:
        item.path.unlink()
    made = prepared_material(again, data, found, base)
    assert torch.equal(made([0, 1], torch.Generator()), first) and "encoding sounds" in host.notes


# -- what is learnt ------------------------------------------------------------------------------------------------


def test_the_circle_of_waves_is_the_schedulers() -> None:
    scheduler = schedulers.from_config(fresh.ON_WAVES)
    loss = DenoisingLoss.of(scheduler, Objective())
    t = torch.linspace(0.05, 0.95, 7)
    alpha, sigma = loss.process.levels(t)
    levels = [scheduler.space.level(scheduler.space.k(float(one))) for one in t]
    assert torch.allclose(alpha, torch.tensor([level.alpha for level in levels]), atol=1e-6)
    assert torch.allclose(sigma, torch.tensor([level.sigma for level in levels]), atol=1e-6)
    assert torch.allclose(loss.process.at_noise(sigma / alpha), t, atol=1e-6)
    assert loss.objective.prediction == "v_prediction"


def test_waves_are_learnt_and_a_stopped_training_goes_on_bit_equal(course: Course, tones: Path, tmp_path: Path) -> None:
    data, start = Sounds(str(tones), "none"), waves(course)

    def learn(own: Course, steps: int) -> recipes.TrainedModel:
        base = Base(start, WAVES)
        return recipes.train_denoiser(own, plan(data, steps), Objective(), base, wanted=SHOWN)

    whole = learn(course, 80)
    losses = whole.result.losses
    assert losses[-20:].mean() < 0.7 * losses[:5].mean()
    assert whole.result.samples is not None and whole.result.samples.data.shape == (2, 3, 128, 192)
    name = "time_proj.weight"
    assert torch.equal(load_weights(whole.denoiser).state_dict()[name], load_weights(start).state_dict()[name])
    with pytest.raises(Cancelled):
        learn(Course(Host(stop_at=5), tmp_path / "other"), 12)
    resumed, straight = learn(Course(Host(), tmp_path / "other"), 12), learn(Course(Host(), tmp_path / "third"), 12)
    assert torch.equal(resumed.result.losses, straight.result.losses)
    one, other = (load_weights(done.denoiser).state_dict() for done in (resumed, straight))
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_texts_of_sounds_are_learnt_in_latents_of_spectrograms(course: Course, tones: Path, tiny: Tiny) -> None:
    parts = open_model(str(tiny("sound")), dtype="float32")
    base = Base(
        parts.denoiser,
        fresh.scheduler_for("v_prediction", parts.autoencoder.space),
        parts.autoencoder,
        parts.text_encoder,
    )
    done = recipes.train_denoiser(
        course, plan(Sounds(str(tones), "folders"), 60, 4e-3), Objective(), base, wanted=SHOWN
    )
    losses = done.result.losses
    assert losses[-15:].mean() < 0.7 * losses[:5].mean()
    assert done.result.samples is not None and done.result.samples.data.shape == (2, 3, 128, 192)


# -- what is refused -----------------------------------------------------------------------------------------------


def test_parts_of_different_media_and_rates_are_refused(course: Course, tones: Path, pictures: Path) -> None:
    own, other = waves(course), waves(course, rate=16000)

    def train(data: Sounds | Dataset, base: Base) -> None:
        recipes.train_denoiser(course, plan(data, 1), Objective(), base)

    with pytest.raises(NodeflowError, match=r"NF404.*waves-8000.*waves-16000"):
        train(Sounds(str(tones), "none"), Base(own, WAVES, identity(other.kind, other.config)))
    with pytest.raises(NodeflowError, match=r"NF404.*pictures, and the model makes sounds"):
        train(Dataset(str(pictures), "none", size=8), Base(own, WAVES))
    config = fresh.denoiser_config(size=8, widths=(8, 8))
    on_pixels = fresh.new_denoiser(course.folder / "new", config, fresh.PIXELS, seed=0)
    with pytest.raises(NodeflowError, match=r"NF404.*sounds, and the model makes pictures"):
        train(Sounds(str(tones), "none"), Base(on_pixels, fresh.scheduler_for("v_prediction")))
    with pytest.raises(NodeflowError, match=r"NF205.*common step"):
        train(Sounds(str(tones), "none"), Base(waves(course, rate=8009), WAVES))
    with pytest.raises(NodeflowError, match=r"NF205.*multiples of 32"):
        fresh.wave_config(seconds=1, rate=8000, channels=1, widths=(32, 40), attention=1)


def test_other_autoencoders_of_sounds_are_refused(tiny: Tiny) -> None:
    denoiser = open_model(str(tiny("sound"))).denoiser
    with pytest.raises(NodeflowError, match=r"NF404.*Identity"):
        clips.clip_shape(denoiser, torch.nn.Identity(), 1.0)
