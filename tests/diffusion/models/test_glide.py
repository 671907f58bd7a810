"""GLIDE's networks: as published in names, shapes and sums; its tokenizer; what its text transformer looks at."""

from __future__ import annotations

import json
import math
import time
from functools import cache
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from published_glide import BASE, UPSAMPLER, Form, denoised, spoken, written
from tiny_glide import TEXT, UNET
from tiny_glide import UPSAMPLER as TINY_UPSAMPLER
from tiny_glide import state as tiny_state
from torch import Tensor

from nodeflow.diffusion.calling import WAYS, Question
from nodeflow.diffusion.checkpoints.gpt2 import Gpt2Tokenizer, load_gpt2_tokenizer
from nodeflow.diffusion.checkpoints.handles import open_model
from nodeflow.diffusion.checkpoints.originals import sources
from nodeflow.diffusion.checkpoints.single import _TOKENIZERS
from nodeflow.diffusion.models import model_class
from nodeflow.diffusion.prompts import Piece
from nodeflow.errors import NodeflowError
from nodeflow.values import Conditioning, TextEncoder

FORMS = {"base": BASE, "upsampler": UPSAMPLER, "base inpaint": BASE._replace(channels=7)}


def empty_file(form: Form, path: Path) -> Path:
    """A file of the published names and shapes with nothing behind its header but a hole."""
    place, header = 0, {}
    for name, shape in written(form).items():
        end = place + 2 * math.prod(shape)
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [place, end]}
        place = end
    data = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(data).to_bytes(8, "little") + data)
        file.truncate(8 + len(data) + place)
    return path


def parts(state: dict[str, torch.Tensor], unet: dict) -> tuple:
    """The two networks of a file."""
    shapes, made = {name: tuple(tensor.shape) for name, tensor in state.items()}, []
    for name, kind, config in (("glide@", "Text2ImUNet", unet), ("glide-text@", "GlideTextModel", TEXT)):
        with torch.device("meta"):
            net = model_class(kind).from_config(config)
        made.append(net.load({key: state[one.name] for key, one in sources(name, shapes).items()}).eval())
    return tuple(made)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_published_file_is_recognised_from_its_header(form: Form, tmp_path: Path) -> None:
    file = empty_file(form, tmp_path / "file.safetensors")
    begin = time.perf_counter()
    parts = open_model(str(file))
    assert time.perf_counter() - begin < 0.5  # 50 ms alone; machines that test have other things to do
    upscales = form is UPSAMPLER
    assert parts.family == ("glide-upscale" if upscales else "glide")
    assert parts.denoiser.task == {3: "paint", 6: "upscale", 7: "inpaint"}[form.channels]
    assert parts.denoiser.size == (form.side, form.side) and parts.autoencoder.space.channels == 3
    assert parts.scheduler.config["beta_schedule"] == ("linear" if upscales else "squaredcos_cap_v2")
    found = {}
    for handle in (parts.denoiser, parts.text_encoder):
        with torch.device("meta"):
            net = model_class(handle.kind).from_config(handle.config)
        found |= {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    assert found == written(form)


@pytest.mark.parametrize("form", [BASE, UPSAMPLER])
def test_the_published_numbers_of_parameters(form: Form) -> None:
    assert sum(map(math.prod, written(form).values())) == form.parameters


@pytest.mark.parametrize("config", [UNET, TINY_UPSAMPLER], ids=["base", "upsampler"])
def test_the_denoiser_is_the_sum_that_was_published(config: dict) -> None:
    state = tiny_state(config)
    net, _ = parts(state, config)
    x, text, pooled = torch.randn(2, config["in_channels"], 16, 24), torch.randn(2, 5, 32), torch.randn(2, 128)
    with torch.no_grad():
        found = net(x, 417.5, text, pooled)
        expected = denoised(state, x, 417.5, text, pooled, len(config["channel_mult"]), config["num_res_blocks"])
    assert (found - expected).abs().max() <= 1e-4 * expected.abs().max()


@pytest.mark.parametrize("heads", [1, 4])
def test_the_text_transformer_is_the_sum_that_was_published(heads: int) -> None:
    state = tiny_state(UNET)
    net = model_class("GlideTextModel").from_config({**TEXT, "xf_heads": heads})
    net.load({name: state[name] for name in net.state_dict()})
    ids = torch.tensor([320, 17, 50000])
    given, mask = torch.zeros(1, 128, dtype=torch.long), torch.arange(128)[None] < 3
    given[0, :3] = ids
    with torch.no_grad():
        said, (states, pooled) = net(given, mask), spoken(state, ids, heads)
    assert (said.last_hidden_state - states).abs().max() < 1e-4
    assert (said.pooler_output - pooled).abs().max() < 1e-4


def test_what_stands_behind_a_prompt_is_not_looked_at() -> None:
    _, net = parts(tiny_state(UNET), UNET)
    mask, ids = torch.arange(128)[None] < 5, torch.randint(50257, (2, 128))
    ids[1, :5] = ids[0, :5]
    with torch.no_grad():
        first, second = (net(row[None], mask) for row in ids)
        moved = net(ids[:1], torch.arange(128)[None] < 6)
    assert torch.equal(first.last_hidden_state, second.last_hidden_state)
    assert torch.equal(first.pooler_output, second.pooler_output)
    assert not torch.allclose(first.pooler_output, moved.pooler_output)


def test_wrong_sizes_are_refused_in_sentences() -> None:
    net, text = parts(tiny_state(UNET), UNET)
    states, pooled = torch.zeros(1, 128, 32), torch.zeros(1, 128)
    with pytest.raises(NodeflowError, match=r"NF414.*multiples of 2"):
        net(torch.zeros(1, 3, 16, 15), 0, states, pooled)
    with pytest.raises(NodeflowError, match=r"NF414.*another model's text encoder"):
        net(torch.zeros(1, 3, 16, 16), 0, states[..., :8], pooled)
    with pytest.raises(NodeflowError, match=r"NF414.*reads 128"):
        text(torch.zeros(1, 77, dtype=torch.long), torch.ones(1, 77, dtype=torch.bool))
    with pytest.raises(NodeflowError, match=r"NF406.*num_head_channels"):
        model_class("Text2ImUNet").from_config({**UNET, "attention_resolutions": [1]})


class Seen(torch.nn.Module):
    """Shows what the denoiser that repaints is asked with."""

    config: ClassVar = {"in_channels": 7, "out_channels": 6}

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor, t: Tensor, states: Tensor, pooled: Tensor) -> Tensor:
        return x


def test_the_denoiser_that_repaints_sees_the_blanked_picture_and_where_it_stays() -> None:
    x, mask, blanked = torch.randn(1, 3, 2, 2), torch.tensor([[[[1.0, 0], [0, 1]]]]), torch.randn(1, 3, 2, 2)
    told = Conditioning(torch.zeros(1, 1, 1), torch.zeros(1, 1))
    seen = WAYS["Text2ImUNet"].ask(Seen(), Question(torch.cat([x, mask, blanked], 1), torch.tensor(3), told))
    assert torch.equal(seen, torch.cat([x, blanked, 1 - mask], 1))


@cache
def tokenizer(folder: Path = _TOKENIZERS / "gpt2", **config: int) -> Gpt2Tokenizer:
    return load_gpt2_tokenizer(TextEncoder("", "GlideTextModel", config, "", tokenizer=str(folder)))


@pytest.mark.parametrize(
    ("said", "ids"),
    [("hello world", [31373, 995]), ("Hello WORLD", [31373, 995]), ("", []), (" ", [220]), ("\ud800", [30])],
)
def test_bytes_and_pairs_have_the_numbers_of_gpt2(said: str, ids: list[int]) -> None:
    assert [token.id for token in tokenizer().read([Piece(said)])] == ids
    assert len(tokenizer()) == 50257 and tokenizer().pad_token_id == 50256


def test_a_prompt_in_pieces_reads_as_a_whole() -> None:
    read, whole = tokenizer().read([Piece("a "), Piece("red", 1.5), Piece(" hëart")]), [Piece("a red hëart")]
    assert [token.id for token in read] == [token.id for token in tokenizer().read(whole)]
    assert [token.weight for token in read][:3] == [1, 1.5, 1]


def test_a_tokenizer_that_is_missing_or_of_another_model(tmp_path: Path) -> None:
    with pytest.raises(NodeflowError, match=r"NF408.*missing"):
        tokenizer(tmp_path)
    with pytest.raises(NodeflowError, match=r"NF408.*50257 tokens, the text encoder 300"):
        tokenizer(n_vocab=300)
