"""Downloads from a Hub on this machine: only what is needed, compared with its hashes, going on where they stopped."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nodeflow.cli.app import run_app
from nodeflow.diffusion.checkpoints import hub, open_model
from nodeflow.errors import NodeflowError
from tests.fake_hub import FakeHub, fake_hub

UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def served(tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    folder = tiny.copy("unconditional", tmp_path)
    (folder / "README.md").write_text("# A model")
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"\x80\x02")
    half = folder / UNET.replace(".safetensors", ".fp16.safetensors")
    half.write_bytes((folder / UNET).read_bytes()[:-1] + b"!")
    with fake_hub(folder, monkeypatch, tmp_path / "cache") as hub:
        yield hub


def left(tmp_path: Path) -> list[str]:
    """The files of the repository that are in the cache."""
    snapshots = tmp_path / "cache" / "models--org--name" / "snapshots"
    return sorted(path.relative_to(next(snapshots.iterdir())).as_posix() for path in snapshots.rglob("*.*"))


def test_only_what_is_needed_comes(served: FakeHub, tmp_path: Path) -> None:
    path, count = hub.get("org/name")
    assert open_model(str(path)).family == "pixels"
    assert left(tmp_path) == [
        "model_index.json", "scheduler/scheduler_config.json", "unet/config.json", UNET
    ]  # fmt: skip
    assert count == 4
    before = len(served.asked)
    assert hub.get("org/name") == (path, 4)
    assert len(served.asked) == before
    hub.get("org/name", "fp16")
    assert [name for name, _ in served.asked[before:]] == [UNET.replace(".safetensors", ".fp16.safetensors")]


def test_a_file_that_is_not_what_the_hub_says_is_removed(served: FakeHub, tmp_path: Path) -> None:
    good = (served.folder / UNET).read_bytes()
    served.wrong = {UNET: good[:-1] + bytes([good[-1] ^ 1])}
    with pytest.raises(NodeflowError, match=f"NF402 org/name/{UNET}: the file is not what the Hub says"):
        open_model("org/name")
    assert not list(tmp_path.rglob("*.part"))
    served.wrong = {}
    assert open_model("org/name").denoiser.kind == "UNet2DModel"
    blob = (next((tmp_path / "cache").rglob("snapshots/*")) / UNET).resolve()
    blob.write_bytes(good[:-1] + b"!")
    with pytest.raises(NodeflowError, match="was removed; run it again"):
        hub.get("org/name")
    hub.get("org/name")
    assert open_model("org/name").family == "pixels"


def test_a_download_that_broke_off_goes_on_where_it_stopped(served: FakeHub) -> None:
    served.cut = {UNET: 200_000}
    hub.get("org/name")  # the client itself goes on as long as something comes
    ranges = [asked for name, asked in served.asked if name == UNET]
    assert ranges[:3] == ["", "bytes=199680-", "bytes=399360-"]  # whole pieces of 1024


def test_a_line_that_stays_dead_is_one_sentence(served: FakeHub) -> None:
    served.cut, served.pieces = {UNET: 4096}, 2
    with pytest.raises(NodeflowError, match=r"the download broke off \(\w+\); run it again: it goes on"):
        hub.get("org/name")
    served.cut, served.asked = {}, []
    path, _ = hub.get("org/name")
    assert [asked for name, asked in served.asked if name == UNET] == ["bytes=8192-"]
    assert open_model(str(path)).family == "pixels"


@pytest.mark.parametrize(
    ("code", "words"), [("GatedRepo", "accept a licence first"), ("RepoNotFound", "check the name")]
)
def test_refusals_are_one_sentence(served: FakeHub, code: str, words: str) -> None:
    served.refused = code
    with pytest.raises(NodeflowError, match=words):
        hub.get("org/name")


def test_a_full_disk_is_said_before_anything_comes(served: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(NodeflowError, match=r"NF108 .*the model needs .* GB more, and the disk has 0\.0 GB free"):
        hub.get("org/name")
    assert served.asked == []


def test_a_folder_or_a_file_alone_may_be_asked_for(served: FakeHub, tmp_path: Path) -> None:
    path, count = hub.get(f"https://huggingface.co/org/name/blob/main/{UNET}?download=true")
    assert (path.name, count, left(tmp_path)) == ("diffusion_pytorch_model.safetensors", 1, [UNET])
    path, count = hub.get("org/name/unet", "fp16")
    assert (path.name, count) == ("unet", 2)
    with pytest.raises(NodeflowError, match=f"has no 'vae'; it has .*{UNET}"):
        hub.get("org/name/vae")
    with pytest.raises(NodeflowError, match="NF405"):
        hub.get("org/name/unet/diffusion_pytorch_model.bin")
    for name in ("", "name", "org/..", "a b/c", "../../etc/passwd"):
        with pytest.raises(NodeflowError, match="NF401"):
            hub.get(name)


def test_the_command_says_what_came(served: FakeHub, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run_app(["models", "get", "org/name"])
    assert ended.value.code == 0
    assert "a model of the family pixels, complete; 4 files verified" in capsys.readouterr().out


def test_offline_is_said(served: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(NodeflowError, match="HF_HUB_OFFLINE is set"):
        hub.get("org/name")
