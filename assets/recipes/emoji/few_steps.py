"""Distil the model to four steps: a LoRA beside it, learnt with the graph `graphs/training/few-steps.json`."""

from __future__ import annotations

import json
from pathlib import Path

import captions
import numpy as np
from PIL import Image
from safetensors.torch import load_file

from nodeflow import content
from nodeflow.diffusion.checkpoints.save import write_tensors
from nodeflow.engine import Engine
from nodeflow.errors import NodeflowError
from nodeflow.graph import load

FILE = "four-steps.safetensors"
STEPS = 300
SAYINGS = ("{name}, {style}", "a {name}")


def write_pictures(work: Path) -> Path:
    """The training pictures as files, once for each way to name them."""
    folder = work / "pictures"
    folder.mkdir(exist_ok=True)
    images = np.load(work / "pictures.npz")["images"]
    lines = []
    for i, (image, row) in enumerate(zip(images, captions.read_rows(work), strict=True)):
        for j, saying in enumerate(SAYINGS):
            name = f"{i:04d}-{j}.png"
            Image.fromarray(image).save(folder / name)
            lines.append({"file_name": name, "text": saying.format(name=row["names"][0], style=row["style"])})
    (folder / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def train(work: Path, model: Path, steps: int = STEPS) -> Path:
    """The LoRA, learnt from where a stopped run left off, and written beside the model as float16."""
    graph, engine = load(content.folder("graphs") / "training" / "few-steps.json"), Engine()
    values = {"model": str(model), "folder": str(write_pictures(work)), "steps": steps}
    report = engine.run(engine.plan(graph, values=values, folder=work))
    if report.faults:
        raise NodeflowError.of(report.faults)
    write_tensors(model / FILE, {name: tensor.half() for name, tensor in load_file(report.outputs["file"]).items()})
    return model / FILE
