"""The Hub without the Hub: which files are wanted, what its cache gives, what is said when it cannot be reached."""

from __future__ import annotations

import shutil

import huggingface_hub
import pytest
from huggingface_hub import errors

from nodeflow.diffusion.checkpoints import hub, open_model
from nodeflow.errors import NodeflowError

SD15 = [
    ".gitattributes",
    "README.md",
    "model_index.json",
    "v1-5-pruned.safetensors",
    "v1-5-pruned.ckpt",
    "feature_extractor/preprocessor_config.json",
    "safety_checker/config.json",
    "safety_checker/model.safetensors",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder/model.fp16.safetensors",
    "text_encoder/model.safetensors",
    "text_encoder/pytorch_model.bin",
    "tokenizer/merges.txt",
    "tokenizer/vocab.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.bin",
    "unet/diffusion_pytorch_model.fp16.safetensors",
    "unet/diffusion_pytorch_model.safetensors",
    "unet/diffusion_pytorch_model.non_ema.safetensors",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
]


def test_only_what_is_needed_is_wanted():
    assert hub.wanted(SD15, "fp16") == sorted(
        [
            "model_index.json",
            "scheduler/scheduler_config.json",
            "text_encoder/config.json",
            "text_encoder/model.fp16.safetensors",
            "tokenizer/merges.txt",
            "tokenizer/vocab.json",
            "unet/config.json",
            "unet/diffusion_pytorch_model.fp16.safetensors",
            "vae/config.json",
            "vae/diffusion_pytorch_model.safetensors",
        ]
    )


def test_shards_are_wanted_with_their_index():
    stem = "unet/diffusion_pytorch_model"
    names = [
        f"{stem}.safetensors.index.json",
        f"{stem}-00001-of-00002.safetensors",
        f"{stem}-00002-of-00002.safetensors",
    ]
    assert hub.wanted([*names, "unet/config.json", f"{stem}-00001-of-00002.bin"]) == sorted(
        [*names, "unet/config.json"]
    )


def test_the_oldest_layout_is_wanted_from_the_root():
    names = [
        "config.json",
        "scheduler_config.json",
        "diffusion_pytorch_model.safetensors",
        "diffusion_pytorch_model.bin",
    ]
    assert hub.wanted(names) == sorted(names[:3])


def test_files_by_themselves_are_named():
    with pytest.raises(NodeflowError, match=r"NF404 .*get one with nodeflow models get org/xl/sd_xl.safetensors"):
        hub.wanted(["README.md", "sd_xl.safetensors"], repo="org/xl")


def test_pickles_are_never_wanted():
    with pytest.raises(NodeflowError, match="NF405"):
        hub.wanted(["config.json", "diffusion_pytorch_model.bin", "model.ckpt"])


def fault(repo: str, **options) -> NodeflowError:
    with pytest.raises(NodeflowError) as caught:
        open_model(repo, **options)
    return caught.value


def test_offline_says_that_nothing_is_here():
    error = fault("some-org/some-model")
    assert error.code == "NF401" and "some-org/some-model" in str(error) and "cannot be reached" in str(error)
    assert fault("some-org/some-model", download=False).code == "NF401"


@pytest.fixture
def cache(tiny, tmp_path, monkeypatch):
    """A Hub's cache with one repository in it; returns its snapshot."""
    commit = "0" * 40
    repo = tmp_path / "models--org--name"
    shutil.copytree(tiny("text_to_image"), repo / "snapshots" / commit)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    return repo / "snapshots" / commit


def test_what_is_in_the_cache_needs_no_network(cache):
    assert open_model("org/name").folder == cache


def test_offline_says_which_files_lack(cache):
    (cache / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    (cache / "unet" / "config.json").unlink()
    error = fault("org/name")
    assert error.code == "NF401"
    assert "vae" in str(error) and "config.json" in str(error) and "cannot be reached" in str(error)


def test_corrupt_files_in_the_cache_are_not_called_missing(cache):
    (cache / "unet" / "config.json").write_text("{")
    assert fault("org/name").code == "NF402"


@pytest.mark.parametrize(
    ("error", "words"), [(errors.GatedRepoError, "licence"), (errors.RepositoryNotFoundError, "check the name")]
)
def test_refusals_of_the_hub_say_what_to_do(monkeypatch, error, words):
    def refuse(*_, **__):
        raise error.__new__(error)

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", refuse)
    assert words in str(fault("org/other"))
