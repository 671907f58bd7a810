"""Pictures that steer a denoiser."""

from dataclasses import replace
from typing import Annotated, Any, Literal

from nodeflow import Autoencoder, Control, ControlNetwork, Denoiser, Image, Path, Range, Run, node
from nodeflow.models import open_control

from ._fits import fit_mode, same_space, some_steps, steers
from ._training import inside

Share = Annotated[float, Range(0, 1, step=0.05)]


def _content(network: str, variant: str) -> list[str]:
    handle = open_control(network, variant=variant)
    return [handle.folder, handle.digest] if handle else []


def _network_facts(network: str | None, variant: str | None, **_: Any) -> dict[str, Any]:
    handle = open_control(network, variant=variant or "", download=False, missing_ok=True) if network else None
    if handle is None:
        return {}
    config = handle.config
    states = config.get("cross_attention_dim") or config.get("joint_attention_dim")
    told = {"kind": handle.kind, "states": states, "modes": config.get("num_mode")}
    if handle.kind == "T2IAdapter":
        levels = config.get("channels", (320, 640, 1280, 1280))
        told |= {"levels": list(levels), "xl": config.get("adapter_type") == "full_adapter_xl"}
    return {"control_network": told}


@node("control/load", title="Load ControlNet or adapter", waits=True, fingerprint=_content, describe=_network_facts)
def load(
    network: Annotated[str, Path("model")],
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto",
    variant: str = "",
) -> ControlNetwork:
    """Open a ControlNet or a T2I-Adapter: a folder with config.json and weights, a file, or a name on the Hub.

    Weights are read when a sampler first needs them, and shared by every graph that names the same files.

    Args:
        network: A folder, a .safetensors file of a ControlNet, or "organisation/name".
        dtype: Number format of the weights; auto chooses by device.
        variant: Preferred files, such as "fp16".

    Returns:
        The network, to be applied to a model.
    """
    handle = open_control(network, variant=variant, dtype=dtype)
    assert handle is not None
    return handle


def _applied(
    model: dict[str, Any] | None,
    network: dict[str, Any] | None,
    autoencoder: dict[str, Any] | None = None,
    start: float | None = None,
    end: float | None = None,
    mode: int | None = None,
    **_: Any,
) -> dict[str, Any]:
    steers(network, model)
    fit_mode(network, mode)
    same_space(model, autoencoder, "autoencoder")
    some_steps(start, end)
    return {"denoiser": model or {}}


@node("control/apply", version=2, title="Apply ControlNet or adapter", describe=_applied)
def apply(
    model: Denoiser,
    network: ControlNetwork,
    image: Image,
    strength: Annotated[float, Range(0, 10, step=0.05)] = 1.0,
    start: Share = 0.0,
    end: Share = 1.0,
    guess: bool = False,
    mode: Annotated[int, Range(0, 63)] = 0,
    autoencoder: Autoencoder | None = None,
) -> Denoiser:
    """Steer a model by a picture: what the network sees in it is added inside the model at every step.

    Several in a row add up. The picture is scaled until it covers what is painted.

    Args:
        model: What is steered.
        network: What reads the picture.
        image: As the network knows it: edges for an edge network, depth for a depth network.
        strength: How much of it; 0 = none.
        start: From which share of the steps on.
        end: Up to which share of the steps.
        guess: Steer the positive prompt alone, fine features less; works without a prompt. ControlNets of Stable
            Diffusion 1, 2 and SDXL only.
        mode: Which kind of picture it is, for networks that know several ("union"): 0 edges, 1 tile, 2 depth, 3 blur,
            4 pose, 5 grey, 6 low quality in those for Flux.
        autoencoder: The model's, for networks that are shown latents: those of Flux and Stable Diffusion 3.

    Returns:
        The model with the picture.
    """
    control = Control(network, image.data, strength, start, end, guess, mode, autoencoder)
    return replace(model, controls=(*model.controls, control))


@apply.migrate(1)
def _without_mode(saved: dict[str, Any]) -> dict[str, Any]:
    """Version 1 had no `mode` and no `autoencoder`; what it had means the same."""
    return saved


@node("control/save", title="Save ControlNet", sink=True, waits=True)
def save(
    run: Run,
    network: ControlNetwork,
    name: str = "controlnet",
    dtype: Literal["float32", "float16", "bfloat16"] = "float32",
) -> str:
    """Save a ControlNet as a folder in the published layout, which this and other programs open.

    Args:
        network: What to save.
        name: Of the folder, inside the output folder.
        dtype: Number format of the file.

    Returns:
        The folder.
    """
    from nodeflow.diffusion.checkpoints.save import save_again

    folder = inside(run.folder, name)
    save_again(folder, network, dtype)
    return str(folder)
