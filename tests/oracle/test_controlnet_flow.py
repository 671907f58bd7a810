"""Control networks of Flux and Stable Diffusion 3 against the reference: outputs, whole runs through the template."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tiny_flows
import torch
from oracle.test_pipelines_flow import FLOW, SIDES, certain
from oracle.whole import GUIDANCE, NEGATIVE, PROMPT, SEED, STEPS, Model, agree, diffusers, generator
from safetensors.torch import save_file
from tiny import write_json
from torch import Tensor, nn

import nodeflow
from nodeflow.diffusion.models import model_class
from nodeflow.engine import Engine
from nodeflow.errors import NodeflowError
from nodeflow.execution import Cache
from nodeflow.graph.check import check
from nodeflow.graph.graph import Port
from nodeflow.models import open_control
from nodeflow.values import Image

Options = dict[str, Any]
Load = Callable[[str], Model]

FLUX: Options = tiny_flows.FLUX | {"_class_name": "FluxControlNetModel", "num_single_layers": 1}
SD3: Options = tiny_flows.SD3 | {
    "_class_name": "SD3ControlNetModel", "num_layers": 2, "dual_attention_layers": [], "qk_norm": None,
    "force_zeros_for_pooled_projection": False,
}  # fmt: skip
VARIANTS: dict[str, Options] = {
    "flux": FLUX,
    "flux union": FLUX | {"num_mode": 4, "guidance_embeds": False},
    "flux double blocks": FLUX | {"num_single_layers": 0, "num_layers": 2},
    "sd3": SD3,
    "sd3 of InstantX": SD3 | {"force_zeros_for_pooled_projection": True},
}


def reference(config: Options, seed: int = 0) -> nn.Module:
    """The reference network, none of its weights zero."""
    torch.manual_seed(seed)
    known = {key: value for key, value in config.items() if key not in ("_class_name", "out_channels")}
    net = getattr(diffusers, config["_class_name"])(**known).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return net


def write(folder: Path, config: Options, seed: int = 0) -> str:
    write_json(folder / "config.json", {key: value for key, value in config.items() if key != "out_channels"})
    state = {name: tensor.contiguous() for name, tensor in reference(config, seed).state_dict().items()}
    save_file(state, folder / "diffusion_pytorch_model.safetensors", {"format": "pt"})
    return str(folder)


@pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS)
def test_networks_equal_the_reference(config: Options) -> None:
    known = reference(config)
    kind = model_class(config["_class_name"])
    with torch.device("meta"):
        ours = kind.from_config({key: value for key, value in config.items() if key != "out_channels"})
    ours = ours.load(known.state_dict()).eval()
    draw = generator(3)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw)

    said: Options = {"encoder_hidden_states": random(2, 5, 64), "conditioning_scale": 0.7}
    if config["_class_name"].startswith("SD3"):
        x, seen = random(2, 16, 6, 8), random(2, 16, 6, 8)
        said |= {"pooled_projections": random(2, 36), "timestep": torch.tensor([500.0, 20.0])}
    else:
        x, seen = random(2, 6, 64), random(2, 6, 64)
        ids = torch.cartesian_prod(torch.arange(1), torch.arange(2), torch.arange(3)).float()
        said |= {"pooled_projections": random(2, 32), "timestep": torch.tensor([0.5, 0.02]), "img_ids": ids}
        said |= {
            "txt_ids": torch.zeros(5, 3),
            "guidance": torch.tensor([3.5, 3.5]) if config["guidance_embeds"] else None,
        }
    with torch.no_grad():
        mode = {"controlnet_mode": torch.tensor([[2], [2]])} if "num_mode" in config else {}
        expected = known(x, seen, **said, **mode, return_dict=False)
        found = ours(x, seen, **said, **({"controlnet_mode": 2} if mode else {}))
    sets = found if isinstance(found, tuple) else (found,)
    for one, other in zip(sets, expected, strict=True):
        torch.testing.assert_close(list(one), list(other or []), rtol=0, atol=1e-5)
    assert sets[0][0].std() > 0.01  # else any two would agree


@pytest.mark.parametrize("kind", ["FluxControlNetModel", "SD3ControlNetModel"])
def test_defaults_of_the_configuration_are_the_published_ones(kind: str) -> None:
    small = {"num_layers": 1} if kind.startswith("SD3") else {"num_layers": 0, "num_single_layers": 0}
    with torch.device("meta"):
        ours, known = model_class(kind).from_config(small), getattr(diffusers, kind)(**small)
    published = {key: value for key, value in known.config.items() if not key.startswith("_")}
    found = {key: value for key, value in ours.config.items() if key in published}
    assert found == {key: tuple(value) if isinstance(value, list) else value for key, value in published.items()}
    assert {n: t.shape for n, t in ours.state_dict().items()} == {n: t.shape for n, t in known.state_dict().items()}


def test_a_file_without_its_folder(tmp_path: Path) -> None:
    full = FLUX | {"attention_head_dim": 32, "axes_dims_rope": [4, 14, 14], "num_mode": 4}
    folder = Path(write(tmp_path / "full", full))
    known, file = open_control(str(folder)), folder / "diffusion_pytorch_model.safetensors"
    alone = open_control(str(file.rename(tmp_path / "union.safetensors")))
    assert known is not None and alone is not None and alone.kind == "FluxControlNetModel"
    assert all(known.config.get(key) == value for key, value in alone.config.items())
    write(tmp_path / "sd3", SD3)
    file = tmp_path / "sd3" / "diffusion_pytorch_model.safetensors"
    beside = open_control(str(file))
    assert beside is not None and beside.kind == "SD3ControlNetModel"  # its config.json is beside it
    with pytest.raises(NodeflowError, match=r"NF406.*a ControlNet for Stable Diffusion 3.*config.json"):
        open_control(str(file.rename(tmp_path / "sd3.safetensors")))


# -- whole runs through the template graph ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(results=Cache(folder=None))


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    root: Path = tmp_path_factory.mktemp("flows")

    @cache
    def loaded(kind: str) -> Model:
        getattr(tiny_flows, kind)(root / kind)
        return Model.load(str(root / kind))

    return loaded


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Tensor]:
    image = Image(torch.rand(1, 3, 48, 64, generator=generator(1)).mul(255).round() / 255)
    return str(image.save(tmp_path_factory.mktemp("seen") / "picture.png")[0]), image.data


def flow(engine: Engine, model: Model, picture: str) -> nodeflow.Flow:
    made = nodeflow.load("graphs/control.json", engine=engine)
    values = {"load": {"model": model.folder}, "picture": {"path": picture}, "schedule": {"steps": STEPS}}
    values |= {"positive": {"text": PROMPT}, "negative": {"text": NEGATIVE}, "latent": SIDES}
    values |= {"denoise": {"seed": SEED, "guidance": GUIDANCE}}
    for node, own in values.items():
        made.graph.nodes[node].values |= own
    return made


def expected(model: Model, kind: str, networks: list[str], picture: Tensor, **call: Any) -> Tensor:
    net = {"Flux": diffusers.FluxControlNetModel, "Stab": diffusers.SD3ControlNetModel}[kind[:4]]
    multi = {"Flux": diffusers.FluxMultiControlNetModel, "Stab": diffusers.SD3MultiControlNetModel}[kind[:4]]
    nets = [net.from_pretrained(folder) for folder in networks]
    plain = model.pipeline("FluxPipeline" if kind.startswith("Flux") else "StableDiffusion3Pipeline", FLOW, {})
    steering = nets[0] if len(nets) == 1 else multi(nets)
    pipe = certain(getattr(diffusers, kind)(**plain.components, controlnet=steering))
    pipe.set_progress_bar_config(disable=True)
    shown = [2 * picture - 1] * len(nets)  # the reference takes tensors as they are
    said = {"prompt": PROMPT, "guidance_scale": GUIDANCE, "num_inference_steps": STEPS, "output_type": "pt", **SIDES}
    said |= {"negative_prompt": NEGATIVE} if kind.startswith("Stab") else {}
    return pipe(**said, control_image=shown if len(nets) > 1 else shown[0], generator=generator(), **call).images


@pytest.mark.parametrize("form", ["flux", "flux union", "flux double blocks"])
def test_flux(engine: Engine, load: Load, picture: tuple[str, Tensor], tmp_path: Path, form: str) -> None:
    model, network = load("flux"), write(tmp_path, VARIANTS[form])
    mode = {"mode": 3} if "union" in form else {}
    made = flow(engine, model, picture[0])
    found = made(control=network, strength=0.6, **mode).image.data
    call = {"control_mode": 3} if mode else {}
    kind = "FluxControlNetPipeline"
    agree(found, expected(model, kind, [network], picture[1], controlnet_conditioning_scale=0.6, **call))
    plain = made(control=network, strength=0.0, **mode).image.data
    made.graph.nodes["denoise"].wires["model"] = "load.denoiser"
    assert torch.equal(made().image.data, plain) and (found - plain).abs().max() > 1e-3


def test_several_of_flux_for_some_steps(
    engine: Engine, load: Load, picture: tuple[str, Tensor], tmp_path: Path
) -> None:
    model = load("flux")
    networks = [write(tmp_path / str(i), FLUX, i) for i in range(2)]
    made = flow(engine, model, picture[0])
    wires = {"model": "control.denoiser", "image": "picture.image", "autoencoder": "load.autoencoder"}
    more = {name: Port(wire) for name, wire in wires.items()}
    more["network"] = made.graph.add("control/load", network=networks[1])["control_network"]
    last = made.graph.add("control/apply", strength=0.8, start=0.3, end=0.7, **more)
    made.graph.nodes["denoise"].wires["model"] = str(last["denoiser"])
    found = made(control=networks[0], strength=0.5).image.data
    call = {"controlnet_conditioning_scale": [0.5, 0.8], "control_guidance_start": [0.0, 0.3]}
    call |= {"control_guidance_end": [1.0, 0.7], "control_mode": [None, None]}
    agree(found, expected(model, "FluxControlNetPipeline", networks, picture[1], **call))


@pytest.mark.parametrize("form", ["sd3", "sd3 of InstantX"])
def test_sd3(engine: Engine, load: Load, picture: tuple[str, Tensor], tmp_path: Path, form: str) -> None:
    model, network = load("sd3"), write(tmp_path, VARIANTS[form])
    found = flow(engine, model, picture[0])(control=network, strength=0.6).image.data
    kind = "StableDiffusion3ControlNetPipeline"
    agree(found, expected(model, kind, [network], picture[1], controlnet_conditioning_scale=0.6))


def test_stable_diffusion_takes_the_same_template(engine: Engine, tiny: Any, picture: tuple[str, Tensor]) -> None:
    made = flow(engine, Model.load(str(tiny("text_to_image"))), picture[0])
    found = made(control=str(tiny("control"))).image.data
    assert (found - made(control=str(tiny("control")), strength=0.0).image.data).abs().max() > 1e-3


def test_a_model_that_looks_at_another_picture_is_refused(
    engine: Engine, load: Load, picture: tuple[str, Tensor], tmp_path: Path
) -> None:
    made = flow(engine, load("flux_canny"), picture[0])
    made.graph.nodes["latent"].type, made.graph.nodes["latent"].values = "latent/encode-edit", {}
    made.graph.nodes["latent"].wires = {"autoencoder": "load.autoencoder", "image": "picture.image"}
    with pytest.raises(NodeflowError, match=r"NF414.*another picture"):
        made(control=write(tmp_path, FLUX))


# -- refusals --------------------------------------------------------------------------------------------------------


def test_check_says_what_fits(
    engine: Engine, load: Load, tiny: Any, picture: tuple[str, Tensor], tmp_path: Path
) -> None:
    union = write(tmp_path, VARIANTS["flux union"])
    made = flow(engine, load("flux"), picture[0])
    made.graph.nodes["network"].values["network"] = str(tiny("control"))
    (fault,) = check(made.graph, engine.library)
    assert fault.code == "NF211" and "steers a UNet2DConditionModel" in fault.what and "Stable Diffusion" in fault.fix
    made.graph.nodes["network"].values["network"] = union
    made.graph.nodes["control"].values["mode"] = 7
    (fault,) = check(made.graph, engine.library)
    assert fault.code == "NF205" and "0 to 3" in fault.what


def test_a_network_that_is_shown_latents_wants_an_autoencoder(
    engine: Engine, load: Load, picture: tuple[str, Tensor], tmp_path: Path
) -> None:
    made = flow(engine, load("flux"), picture[0])
    del made.graph.nodes["control"].wires["autoencoder"]
    with pytest.raises(NodeflowError, match=r"NF203.*as a latent.*autoencoder"):
        made(control=write(tmp_path, FLUX))
