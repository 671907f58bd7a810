"""Models written into one file, as their makers do: the same names, and every weight read back to the bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from nodeflow.diffusion.checkpoints.handles import ModelParts, open_model
from nodeflow.diffusion.checkpoints.load import load_weights
from nodeflow.diffusion.checkpoints.write_single import save_single
from nodeflow.errors import NodeflowError
from nodeflow.values import SchedulerConfig
from tests import singles

NAMES = [name for name in singles.MODELS if name != "stable-audio"]
SPARE = ("model_ema.", "logit_scale", "position_ids", "encoder.embed_tokens.")


def write(path: Path, parts: ModelParts, **options) -> Path:
    assert parts.text_encoder is not None
    save_single(path, parts.denoiser, parts.scheduler, parts.autoencoder, parts.text_encoder, **options)
    return path


def needed(name: str) -> bool:
    return not any(piece in name for piece in SPARE)


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_written_as_one_file_is_what_its_makers_write(name: str, tmp_path: Path) -> None:
    parts = open_model(str(singles.write_folder(tmp_path / "folder", name)))
    file = write(tmp_path / "one.safetensors", parts, dtype="float32", metadata={"nodeflow": "{}"})
    made, known = load_file(file), {k: t for k, t in singles.original(name).items() if needed(k)}
    skipped = ("cond_stage_model.model.text_projection", ".resblocks.2.", "clip_l.transformer.text_projection")
    made, known = ({key: tensor for key, tensor in one.items() if not any(piece in key for piece in skipped)}
                   for one in (made, known))  # fmt: skip
    assert made.keys() ^ known.keys() == ({"v_pred"} if name == "sd2" else set())
    assert all(torch.equal(made[key], tensor) for key, tensor in known.items())
    again = open_model(str(file))
    assert again.family == parts.family and again.scheduler.config.get("prediction_type") == parts.scheduler.config.get(
        "prediction_type", again.scheduler.config.get("prediction_type")
    )
    for one, other in zip(parts.networks, again.networks, strict=True):
        first, second = load_weights(one).state_dict(), load_weights(other).state_dict()
        assert first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)
    with safe_open(file, "pt") as opened:
        assert opened.metadata()["nodeflow"] == "{}"


@pytest.fixture(scope="module")
def sdxl(tmp_path_factory: pytest.TempPathFactory) -> ModelParts:
    return open_model(str(singles.write_folder(tmp_path_factory.mktemp("xl") / "folder", "sdxl")))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_number_formats(sdxl: ModelParts, dtype: str, tmp_path: Path) -> None:
    made = load_file(write(tmp_path / "one.safetensors", sdxl, dtype=dtype))
    assert {tensor.dtype for tensor in made.values()} == {getattr(torch, dtype)}


def test_a_velocity_is_written_down(sdxl: ModelParts, tmp_path: Path) -> None:
    config = {**sdxl.scheduler.config, "prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
    file = write(tmp_path / "v.safetensors", replace(sdxl, scheduler=SchedulerConfig(config)))
    read = open_model(str(file)).scheduler.config
    assert read["prediction_type"] == "v_prediction" and read["rescale_betas_zero_snr"]


def test_a_name_that_is_taken(sdxl: ModelParts, tmp_path: Path) -> None:
    file = tmp_path / "one.safetensors"
    file.write_bytes(b"mine")
    with pytest.raises(NodeflowError, match=r"NF108.*let it be replaced"):
        write(file, sdxl)
    assert file.read_bytes() == b"mine"
    assert open_model(str(write(file, sdxl, overwrite=True))).family == "sdxl"


def test_what_a_file_cannot_say_is_refused_and_nothing_is_written(sdxl: ModelParts, tiny, tmp_path: Path) -> None:
    file = tmp_path / "one.safetensors"
    config = {**sdxl.scheduler.config, "prediction_type": "sample"}
    with pytest.raises(NodeflowError, match=r"NF406.*it predicts sample"):
        write(file, replace(sdxl, scheduler=SchedulerConfig(config)))
    with pytest.raises(NodeflowError, match=r"NF406.*attention_head_dim of the UNet2DConditionModel"):
        write(file, open_model(str(tiny("text_to_image"))))
    with pytest.raises(NodeflowError, match=r"NF406.*save it as a folder; one file is for sd1"):
        write(file, replace(sdxl, denoiser=replace(sdxl.denoiser, family="dit")))
    assert not list(tmp_path.iterdir())
