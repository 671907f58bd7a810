"""T2I-Adapters against the reference implementation: the network, and whole runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from nodeflow.diffusion.checkpoints import open_model
from nodeflow.diffusion.models import model_class
from nodeflow.models import open_control
from nodeflow.values import Control
from tests.oracle.test_controls import GUIDANCE, NEGATIVE, PROMPT, SEED, STEPS, Pair, agree
from tests.tiny import UNET

diffusers = pytest.importorskip("diffusers")

PUBLISHED: dict[str, dict[str, Any]] = {
    "SD": {"channels": [320, 640, 1280, 1280], "downscale_factor": 8, "adapter_type": "full_adapter"},
    "SDXL": {"channels": [320, 640, 1280, 1280], "downscale_factor": 16, "adapter_type": "full_adapter_xl"},
}
SMALL: dict[str, dict[str, Any]] = {
    "SD": {"channels": (8, 16, 24), "downscale_factor": 4, "num_res_blocks": 1},
    "SDXL": {"channels": (8, 8, 16, 16), "downscale_factor": 4, "adapter_type": "full_adapter_xl"},
}


@pytest.mark.parametrize("config", PUBLISHED.values(), ids=PUBLISHED)
def test_published_adapters_have_the_published_parameters(config: dict[str, Any]) -> None:
    with torch.device("meta"):
        ours, theirs = model_class("T2IAdapter").from_config(config), diffusers.T2IAdapter(**config)
    shapes = [{name: tuple(p.shape) for name, p in net.state_dict().items()} for net in (ours, theirs)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("config", SMALL.values(), ids=SMALL)
@pytest.mark.parametrize("size", [(32, 48), (20, 12)])
def test_adapters_equal_the_reference(config: dict[str, Any], size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    theirs = diffusers.T2IAdapter(**config).eval()
    ours = model_class("T2IAdapter").from_config(config).load(theirs.state_dict())
    x = torch.rand(2, 3, *size)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), list(theirs(x)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("kinds", [("CrossAttnDownBlock2D", "DownBlock2D"), ("DownBlock2D", "CrossAttnDownBlock2D")])
def test_features_enter_a_u_net_as_in_the_reference(kinds: tuple[str, str]) -> None:
    config = UNET | {"down_block_types": kinds}
    torch.manual_seed(0)
    theirs = diffusers.UNet2DConditionModel(**{k: v for k, v in config.items() if k != "_class_name"}).eval()
    ours = model_class("UNet2DConditionModel").from_config(config).load(theirs.state_dict())
    x, states, half = torch.randn(2, 4, 8, 8), torch.randn(2, 5, 32), (4, 4)
    inner = [torch.randn(2, 16, *(half if kinds[0] == "DownBlock2D" else (8, 8)))]
    inner += [torch.randn(2, 32, *half), torch.randn(2, 32, *half)]
    with torch.no_grad():
        copies = [one.clone() for one in inner]  # the reference adds in place
        expected = theirs(x, 7, states, down_intrablock_additional_residuals=copies).sample
        found = ours(x, 7, states, down_intrablock_additional_residuals=inner)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_a_run_equals_the_reference_pipeline(tiny: Any, tmp_path: Path) -> None:
    folder = str(tiny("text_to_image"))
    torch.manual_seed(1)
    adapter = diffusers.T2IAdapter(channels=(16, 32), downscale_factor=2, num_res_blocks=1)
    with torch.no_grad():
        for parameter in adapter.parameters():
            parameter.mul_(2)
    adapter.save_pretrained(tmp_path)
    pipe = diffusers.DiffusionPipeline.from_pretrained(folder, safety_checker=None)
    parts = {k: v for k, v in pipe.components.items() if k != "image_encoder"}
    steered = diffusers.StableDiffusionAdapterPipeline(**parts, adapter=adapter, requires_safety_checker=False)
    steered.scheduler = diffusers.DDIMScheduler.from_config(pipe.scheduler.config)
    steered.set_progress_bar_config(disable=True)
    image = torch.rand(1, 3, 24, 16, generator=torch.Generator().manual_seed(2))
    call = {"prompt": PROMPT, "negative_prompt": NEGATIVE, "guidance_scale": GUIDANCE, "num_inference_steps": STEPS}
    more = {"width": 16, "height": 24, "output_type": "np", "generator": torch.Generator().manual_seed(SEED)}
    expected = steered(image=image, **call, **more, adapter_conditioning_scale=0.7).images
    handle = open_control(str(tmp_path))
    assert handle is not None
    own = Pair(tiny, open_model(folder), {}, pipe)
    found = own.ours([Control(handle, image, strength=0.7)], "DDIMScheduler")
    agree(found, torch.as_tensor(expected).permute(0, 3, 1, 2))
    assert (found - own.ours([], "DDIMScheduler")).abs().max() > 1e-3
