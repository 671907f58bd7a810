"""Loading: time and peak memory from a model's name to the end of its first step, beside diffusers in the same run.

    python benchmarks/load.py [--megabytes 500 | --full] [--stored float16] [--dtype float32] [--device cpu]

Makes a checkpoint of the Stable Diffusion 1 layout with random weights in a temporary folder (about half in the
denoiser; with --full, Stable Diffusion 1.5 at its full size), then loads it in fresh processes, ours and theirs in turn
(--repeat 3 times), after all files have been read once. Printed is the median: CPU seconds of import, of loading, of
the first use of every weight, and peak memory above the imports in multiples of the weights.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import sd15

WIDTH = {"float32": 4, "float16": 2, "bfloat16": 2}
ROOT = Path(__file__).resolve().parent.parent

PRELUDE = """
import json, resource, sys, time
folder, device, dtype = sys.argv[1:]
def peak():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
def reset():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
start = time.process_time()
import torch
torch.set_num_threads(1)
"""

OURS = """
from nodeflow.diffusion.checkpoints import open_model
from nodeflow.diffusion.checkpoints.load import load_weights
from nodeflow.diffusion.checkpoints.tokenizer import load_tokenizer
import nodeflow.diffusion.models.unet2d_condition, nodeflow.diffusion.models.autoencoder_kl
import nodeflow.diffusion.models.clip_text
import gc
gc.freeze()  # as an engine does
imported = time.process_time(); reset(); base = peak()
parts = open_model(folder)
nets = [load_weights(part, device, dtype) for part in (parts.denoiser, parts.autoencoder, parts.text_encoder)]
load_tokenizer(parts.text_encoder)
"""

THEIRS = """
from diffusers import StableDiffusionPipeline
import transformers.models.clip.modeling_clip, diffusers.models.unets.unet_2d_condition
imported = time.process_time(); reset(); base = peak()
pipe = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=getattr(torch, dtype), local_files_only=True)
nets = [pipe.to(device).unet, pipe.vae, pipe.text_encoder]
"""

FINISH = """
loaded = time.process_time()
total = sum(float(p.sum(dtype=torch.float32)) for net in nets for p in net.parameters())
if device != "cpu":
    torch.cuda.synchronize()
used = time.process_time()
print(json.dumps([imported - start, loaded - imported, used - loaded, peak() - base]))
"""


def make_checkpoint(folder: Path, options: argparse.Namespace) -> int:
    """A checkpoint of about this size; returns the bytes of its weights."""
    width = int((options.megabytes / 500) ** 0.5 * 10) * 16
    sd15.UNET |= {"block_out_channels": [width, 2 * width, 4 * width], "norm_num_groups": 16}
    sd15.UNET |= {"down_block_types": ["CrossAttnDownBlock2D"] * 2 + ["DownBlock2D"]}
    sd15.UNET |= {"up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 2, "cross_attention_dim": 4 * width}
    sd15.VAE |= {"block_out_channels": [width, width], "down_block_types": ["DownEncoderBlock2D"] * 2}
    sd15.VAE |= {"up_block_types": ["UpDecoderBlock2D"] * 2, "norm_num_groups": 16}
    sd15.TEXT |= {"hidden_size": 4 * width, "intermediate_size": 16 * width, "num_hidden_layers": 6}
    return sd15.checkpoint(folder, options.stored)


def measure(script: str, folder: Path, device: str, dtype: str) -> list[float]:
    """CPU seconds of import, load and first use, and peak bytes, of one fresh process."""
    command = [sys.executable, "-c", PRELUDE + script + FINISH, str(folder), device, dtype]
    environment = {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--full", action="store_true", help="Stable Diffusion 1.5 at full size")
    parser.add_argument("--stored", default="float32", choices=["float32", "float16", "bfloat16"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32", choices=["float32", "float16", "bfloat16"])
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        stored = sd15.checkpoint(folder, options.stored) if options.full else make_checkpoint(folder, options)
        size = stored * WIDTH[options.dtype] / WIDTH[options.stored]
        print(f"{stored / 1e6:.0f} MB of {options.stored} weights, loaded as {options.dtype} on {options.device}")
        print(f"{'':12}{'import s':>10}{'load s':>10}{'first use s':>13}{'peak / weights':>16}")
        runs: dict[str, list[list[float]]] = {"nodeflow": [], "diffusers": []}
        for _ in range(options.repeat):
            for name, script in (("nodeflow", OURS), ("diffusers", THEIRS)):
                runs[name].append(measure(script, folder, options.device, options.dtype))
        for name, figures in runs.items():
            imports, load, use, peak = (statistics.median(column) for column in zip(*figures, strict=True))
            print(f"{name:12}{imports:10.2f}{load:10.3f}{use:13.3f}{peak / size:16.2f}")


if __name__ == "__main__":
    main()
