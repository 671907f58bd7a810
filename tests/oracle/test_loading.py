"""Loading against the references: the same folder gives the same weights, outputs and ids."""

from __future__ import annotations

import pytest
import torch

from nodeflow.diffusion.checkpoints import open_model
from nodeflow.diffusion.checkpoints.load import load_weights
from nodeflow.diffusion.checkpoints.tokenizer import load_tokenizer
from nodeflow.diffusion.models import model_class

diffusers = pytest.importorskip("diffusers")
transformers = pytest.importorskip("transformers")


def theirs(handle, library, **options):
    variant = {"variant": handle.variant} if handle.variant else {}
    kind = getattr(library, handle.kind)
    return kind.from_pretrained(handle.folder, local_files_only=True, use_safetensors=True, **variant, **options).eval()


def assert_same_weights(ours, reference, root=""):
    expected = {root + name: tensor for name, tensor in reference.state_dict().items()}
    state = ours.state_dict()
    assert state.keys() == expected.keys()
    for name, tensor in state.items():
        assert torch.equal(tensor, expected[name].to(tensor.dtype)), name


@pytest.mark.parametrize(
    "kind", ["text_to_image", "inpaint", "fp16", "sharded", "unconditional", "unconditional_at_root"]
)
def test_denoisers_and_autoencoders_load_as_in_diffusers(tiny, kind):
    parts = open_model(str(tiny(kind)))
    for handle in (parts.denoiser, parts.autoencoder):
        if handle.folder:
            assert_same_weights(load_weights(handle), theirs(handle, diffusers))


def test_a_denoiser_loaded_from_shards_predicts_as_in_diffusers(tiny):
    handle = open_model(str(tiny("sharded"))).denoiser
    x, t, states = torch.randn(2, 4, 8, 8), torch.tensor([1, 700]), torch.randn(2, 77, 32)
    with torch.no_grad():
        expected = theirs(handle, diffusers)(x, t, states).sample
    assert torch.allclose(load_weights(handle)(x, t, states), expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["text_to_image", "fp16"])
def test_a_prompt_is_encoded_as_in_transformers(tiny, kind):
    handle = open_model(str(tiny(kind))).text_encoder
    tokenizer = transformers.CLIPTokenizer.from_pretrained(handle.tokenizer, local_files_only=True)
    ids = tokenizer("a red heart, isn't it?", padding="max_length", return_tensors="pt").input_ids
    ours = load_tokenizer(handle)
    own = ours.encode("a red heart, isn't it?")
    assert own + [ours.pad_token_id] * (77 - len(own)) == ids[0].tolist()
    with torch.no_grad():
        reference = theirs(handle, transformers, dtype=torch.float32)(ids, output_hidden_states=True)
    said = load_weights(handle)(ids)
    assert torch.allclose(said.last_hidden_state, reference.last_hidden_state, atol=1e-5)
    assert torch.allclose(said.pooler_output, reference.pooler_output, atol=1e-5)
    for a, b in zip(said.hidden_states, reference.hidden_states, strict=True):
        assert torch.allclose(a, b, atol=1e-5)


SMALL = {"vocab_size": 200, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3}
SMALL |= {"num_attention_heads": 4}
VARIANTS = {
    "SD 1": {"hidden_act": "quick_gelu", "eos_token_id": 2, "projection_dim": 24},
    "SD 2": {"hidden_act": "gelu", "eos_token_id": 199, "projection_dim": 16},
    "long": {"max_position_embeddings": 248, "eos_token_id": 199, "layer_norm_eps": 1e-3},
}


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("kind", ["CLIPTextModel", "CLIPTextModelWithProjection"])
@pytest.mark.parametrize("masked", [False, True])
def test_text_encoders_are_those_of_transformers(name, kind, masked):
    config = SMALL | VARIANTS[name]
    torch.manual_seed(0)
    reference = getattr(transformers, kind)(transformers.CLIPTextConfig(**config)).eval()
    with torch.no_grad():
        for tensor in reference.parameters():
            tensor.add_(torch.randn_like(tensor) * 0.05)
    ours = model_class(kind).from_config(reference.config.to_dict()).eval()
    ours.load(reference.state_dict())
    ids = torch.randint(3, 199, (3, 77))
    ids[0, 20:], ids[1, 76], ids[2, 5] = 199, 199, 199
    mask = torch.ones(3, 77, dtype=torch.long)
    mask[0, 21:] = 0
    mask = mask if masked else None
    with torch.no_grad():
        expected, said = reference(ids, mask, output_hidden_states=True), ours(ids, mask)
    for field in ("last_hidden_state", "pooler_output", "text_embeds"):
        if getattr(expected, field, None) is not None:
            assert torch.allclose(getattr(said, field), getattr(expected, field), atol=1e-5), field
    for a, b in zip(said.hidden_states, expected.hidden_states, strict=True):
        assert torch.allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("kind", ["CLIPTextModel", "CLIPTextModelWithProjection"])
def test_text_encoders_saved_by_transformers_load(tmp_path, kind):
    """Whatever names the installed version writes, with or without the root "text_model."."""
    from nodeflow.diffusion.checkpoints.identity import digest
    from nodeflow.values import TextEncoder

    reference = getattr(transformers, kind)(transformers.CLIPTextConfig(**SMALL)).eval()
    reference.save_pretrained(tmp_path)
    config = reference.config.to_dict()
    ours = load_weights(TextEncoder(str(tmp_path), kind, config, digest([tmp_path / "model.safetensors"])))
    root = "" if any(name.startswith("text_model.") for name in reference.state_dict()) else "text_model."
    assert_same_weights(ours, reference, root)


def test_text_encoders_that_are_not_ours_come_from_transformers(tmp_path):
    from nodeflow.diffusion.checkpoints.identity import digest
    from nodeflow.values import TextEncoder

    config = transformers.T5Config(vocab_size=50, d_model=16, d_kv=4, d_ff=32, num_layers=2, num_heads=4)
    reference = transformers.T5EncoderModel(config).eval()
    reference.save_pretrained(tmp_path)
    files = [tmp_path / "model.safetensors"]
    handle = TextEncoder(str(tmp_path), "T5EncoderModel", config.to_dict(), digest(files))
    ids = torch.randint(0, 50, (1, 9))
    with torch.no_grad():
        expected = reference(ids).last_hidden_state
    assert torch.allclose(load_weights(handle)(ids).last_hidden_state, expected, atol=1e-6)
