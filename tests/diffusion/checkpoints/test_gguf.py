"""GGUF files: headers against hostile bytes, blocks against the `gguf` package, and a network that runs from one."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeflow.diffusion.checkpoints.gguf import BLOCKS
from nodeflow.diffusion.checkpoints.headers import read_header
from nodeflow.diffusion.checkpoints.load import load_weights, weight_bytes
from nodeflow.diffusion.checkpoints.reading import read_tensors
from nodeflow.diffusion.models import ggml, model_class
from nodeflow.diffusion.models.stored import Stored
from nodeflow.errors import NodeflowError
from nodeflow.values import Denoiser
from tests import originals

gguf = pytest.importorskip("gguf")


@pytest.mark.parametrize("form", ggml.EXPAND)
def test_blocks_expand_to_the_numbers_of_the_reference(form: str) -> None:
    numbers, width = BLOCKS[form]
    generator = np.random.default_rng(0)
    data = generator.integers(0, 256, (64, width), dtype=np.uint8)
    for start in _HALVES.get(form, (0,)):
        data[:, start + 1] &= 0b10111011  # finite scales
    expected = gguf.quants.dequantize(data, gguf.GGMLQuantizationType[form])
    got = ggml.expand(torch.from_numpy(data), form, (64, numbers))
    torch.testing.assert_close(got, torch.from_numpy(expected), rtol=1e-6, atol=0)


_HALVES = {"Q4_1": (0, 2), "Q5_1": (0, 2), "Q2_K": (80, 82), "Q3_K": (108,), "Q4_K": (0, 2), "Q5_K": (0, 2),
           "Q6_K": (208,)}  # fmt: skip
"""Where the float16 scales of a block stand."""


def write(path: Path, tensors: dict[str, tuple[torch.Tensor, str]]) -> None:
    writer = gguf.GGUFWriter(path, "flux")
    writer.add_array("some.words", ["a", "b"])
    writer.add_uint32("some.number", 7)
    for name, (tensor, form) in tensors.items():
        kind = gguf.GGMLQuantizationType[form]
        data = tensor.float().numpy()
        if form == "F32":
            writer.add_tensor(name, data)
        else:
            writer.add_tensor(name, gguf.quants.quantize(data, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


CONFIG: dict[str, Any] = {
    "patch_size": 1, "in_channels": 64, "num_layers": 1, "num_single_layers": 1, "attention_head_dim": 128,
    "num_attention_heads": 2, "joint_attention_dim": 64, "pooled_projection_dim": 32, "guidance_embeds": False,
    "axes_dims_rope": [16, 56, 56],
}  # fmt: skip


@pytest.fixture(scope="module")
def flux(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, torch.Tensor]]:
    """A small Flux, its matrices in 8 and 5 bits, under the names of its makers."""
    torch.manual_seed(0)
    state = dict(model_class("FluxTransformer2DModel").from_config(CONFIG).state_dict())
    original = originals.flux(state)
    path = tmp_path_factory.mktemp("gguf") / "flux.gguf"
    form = {True: "Q8_0", False: "F32"}
    write(path, {name: (tensor, "Q5_0" if "mlp" in name and tensor.ndim == 2 else form[tensor.ndim == 2])
                 for name, tensor in original.items()})  # fmt: skip
    return path, state


def test_the_header_has_names_shapes_and_entries(flux: tuple[Path, dict[str, torch.Tensor]]) -> None:
    header = read_header(flux[0])
    original = originals.flux(flux[1])
    assert {name: info.shape for name, info in header.tensors.items()} == {
        name: tuple(tensor.shape) for name, tensor in original.items()
    }
    assert header.metadata["some.number"] == "7"
    assert header.metadata["general.architecture"] == "flux"


def test_a_network_runs_from_stored_blocks(flux: tuple[Path, dict[str, torch.Tensor]]) -> None:
    from nodeflow.diffusion.checkpoints.identity import part_digest
    from nodeflow.diffusion.checkpoints.single import read_single

    path, state = flux
    with pytest.raises(NodeflowError, match=r"this is the denoiser of Flux.1 alone"):
        read_single([path])
    digest = part_digest([path], "flux@")
    handle = Denoiser(str(path), "FluxTransformer2DModel", CONFIG, digest, part="flux@")
    net: Any = load_weights(handle)
    layer = net.single_transformer_blocks[0].attn.to_k
    assert layer.weight_data.dtype == torch.uint8
    assert weight_bytes(handle) < 0.35 * sum(tensor.nbytes for tensor in state.values())
    got = net.state_dict()
    errors = {name: float((got[name] - state[name]).abs().max() / state[name].abs().max()) for name in state}
    assert max(errors.values()) < 0.07  # a half step of 5 bits, at the end of the range a whole one
    plain = model_class("FluxTransformer2DModel").from_config(CONFIG).eval()
    plain.load_state_dict(got)
    inputs = {
        "hidden_states": torch.randn(1, 16, 64), "encoder_hidden_states": torch.randn(1, 3, 64),
        "pooled_projections": torch.randn(1, 32), "timestep": torch.tensor([0.5]), "img_ids": torch.zeros(16, 3),
        "txt_ids": torch.zeros(3, 3),
    }  # fmt: skip
    with torch.no_grad():
        torch.testing.assert_close(net(**inputs), plain(**inputs))


def test_stored_tensors_stay_in_the_file(flux: tuple[Path, dict[str, torch.Tensor]]) -> None:
    state = read_tensors((flux[0],), "cpu", torch.float32, "flux@")
    query, key = (state[f"single_transformer_blocks.0.attn.to_{name}.weight"] for name in "qk")
    assert isinstance(query, Stored)
    assert isinstance(key, Stored)
    assert key.data.data_ptr() - query.data.data_ptr() == query.data.nbytes
    assert query.shape == (256, 256)


# -- hostile files -----------------------------------------------------------------------------------------------------


def head(tensors: int, entries: int, rest: bytes = b"", version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, entries) + rest


def text(words: str) -> bytes:
    return struct.pack("<Q", len(words.encode())) + words.encode()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (head(1 << 40, 0), "NF403"),
        (head(0, 1 << 40), "NF403"),
        (head(0, 0, version=9), "NF403"),
        (head(0, 1, struct.pack("<Q", 1 << 62)), "NF402"),
        (head(0, 1, text("a") + struct.pack("<IIQ", 9, 4, 1 << 61)), "NF402"),
        (head(0, 1, text("a") + struct.pack("<IIQ", 9, 8, 1 << 61)), "NF402"),
        (head(0, 1, text("a") + struct.pack("<IIQ", 9, 9, 1)), "NF402"),
        (head(0, 1, text("a") + struct.pack("<I", 77)), "NF402"),
        (head(0, 1, text("general.alignment") + struct.pack("<II", 4, 0)), "NF402"),
        (head(1, 0, text("w") + struct.pack("<I", 99)), "NF402"),
        (head(1, 0, text("w") + struct.pack("<IQQIQ", 2, 1 << 40, 1 << 20, 0, 0)), "NF402"),
        (head(1, 0, text("w") + struct.pack("<IQIQ", 1, 32, 4, 0)), "NF412"),
        (head(1, 0, text("w") + struct.pack("<IQIQ", 1, 31, 8, 0) + bytes(64)), "NF402"),
        (head(2, 0, (text("w") + struct.pack("<IQIQ", 1, 4, 0, 0)) * 2 + bytes(64)), "NF402"),
    ],
)
def test_hostile_headers_are_refused(tmp_path: Path, data: bytes, code: str) -> None:
    (tmp_path / "x.gguf").write_bytes(data)
    with pytest.raises(NodeflowError, match=code):
        read_header(tmp_path / "x.gguf")


def test_a_cut_file_is_refused_wherever_it_is_cut(flux: tuple[Path, dict[str, torch.Tensor]], tmp_path: Path) -> None:
    data = flux[0].read_bytes()
    path = tmp_path / "cut.gguf"
    for end in (*range(4, 2000, 97), len(data) // 2, len(data) - 40_000):
        path.write_bytes(data[:end])
        with pytest.raises(NodeflowError, match="NF402"):
            read_header(path)


@settings(max_examples=60, deadline=None)
@given(place=st.integers(4, 1500), value=st.integers(0, 255))
def test_a_changed_byte_is_harmless(
    flux: tuple[Path, dict[str, torch.Tensor]], tmp_path_factory: pytest.TempPathFactory, place: int, value: int
) -> None:
    data = bytearray(flux[0].read_bytes()[:60_000])
    data[place] = value
    path = tmp_path_factory.mktemp("bytes") / "x.gguf"
    path.write_bytes(data)
    try:
        read_header(path)
    except NodeflowError as error:
        assert error.code in ("NF402", "NF403", "NF412")
