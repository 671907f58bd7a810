"""Pictures as prompts on wires: what check knows of them, what is kept, and whole runs with a tiny model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from picturing import SDXL, write_adapter, write_eye
from safetensors.torch import load_file, save_file

import nodeflow
from nodeflow import NodeflowError, content
from nodeflow.diffusion.checkpoints import unpickle
from nodeflow.engine import Engine
from nodeflow.execution import Cache
from nodeflow.flow import Flow
from nodeflow.graph.check import check
from nodeflow.models import open_image_encoder, open_ip_adapter
from nodeflow.packing import deserialise, serialise
from nodeflow.packs import default_library
from nodeflow.values import Image

GRAPH = content.folder("graphs") / "picture-prompt.json"


@pytest.fixture(scope="module")
def files(tmp_path_factory: Any) -> Path:
    folder = tmp_path_factory.mktemp("adapters")
    write_eye(folder / "eye")
    write_adapter(folder / "plain.safetensors")
    write_adapter(folder / "plus.safetensors", plus=True)
    write_adapter(folder / "sdxl.safetensors", SDXL)
    Image(torch.rand(1, 3, 20, 16, generator=torch.Generator().manual_seed(1))).save(folder / "picture.png")
    return folder


@pytest.fixture
def flow(files: Path, tiny: Any) -> Flow:
    flow = nodeflow.load(GRAPH, engine=Engine(results=Cache(folder=None)))
    nodes = flow.graph.nodes
    nodes["load"].values["model"] = str(tiny("text_to_image"))
    nodes["picture"].values["path"] = str(files / "picture.png")
    nodes["encoder"].values["encoder"] = str(files / "eye")
    nodes["adapter"].values["adapter"] = str(files / "plain.safetensors")
    nodes["schedule"].values["steps"] = 3
    return flow


def test_the_template_paints_after_a_picture(flow: Flow, files: Path) -> None:
    assert not check(flow.graph, default_library())
    some, none, all_of_it = (flow(strength=strength).image.data for strength in (0.8, 0.0, 2.0))
    plus = flow(adapter=str(files / "plus.safetensors")).image.data
    assert (
        (some - none).abs().max() > 1e-3 and (some - all_of_it).abs().max() > 1e-3 and (some - plus).abs().max() > 1e-3
    )


def test_no_strength_changes_nothing(flow: Flow) -> None:
    found = flow(strength=0.0).image.data
    flow.graph.nodes["denoise"].wires["model"] = "load.denoiser"
    assert torch.equal(flow().image.data, found)


def test_outside_its_steps_it_changes_nothing(flow: Flow) -> None:
    flow.graph.nodes["prompt"].values |= {"start": 0.4, "end": 0.5}  # between the second step's beginning and its end
    found = flow().image.data
    assert torch.equal(flow(strength=0.0).image.data, found)


def test_a_picture_is_looked_at_once(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    from nodeflow.diffusion import seeing

    looks: list[int] = []
    really = seeing.look
    monkeypatch.setattr(seeing, "look", lambda *given: looks.append(1) or really(*given))
    for strength in (0.3, 0.6):
        flow(strength=strength)
    assert len(looks) == 1


def fault(flow: Flow, **values: Any) -> Any:
    for name, value in values.items():
        node, key = {"adapter": ("adapter", "adapter"), "encoder": ("encoder", "encoder")}.get(name, ("prompt", name))
        flow.graph.nodes[node].values[key] = value
    (found,) = check(flow.graph, default_library())
    return found


def test_check_refuses_an_adapter_of_another_family(flow: Flow, files: Path) -> None:
    found = fault(flow, adapter=str(files / "sdxl.safetensors"))
    assert found.code == "NF211" and "56 wide" in found.what and "sd1" in found.what and "32" in found.fix


def test_check_refuses_another_image_encoder(flow: Flow, files: Path, tmp_path: Path) -> None:
    found = fault(flow, encoder=str(write_eye(tmp_path, projection_dim=28)))
    assert found.code == "NF211" and "20 wide" in found.what and "28" in found.what and "trained with" in found.fix


def test_check_names_the_published_encoder(flow: Flow, tmp_path: Path) -> None:
    found = fault(flow, adapter=str(write_adapter(tmp_path / "h.safetensors", plus=True, image=1280)))
    assert found.code == "NF211" and "ViT-H" in found.fix


@pytest.mark.parametrize("values", [{"start": 0.5, "end": 0.5}, {"blocks": "mid_block = much"}])
def test_check_refuses_what_means_nothing(flow: Flow, values: dict[str, Any]) -> None:
    assert fault(flow, **values).code in ("NF410", "NF205")


def test_files_of_other_kinds_are_refused(tiny: Any, files: Path, tmp_path: Path) -> None:
    lora = tmp_path / "lora.safetensors"
    save_file({"lora_unet_x.lora_down.weight": torch.zeros(2, 3)}, lora)
    with pytest.raises(NodeflowError, match=r"NF404.*a LoRA.*not an IP-Adapter"):
        open_ip_adapter(str(lora))
    with pytest.raises(NodeflowError, match=r"NF404.*an IP-Adapter.*not an image encoder"):
        open_image_encoder(str(files / "plain.safetensors"))
    with pytest.raises(NodeflowError, match=r"NF404.*CLIPTextModel"):
        open_image_encoder(str(tiny("text_to_image") / "text_encoder"))


def test_adapters_of_faces_are_refused(files: Path, tmp_path: Path) -> None:
    state = load_file(files / "plain.safetensors")
    face = {name.replace("image_proj.proj.", "image_proj.proj.0."): tensor for name, tensor in state.items()}
    save_file(face, tmp_path / "face.safetensors")
    with pytest.raises(NodeflowError, match=r"NF406.*faces"):
        open_ip_adapter(str(tmp_path / "face.safetensors"))


def test_a_pickle_is_converted_on_purpose(files: Path, tmp_path: Path) -> None:
    nested: dict[str, dict[str, torch.Tensor]] = {"image_proj": {}, "ip_adapter": {}}
    state = load_file(files / "plus.safetensors")
    for name, tensor in state.items():
        head, _, rest = name.partition(".")
        nested[head][rest] = tensor
    torch.save(nested, tmp_path / "ip-adapter.bin")
    with pytest.raises(NodeflowError, match="NF405"):
        open_ip_adapter(str(tmp_path / "ip-adapter.bin"))
    assert unpickle._tensors(nested).keys() == state.keys()  # what the converting process writes


def test_published_adapters_are_what_their_shapes_say() -> None:
    """The shapes of ip-adapter_sd15."""
    from nodeflow.diffusion.checkpoints.originals.alone import ip_adapter

    layers = [320] * 4 + [640] * 4 + [1280] * 8
    shapes = {f"ip_adapter.{2 * i + 1}.to_k_ip.weight": (width, 768) for i, width in enumerate(layers)}
    shapes |= {"image_proj.proj.weight": (3072, 1024), "image_proj.norm.weight": (768,)}
    assert ip_adapter(shapes) == {"reads": "pooled", "image_width": 1024, "width": 768, "tokens": 4, "layers": layers}


def test_a_prompted_model_can_be_stored(files: Path, tiny: Any) -> None:
    from nodeflow.diffusion.checkpoints import open_model
    from nodeflow.values import ImageStates

    library = default_library()
    states = ImageStates(torch.rand(1, 20), torch.rand(1, 17, 32), torch.rand(1, 17, 32))
    adapter = open_ip_adapter(str(files / "plain.safetensors"))
    denoiser = open_model(str(tiny("text_to_image"))).denoiser
    model = library.type("control/apply-ip-adapter").function(
        denoiser, adapter, states, 0.5, 0.0, 1.0, "mid_block = 0.3"
    )
    again = deserialise(serialise(model)).controls[0]
    assert torch.equal(again.picture.states, states.states)
    assert again.network == adapter and again.blocks == {"mid_block": 0.3} and again.strength == 0.5
