"""`nodeflow run` from graph to files, with tiny models."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from nodeflow.media import sounds

GRAPHS = Path(__file__).parents[2] / "graphs"
SHARED = {"model", "scheduler", "options", "sigmas", "steps", "seed"}
TEXT = {"prompt", "negative_prompt", "guidance"}
SIZE = {"width", "height"}


@pytest.fixture
def sd(tiny) -> Path:
    return tiny("text_to_image")


def settings(**values: object) -> list[str]:
    return [part for name, value in values.items() for part in ("--set", f"{name}={value}")]


@pytest.mark.parametrize(
    ("graph", "names"),
    [
        ("text-to-image", SHARED | TEXT | SIZE),
        ("image-to-image", SHARED | TEXT | SIZE | {"image", "strength"}),
        ("inpaint", SHARED | TEXT | SIZE | {"image", "mask", "strength"}),
        ("unconditional", SHARED | SIZE),
        ("variations", SHARED | TEXT | SIZE),
        ("guidance", SHARED | TEXT | SIZE),
        ("unconditional-sound", SHARED | {"seconds"}),
    ],
)
def test_template_graphs_have_the_same_inputs_and_one_output(graph, names):
    document = json.loads((GRAPHS / f"{graph}.json").read_text())
    assert set(document["inputs"]) == names
    assert set(document["outputs"]) == {"audio" if "sound" in graph else "image"}


def test_a_prompt_becomes_a_picture_that_makes_itself_again(nodeflow, sd, tmp_path):
    first = nodeflow(
        "run", GRAPHS / "text-to-image.json", *settings(model=sd, prompt="a b", steps=2, seed=3), "-o", tmp_path
    )
    assert first.status == 0, first.err
    [picture] = first.files
    assert Image.open(picture).size == (16, 16)
    assert picture.name.startswith("text-to-image-3-")
    again = nodeflow("run", picture, "--out", tmp_path / "again", "--fresh")
    assert Image.open(again.files[0]).tobytes() == Image.open(picture).tobytes()


def test_another_seed_is_another_picture(nodeflow, sd, tmp_path):
    said = nodeflow(
        "run", GRAPHS / "text-to-image.json", *settings(model=sd, steps=2), "--sweep", "seed=1,2", "-o", tmp_path
    )
    one, two = said.files
    assert Image.open(one).tobytes() != Image.open(two).tobytes()


def test_the_second_run_computes_nothing(nodeflow, sd, tmp_path):
    arguments = ("run", GRAPHS / "text-to-image.json", *settings(model=sd, steps=3, seed=11), "-o", tmp_path, "--json")
    nodeflow(*arguments)
    events = [json.loads(line) for line in nodeflow(*arguments).out.splitlines()]
    finished = {event["node"]: event["cached"] for event in events if event["event"] == "NodeFinished"}
    assert finished.get("decode"), finished
    assert [event for event in events if event["event"] == "Output"]


def test_one_late_edit_reruns_only_what_it_touched(nodeflow, sd, tmp_path):
    arguments = ("run", GRAPHS / "text-to-image.json", *settings(model=sd, steps=3, seed=12), "-o", tmp_path, "--json")
    nodeflow(*arguments)
    events = [json.loads(line) for line in nodeflow(*arguments, "--set", "guidance=4").out.splitlines()]
    ran = {event["node"] for event in events if event["event"] == "NodeFinished" and not event["cached"]}
    assert {"denoise", "decode"} <= ran
    assert "positive" not in ran


def test_image_to_image_and_inpaint(nodeflow, sd, tiny, tmp_path):
    [picture] = nodeflow("run", GRAPHS / "text-to-image.json", *settings(model=sd, steps=2), "-o", tmp_path).files
    for graph, model, more in (
        ("image-to-image", sd, {"image": picture, "strength": 0.5}),
        ("inpaint", sd, {"image": picture, "mask": picture}),
        ("inpaint", tiny("inpaint"), {"image": picture, "mask": picture}),
    ):
        said = nodeflow(
            "run", GRAPHS / f"{graph}.json", *settings(model=model, steps=4, **more), "-o", tmp_path / "out"
        )
        assert said.status == 0, said.err
        assert Image.open(said.files[0]).size == (16, 16)


def test_models_without_text(nodeflow, tiny, tmp_path):
    said = nodeflow(
        "run", GRAPHS / "unconditional.json", *settings(model=tiny("unconditional"), steps=2), "-o", tmp_path
    )
    assert said.status == 0, said.err
    assert Image.open(said.files[0]).size == (16, 16)


def test_models_of_waves(nodeflow, tiny, tmp_path):
    arguments = ("run", GRAPHS / "unconditional-sound.json", "-o", tmp_path, *settings(model=tiny("waves"), steps=3))
    said = nodeflow(*arguments, *settings(seconds=0.02))
    assert said.status == 0, said.err
    samples, rate = sounds.read(said.files[0])
    assert (said.files[0].suffix, rate, samples.shape) == (".flac", 8000, (2, 160))
    assert samples.std() > 0.01
    refused = nodeflow(*arguments, *settings(seconds=0.001))
    assert refused.status == 5 and "NF414" in refused.err and "latent" in refused.err


def test_a_model_of_waves_is_sent_to_the_nodes_for_sounds(nodeflow, tiny, tmp_path):
    graph = json.loads((GRAPHS / "unconditional.json").read_text())
    graph["nodes"]["load"]["values"]["model"] = str(tiny("waves"))
    (tmp_path / "graph.json").write_text(json.dumps(graph))
    said = nodeflow("check", tmp_path / "graph.json")
    assert said.status == 3, said.err
    said_all = said.out + said.err
    assert "NF211 latent.model" in said_all and "Empty sound latent" in said_all and "decode.autoencoder" in said_all


def test_schedulers_are_compared_on_one_sheet_with_labels(nodeflow, sd, tmp_path):
    said = nodeflow("run", GRAPHS / "schedulers.json", *settings(model=sd, steps=2), "-o", tmp_path)
    assert said.status == 0, said.err
    width, height = Image.open(said.files[0]).size
    assert width == 3 * 40 + 8 and height > 3 * 40 + 8 + 3 * 13


@pytest.mark.parametrize("graph", ["custom-sigmas", "ays-timesteps", "schedules"])
def test_the_templates_of_schedules_run(nodeflow, sd, tmp_path, graph):
    said = nodeflow("run", GRAPHS / f"{graph}.json", *settings(model=sd), "-o", tmp_path)
    assert said.status == 0, said.err
    assert Image.open(said.files[0]).size == ((960, 360) if graph == "schedules" else (16, 16))


def test_variations_are_one_sheet(nodeflow, sd, tmp_path):
    said = nodeflow("run", GRAPHS / "variations.json", *settings(model=sd, steps=1), "-o", tmp_path)
    assert Image.open(said.files[0]).size == (3 * 20 + 4, 3 * 20 + 4)


@pytest.mark.parametrize(
    "scheduler",
    ["DDIMScheduler", "EulerAncestralDiscreteScheduler", "HeunDiscreteScheduler", "UniPCMultistepScheduler"],
)
def test_schedulers_swap(nodeflow, sd, tmp_path, scheduler):
    said = nodeflow(
        "run", GRAPHS / "text-to-image.json", *settings(model=sd, steps=3, scheduler=scheduler), "-o", tmp_path
    )
    assert said.status == 0, said.err


@pytest.mark.parametrize(
    ("more", "status", "code", "where"),
    [
        ({"steps": 0}, 3, "NF205", "schedule.steps"),
        ({"scheduler": "EulerDiscrete"}, 5, "NF409", "schedule"),
        ({"sigmas": "3,2,5,0", "scheduler": "EulerDiscreteScheduler"}, 5, "NF410", "schedule"),
        ({"width": 17}, 5, "NF414", "latent"),
        ({"model": "/nowhere/at/all"}, 5, "NF401", "load"),
        ({"steps": "many"}, 3, "NF205", "steps"),
        ({"stesp": 3}, 3, "NF213", ""),
    ],
)
def test_bad_input_is_one_located_line(nodeflow, sd, tmp_path, more, status, code, where):
    values = {"model": sd, "steps": 2, **more}
    said = nodeflow("run", GRAPHS / "text-to-image.json", *settings(**values), "-o", tmp_path, "-q")
    assert said.status == status, said.err
    assert said.err.startswith(f"{code} {where}")
    assert "Traceback" not in said.err


def test_a_name_cannot_leave_the_output_folder(nodeflow, sd, tmp_path):
    said = nodeflow(
        "run", GRAPHS / "text-to-image.json", *settings(model=sd, steps=1), "-o", tmp_path / "o", "--name", "../{seed}"
    )
    assert said.status == 6
    assert "NF603" in said.err
    assert not list(tmp_path.glob("*.png"))


def test_ctrl_c_stops_within_a_step_and_keeps_what_is_done(sd, tmp_path):
    command = [sys.executable, "-c", "from nodeflow.cli import main; main()", "run", str(GRAPHS / "text-to-image.json")]
    command += [*settings(model=sd, steps=900, scheduler="DDIMScheduler"), "-o", str(tmp_path), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "NodeProgress" and event["step"] >= 3:
            break
    asked = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert time.monotonic() - asked < 30
    last = [json.loads(line) for line in out.splitlines()][-1]
    assert last["event"] == "RunFinished"
    assert last["cancelled"]
    assert not list(tmp_path.glob("*.png"))


def test_a_swept_picture_is_named_and_carries_what_made_it(nodeflow, sd, tmp_path):
    arguments = ("--sweep", "seed=4,5", "--sweep", "guidance=1,3", "--name", "{seed}-{guidance}")
    said = nodeflow("run", GRAPHS / "text-to-image.json", *settings(model=sd, steps=1), *arguments, "-o", tmp_path)
    assert [path.stem for path in said.files] == ["4-1.0", "4-3.0", "5-1.0", "5-3.0"]
    again = nodeflow("run", tmp_path / "5-3.0.png", "-o", tmp_path / "again", "--fresh")
    assert Image.open(again.files[0]).tobytes() == Image.open(tmp_path / "5-3.0.png").tobytes()


def test_a_run_says_what_each_node_did(nodeflow, sd, tmp_path):
    arguments = (
        "run",
        GRAPHS / "text-to-image.json",
        *settings(model=sd, steps=2, seed=21),
        "-o",
        tmp_path,
        "-q",
        "--report",
    )
    first, second = (nodeflow(*arguments).err.splitlines() for _ in range(2))
    assert any(line.split()[:2] == ["decode", "ran"] for line in first)
    assert any(line.split()[:3] == ["decode", "cached", "disk"] for line in second)
    assert second[-1].startswith("0 of 7 steps ran") or second[-1].split()[0] < first[-1].split()[0]
