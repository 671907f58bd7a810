"""Whole runs of Stable Diffusion 1.5 at full size: the first, one with another prompt, one with a LoRA, with another.

    python benchmarks/runs.py [--size 256] [--steps 2] [--stored float16] [--dtype float32] [--repeat 1] [--small]

Each side runs in a fresh process of one thread, in turn, on the same files: ours through the template graph
`text-to-image`, the other side through diffusers' pipeline. Printed are the medians of CPU seconds and the peak memory
above the imports by the end of each run, in multiples of the weights as they are computed with. --small takes a
network of 1/16 of the size, to see that it works.
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
from load import PRELUDE, ROOT, WIDTH

RUNS = ("first", "other prompt", "with a LoRA", "another LoRA", "without again")

COMMON = """
folder, first, second, size, steps, dtype = sys.argv[1:7]
size, steps = int(size), int(steps)
found = []
def timed(call):
    began = time.process_time(); call(); found.append([time.process_time() - began, peak() - base])
"""

OURS = """
import nodeflow
from nodeflow.engine import Engine
from nodeflow.execution import Cache
import nodeflow.diffusion.models.unet2d_condition, nodeflow.diffusion.models.autoencoder_kl, nodeflow.diffusion.sampling
from nodeflow.diffusion.models import clip_text
from nodeflow.graph import Graph
reset(); base = peak()
engine = Engine(results=Cache(folder=None), device="cpu", dtype=dtype)
flow = nodeflow.load(sys.argv[7], engine=engine)
given = {"model": folder, "width": size, "height": size, "steps": steps, "guidance": 7.5, "scheduler": "DDIMScheduler"}
timed(lambda: flow(**given, prompt="a cat"))
timed(lambda: flow(**given, prompt="a red heart"))
def with_lora(path):
    changed = nodeflow.load(sys.argv[8], engine=engine)
    return lambda: changed(**given, lora=path, prompt="a red heart")
timed(with_lora(first))
timed(with_lora(second))
timed(lambda: flow(**given, prompt="a dog"))
print(json.dumps(found))
"""

THEIRS = """
from diffusers import DDIMScheduler, StableDiffusionPipeline
import transformers.models.clip.modeling_clip, diffusers.models.unets.unet_2d_condition, peft
reset(); base = peak()
def load():
    global pipe
    pipe = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=getattr(torch, dtype), local_files_only=True)
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
def run(prompt):
    pipe(prompt, width=size, height=size, num_inference_steps=steps, guidance_scale=7.5)
def lora(path):
    pipe.unload_lora_weights()
    pipe.load_lora_weights(path)
    pipe.fuse_lora()
def plain():
    pipe.unfuse_lora(); pipe.unload_lora_weights()
timed(lambda: (load(), run("a cat")))
timed(lambda: run("a red heart"))
timed(lambda: (lora(first), run("a red heart")))
timed(lambda: (pipe.unfuse_lora(), lora(second), run("a red heart")))
timed(lambda: (plain(), run("a dog")))
print(json.dumps(found))
"""


def graph_with_lora(path: Path) -> Path:
    """The template graph with a LoRA between the model and the sampler."""
    graph = json.loads((ROOT / "graphs" / "text-to-image.json").read_text())
    graph["nodes"]["lora"] = {"type": "model/lora", "version": 1, "wires": {"denoiser": "load.denoiser"}}
    graph["nodes"]["denoise"]["wires"]["model"] = "lora.denoiser"
    graph["inputs"]["lora"] = "lora.path"
    path.write_text(json.dumps(graph))
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--stored", default="float16", choices=list(WIDTH))
    parser.add_argument("--dtype", default="float32", choices=list(WIDTH))
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    if options.small:
        sd15.UNET["block_out_channels"] = [width // 4 for width in sd15.UNET["block_out_channels"]]
        sd15.UNET["norm_num_groups"] = 16
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        size = sd15.checkpoint(folder / "model", options.stored) * WIDTH[options.dtype] / WIDTH[options.stored]
        loras = [str(sd15.lora(folder / f"{seed}.safetensors", seed)) for seed in (1, 2)]
        graphs = [str(ROOT / "graphs" / "text-to-image.json"), str(graph_with_lora(folder / "graph.json"))]
        told = [str(folder / "model"), *loras, str(options.size), str(options.steps), options.dtype, *graphs]
        sides: dict[str, list[list[list[float]]]] = {"nodeflow": [], "diffusers": []}
        for _ in range(options.repeat):
            for name, script in (("nodeflow", OURS), ("diffusers", THEIRS)):
                sides[name].append(measure(PRELUDE_OF_RUNS + script, told))
    say(sides, size)


PRELUDE_OF_RUNS = PRELUDE.replace("folder, device, dtype = sys.argv[1:]\n", "") + COMMON


def measure(script: str, told: list[str]) -> list[list[float]]:
    """CPU seconds and peak bytes of each run of a fresh process."""
    environment = {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", script, *told], capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def say(sides: dict[str, list[list[list[float]]]], size: float) -> None:
    """A table: a line a run."""
    print(f"{size / 1e6:.0f} MB of weights as computed with")
    print(f"{'':16}{'nodeflow s':>12}{'diffusers s':>13}{'ratio':>8}{'peak / weights':>18}{'diffusers':>11}")
    for i, run in enumerate(RUNS):
        pairs = list(zip(*sides.values(), strict=True))
        (ours, mine), (theirs, other) = (
            [statistics.median(column) for column in zip(*(one[i] for one in runs), strict=True)]
            for runs in sides.values()
        )
        ratio = statistics.median(a[i][0] / b[i][0] for a, b in pairs)
        print(f"{run:16}{ours:12.2f}{theirs:13.2f}{ratio:8.2f}{mine / size:18.2f}{other / size:11.2f}")


if __name__ == "__main__":
    main()
