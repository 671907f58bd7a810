"""The ancestors, DiT and the first latent diffusion, beside the reference: networks, and whole runs."""

from __future__ import annotations

from pathlib import Path

import diffusers
import pytest
import torch
from diffusers.pipelines.latent_diffusion.pipeline_latent_diffusion import LDMBertConfig, LDMBertModel
from oracle.whole import GUIDANCE, PROMPT, SEED, STEPS, Model, agree, generator
from tiny import PIXEL_UNET, SD_SCHEDULER, UNET, VAE
from transformers import BertTokenizer

import nodeflow
from nodeflow.diffusion import schedulers
from nodeflow.diffusion.calling import completed
from nodeflow.diffusion.guidance import network, unguided
from nodeflow.diffusion.latents import empty, to_image, to_upscale
from nodeflow.diffusion.models import model_class
from nodeflow.diffusion.sampling import sample
from nodeflow.engine import Engine
from nodeflow.errors import NodeflowError
from nodeflow.execution import Cache
from nodeflow.values import Conditioning, Image

DDIM = {key: value for key, value in SD_SCHEDULER.items() if key not in ("_class_name", "skip_prk_steps")}
BERT = {
    "vocab_size": 40, "d_model": 32, "encoder_layers": 2, "encoder_ffn_dim": 48, "encoder_attention_heads": 3,
    "head_dim": 8,
}  # fmt: skip
VQ = {key: value for key, value in VAE.items() if key != "_class_name"} | {
    "latent_channels": 3, "num_vq_embeddings": 20, "block_out_channels": [8, 16],
}  # fmt: skip


def shaken(net):
    """A reference network with none of its weights at its trivial initial value."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return net.eval()


def ours(name: str, reference):
    with torch.device("meta"):
        net = model_class(name).from_config(
            dict(reference.config.to_dict() if name == "LDMBertModel" else reference.config)
        )
    return net.load(reference.state_dict()).eval()


def vae():
    config = {key: value for key, value in VAE.items() if key != "_class_name"}
    return shaken(diffusers.AutoencoderKL(**config))


GRAPHS = Path(__file__).parents[2] / "graphs"
NUMBERS = {"positive": 7, "negative": 1000}


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(results=Cache(folder=None))


@pytest.fixture(scope="module")
def dit(tmp_path_factory) -> Model:
    torch.manual_seed(0)
    small = {"attention_head_dim": 8, "num_attention_heads": 2, "num_layers": 2, "sample_size": 8, "out_channels": 8}
    net = shaken(diffusers.DiTTransformer2DModel(**small))
    folder = tmp_path_factory.mktemp("dit")
    diffusers.DiTPipeline(net, vae(), diffusers.DDIMScheduler(**DDIM)).save_pretrained(folder)
    return Model.load(str(folder))


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> Model:
    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("ldm")
    words = "[PAD] [UNK] [CLS] [SEP] [MASK] a photo of red heart happy face , ##s ##d sad".split()  # noqa: SIM905
    (folder / "vocab.txt").write_text("\n".join(words))
    tokenizer = BertTokenizer(str(folder / "vocab.txt"), model_max_length=77)
    bert = shaken(LDMBertModel(LDMBertConfig(**BERT)))
    unet = shaken(diffusers.UNet2DConditionModel(**{k: v for k, v in UNET.items() if k != "_class_name"}))
    scheduler = diffusers.DDIMScheduler(**DDIM)
    diffusers.LDMTextToImagePipeline(vae(), bert, tokenizer, unet, scheduler).save_pretrained(folder)
    return Model.load(str(folder))


@pytest.fixture(scope="module")
def larger(tmp_path_factory) -> Model:
    torch.manual_seed(4)
    folder = tmp_path_factory.mktemp("larger")
    config = {key: value for key, value in PIXEL_UNET.items() if key != "_class_name"} | {"in_channels": 6}
    unet, book = shaken(diffusers.UNet2DModel(**config)), shaken(diffusers.VQModel(**VQ))
    diffusers.LDMSuperResolutionPipeline(book, unet, diffusers.DDIMScheduler(**DDIM)).save_pretrained(folder)
    return Model.load(str(folder))


def drawn(model: Model, prompts: dict[str, Conditioning], **size: int) -> torch.Tensor:
    latent = empty(model.space, size.get("width", 16), size.get("height", 16))
    noise = schedulers.Noise(generator())
    done = sample(model.denoise(latent, prompts=prompts), latent, model.solver("DDIMScheduler", {}), noise)
    return to_image(model.vae, done.latent).data


def test_dit_paints_as_the_reference(dit: Model) -> None:
    assert (dit.parts.denoiser.family, dit.parts.denoiser.size) == ("dit", (16, 16))
    pipe = diffusers.DiTPipeline.from_pretrained(dit.folder)
    pipe.set_progress_bar_config(disable=True)
    call = {"generator": generator(), "num_inference_steps": STEPS, "output_type": "pt"}
    expected = pipe(class_labels=[3], guidance_scale=GUIDANCE, **call).images
    nothing = torch.zeros(1, 0, 0)
    told = {"positive": Conditioning(nothing, labels=torch.tensor([3]))}
    told["negative"] = Conditioning(nothing, labels=torch.tensor([1000]))
    agree(drawn(dit, told), expected)


def test_the_graph_of_classes_paints_the_same(dit: Model, engine: Engine) -> None:
    told = {name: Conditioning(torch.zeros(1, 0, 0), labels=torch.tensor([n])) for name, n in NUMBERS.items()}
    given = {"class": 7, "guidance": GUIDANCE, "seed": SEED, "steps": STEPS, "scheduler": "DDIMScheduler"}
    found = nodeflow.load(GRAPHS / "class-to-image.json", engine=engine)(model=dit.folder, **given).image
    agree(found.data, drawn(dit, told))


def test_dit_wants_a_class(dit: Model) -> None:
    with pytest.raises(NodeflowError, match=r"NF414.*Class"):
        drawn(dit, {name: Conditioning(torch.zeros(1, 2, 3)) for name in ("positive", "negative")})


@pytest.mark.parametrize("said", ["", PROMPT, "A RED  héart, reds sads unknown"])
def test_the_first_text_encoder_reads_as_the_reference(first: Model, said: str) -> None:
    pipe = first.pipeline("LDMTextToImagePipeline", "DDIMScheduler", {})
    ids = pipe.tokenizer([said], padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids
    with torch.no_grad():
        expected = pipe.bert(ids)[0]
    found = first.encode(said).states
    assert found.shape == expected.shape and (found - expected).abs().max() <= 1e-5


@pytest.mark.parametrize("size", [(16, 16), (16, 24)])
def test_the_first_latent_diffusion_paints_as_the_reference(first: Model, size: tuple[int, int]) -> None:
    assert first.parts.denoiser.family == "ldm-text"
    pipe = first.pipeline("LDMTextToImagePipeline", "DDIMScheduler", {})
    call = {"generator": generator(), "num_inference_steps": STEPS, "output_type": "pt", "guidance_scale": GUIDANCE}
    expected = pipe(PROMPT, height=size[0] * 4, width=size[1] * 4, **call).images
    prompts = {"positive": first.encode(PROMPT), "negative": first.encode("")}
    agree(drawn(first, prompts, height=size[0], width=size[1]), expected)


def test_the_published_first_text_encoder_has_the_published_parameters() -> None:
    with torch.device("meta"):
        found, expected = model_class("LDMBertModel").from_config({}), LDMBertModel(LDMBertConfig())
    shapes = [{name: tensor.shape for name, tensor in net.state_dict().items()} for net in (found, expected)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("change", [{}, {"vq_embed_dim": 5}, {"mid_block_add_attention": False}])
def test_the_autoencoder_of_words_equals_the_reference(change: dict) -> None:
    torch.manual_seed(2)
    reference = shaken(diffusers.VQModel(**(VQ | change)))
    found = ours("VQModel", reference)
    x = torch.rand(2, 3, 16, 24) * 2 - 1
    with torch.no_grad():
        z = reference.encode(x).latents
        torch.testing.assert_close(found.encode(x).mode(), z, rtol=0, atol=1e-5)
        torch.testing.assert_close(found.decode(z), reference.decode(z).sample, rtol=0, atol=1e-5)
        assert found.quantize(z).flatten(2).unique(dim=2).shape[2] > 1


def test_rounding_to_words_is_idempotent() -> None:
    torch.manual_seed(3)
    book = ours("VQModel", shaken(diffusers.VQModel(**VQ))).quantize
    once = book(torch.randn(1, 3, 6, 6))
    assert torch.equal(book(once), once)


def test_a_picture_is_enlarged_as_by_the_reference(larger: Model) -> None:
    assert (larger.parts.denoiser.family, larger.parts.denoiser.task) == ("ldm-upscale", "upscale")
    picture = Image(torch.rand(1, 3, 16, 32, generator=generator(1)))
    pipe = diffusers.LDMSuperResolutionPipeline.from_pretrained(larger.folder)
    pipe.set_progress_bar_config(disable=True)
    call = {"generator": generator(), "num_inference_steps": STEPS, "output_type": "pt"}
    expected = pipe(2 * picture.data - 1, **call).images
    latent = to_upscale(picture, larger.space)
    net = unguided(network(larger.net), completed(larger.net, {"positive": None}, latent)["positive"])
    done = sample(net, latent, larger.solver("DDIMScheduler", {}), schedulers.Noise(generator()), in_channels=6)
    found = to_image(larger.vae, done.latent).data
    assert found.shape == (1, 3, 32, 64)
    agree(found, expected)


def test_the_graph_of_upscaling_enlarges(larger: Model, engine: Engine, tmp_path: Path) -> None:
    path = Image(torch.rand(1, 3, 16, 16, generator=generator(1))).save(tmp_path / "small.png")[0]
    flow = nodeflow.load(GRAPHS / "super-resolution.json", engine=engine)
    found = flow(model=larger.folder, image=str(path), seed=1, steps=2).image
    assert found.size == (32, 32) and found.data.isfinite().all()
    with pytest.raises(NodeflowError, match=r"NF211.*Encode image for upscaling"):
        nodeflow.load(GRAPHS / "unconditional.json", engine=engine)(model=larger.folder, seed=1, steps=2)
