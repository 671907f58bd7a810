"""Laws of what a denoiser is told: classes, texts, nothing now and then, and what it must not forget."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny import Tiny
from torch import nn
from toy_training import Host

from nodeflow.diffusion import reading
from nodeflow.diffusion.checkpoints import open_model
from nodeflow.diffusion.checkpoints.load import load_weights
from nodeflow.diffusion.checkpoints.tokenizer import load_tokenizer
from nodeflow.diffusion.imaging import fit
from nodeflow.diffusion.models import model_class
from nodeflow.diffusion.text import encode
from nodeflow.diffusion.training import fresh, lowrank, painting
from nodeflow.diffusion.training.completing import Completed
from nodeflow.diffusion.training.conditions import CachedTexts, Classes, TrainedTexts, token_ids
from nodeflow.diffusion.training.course import Course
from nodeflow.diffusion.training.draws import Draw
from nodeflow.diffusion.training.folder import Item, scan
from nodeflow.diffusion.training.lessons import Base
from nodeflow.diffusion.training.loop import Loss
from nodeflow.diffusion.training.material import Material
from nodeflow.diffusion.training.prior import WithPrior
from nodeflow.diffusion.training.store import Store
from nodeflow.errors import NodeflowError
from nodeflow.training import Dataset
from nodeflow.values import Conditioning, Image

CAPTIONS = ["a red heart", "a cat", "the dog of a happy cat"]
ALL = list(range(3)) * 200


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory):
    return open_model(str(Tiny(tmp_path_factory.mktemp("tiny"))("text_to_image")), dtype="float32")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def cached(parts, store: Store, dropout: float = 0.0) -> CachedTexts:
    texts = CachedTexts(CAPTIONS, parts.text_encoder, store, dropout)
    texts.prepare(lambda handle: nullcontext(load_weights(handle)), lambda done, total: None)
    return texts


def test_cached_trained_and_sampled_texts_are_the_same(parts) -> None:
    tokenizer, encoder = load_tokenizer(parts.text_encoder), load_weights(parts.text_encoder)
    kept = cached(parts, Store(None))([2, 0], seeded()).states
    trained = TrainedTexts(CAPTIONS, tokenizer, encoder)([2, 0], seeded()).states
    asked = encode([CAPTIONS[2], CAPTIONS[0]], tokenizer, encoder, weighting="none").states
    assert torch.allclose(kept, asked, atol=1e-5) and torch.allclose(trained, asked, atol=1e-5)


def test_states_outlive_the_process_and_know_their_encoder(parts, tmp_path: Path) -> None:
    cached(parts, Store(tmp_path))
    again = CachedTexts(CAPTIONS, parts.text_encoder, Store(tmp_path))
    assert again([0], seeded()).states.shape == (1, 77, 32)
    other = CachedTexts(["a star"], parts.text_encoder, Store(tmp_path))
    with pytest.raises(NodeflowError, match=r"NF401.*not prepared"):
        other([0], seeded())


def test_nothing_is_said_as_often_as_asked(parts) -> None:
    texts = cached(parts, Store(None), dropout=0.3)
    told = texts(ALL, seeded())
    silent = (told.states == texts.nothing(told).states).flatten(1).all(1)
    assert silent.float().mean() == pytest.approx(0.3, abs=0.06)


@pytest.fixture(scope="module")
def larger(tmp_path_factory: pytest.TempPathFactory):
    return open_model(str(Tiny(tmp_path_factory.mktemp("tiny"))("sdxl")), dtype="float32")


def test_several_encoders_say_in_training_what_they_say_in_sampling(larger) -> None:
    told = cached(larger, Store(None))([1, 2], seeded())
    asked = reading.conditioning(larger.text_encoder, reading.Prompts(CAPTIONS[1:], "none"), Host().weights)
    assert told.states.shape == (2, 77, 56) and torch.allclose(told.states, asked.states, atol=1e-5)
    assert told.pooled is not None and torch.allclose(told.pooled, asked.pooled, atol=1e-5)
    with_more = replace(told, more={"crop": torch.ones(2, 2)})
    nothing = cached(larger, Store(None)).nothing(with_more)
    assert not nothing.states.any() and not nothing.pooled.any() and nothing.more["crop"].all()


def test_a_long_caption_is_read_to_the_end_of_its_first_window(larger) -> None:
    long = CachedTexts(["a cat " * 100], larger.text_encoder, Store(None))
    long.prepare(Host().weights, lambda done, total: None)
    assert long([0], seeded()).states.shape == (1, 77, 56)


@pytest.mark.parametrize(("size", "cut"), [((40, 20), (0, 8)), ((20, 30), (4, 0)), ((16, 16), (0, 0))])
def test_sizes_are_told_as_pictures_were_cut(larger, size: tuple[int, int], cut: tuple[int, int]) -> None:
    net, item = load_weights(larger.denoiser), Item(Path("a.png"), "", -1, size, "")
    material = Material([item], Dataset("", size=16), Store(None))
    said = Conditioning(torch.zeros(2, 77, 56), torch.zeros(2, 16))
    told = Completed(net, larger.denoiser, material)(said, [0, 0]).more
    named = {"original_size": size[::-1], "crop": cut, "target_size": (16, 16)}
    assert {name: tuple(rows[1].tolist()) for name, rows in told.items()} == named
    y, x = torch.meshgrid(*(torch.arange(side) / side for side in size[::-1]), indexing="ij")
    corner = fit(Image(torch.stack([y, x, x])[None]), 16, 16, "cover", "#000000").data[0, :2, 0, 0]
    scaled = max(16, round(16 * size[1] / size[0])), max(16, round(16 * size[0] / size[1]))
    assert torch.allclose(corner * torch.tensor(scaled), torch.tensor(cut).float(), atol=1)


def test_classes_are_left_out_as_often_as_asked() -> None:
    net = model_class("UNet2DModel").from_config(fresh.denoiser_config(size=8, widths=(8, 8), classes=3))
    labels = Classes([0, 1, 2], net, dropout=0.3)(ALL, seeded()).labels
    assert (labels == 3).float().mean() == pytest.approx(0.3, abs=0.06)
    assert set(labels.tolist()) == {0, 1, 2, 3}
    assert Classes([0, 1, 2], net, 0.0)([2, 0], seeded()).labels.tolist() == [2, 0]


def test_captions_are_cut_and_padded_to_what_the_encoder_reads(parts) -> None:
    tokenizer = load_tokenizer(parts.text_encoder)
    short, long = (token_ids(text, tokenizer).tolist() for text in ("a cat", "a cat " * 100))
    assert len(short) == len(long) == 77
    assert short[0] == long[0] == tokenizer.bos_token_id and long[-1] == tokenizer.eos_token_id
    assert short[1:3] == list(tokenizer.encode("a cat", add_special_tokens=False))
    assert set(short[4:]) == {tokenizer.pad_token_id}


def test_what_must_not_be_forgotten_counts_by_its_weight() -> None:
    new, old = (lambda draw, v=v: Loss(torch.tensor(v), [f"{v}.png"]) for v in (2.0, 5.0))
    both = WithPrior(new, old, 0.5)(Draw(0, seeded()))
    assert both.value == 4.5 and both.batch == ["2.0.png", "5.0.png"]


def test_a_model_paints_what_it_must_not_forget_once(parts, tmp_path: Path) -> None:
    course = Course(Host(), tmp_path)
    base = Base(parts.denoiser, parts.scheduler, parts.autoencoder, parts.text_encoder)
    few = painting.class_pictures(course, base, "a cat", 2)
    more = painting.class_pictures(course, base, "a cat", 3)
    assert few.folder == more.folder and few.digest != more.digest
    found = scan(more).items
    assert [item.caption for item in found] == ["a cat"] * 3 and {item.size for item in found} == {(16, 16)}
    assert len({item.digest for item in found}) == 3


def test_adapted_layers_begin_as_they_were_and_learn_alone(parts) -> None:
    net = load_weights(parts.denoiser).requires_grad_(True)
    x, t, states = torch.randn(1, 4, 8, 8, generator=seeded()), 500, torch.randn(1, 5, 32, generator=seeded(1))
    before = net(x, t, states)
    layers = lowrank.adapt(net, lowrank.ATTENTION, rank=2, scale=1.0, seed=0)
    assert torch.equal(net(x, t, states), before) and len(layers) == 4 * 2 * 4
    trained = [name for name, p in net.named_parameters() if p.requires_grad]
    assert len(trained) == 2 * len(layers) and all(isinstance(net.get_submodule(name), nn.Linear) for name in layers)
    with pytest.raises(NodeflowError, match=r"NF205.*to_x"):
        lowrank.adapt(net, ("to_x",), 2, 1.0, 0)
