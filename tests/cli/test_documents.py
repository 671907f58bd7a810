"""`new`, `diff`, `merge`, `check`, `plan`, `nodes`, `models`: everything that runs nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

GRAPHS = Path(__file__).parents[2] / "graphs"
GRAPH = GRAPHS / "text-to-image.json"


def edited(target: Path, **values: object) -> Path:
    document = json.loads(GRAPH.read_text())
    for name, value in values.items():
        node, port = name.split("__")
        document["nodes"][node]["values"][port] = value
    target.write_text(json.dumps(document))
    return target


def test_templates_become_graphs(nodeflow, tmp_path):
    assert "variations" in nodeflow("new", "--from", "list", "-").out.split()
    said = nodeflow("new", tmp_path / "mine.json", "--from", "inpaint")
    assert said.status == 0
    assert (tmp_path / "mine.json").read_bytes() == (GRAPHS / "inpaint.json").read_bytes()
    again = nodeflow("new", tmp_path / "mine.json")
    assert again.status == 6
    assert again.err.startswith("NF108")
    assert nodeflow("new", tmp_path / "x.json", "--from", "nothing").err.startswith("NF107")


def test_a_difference_is_a_line(nodeflow, tmp_path):
    new = edited(tmp_path / "new.json", denoise__guidance=7.5)
    said = nodeflow("diff", GRAPH, new)
    assert said.out.splitlines() == ["denoise.guidance: 2.0 → 7.5"]
    assert nodeflow("diff", GRAPH, GRAPH, "--exit-code").status == 0
    assert nodeflow("diff", GRAPH, new, "--exit-code").status == 1


def test_edits_of_two_people_are_joined(nodeflow, tmp_path):
    base = edited(tmp_path / "base.json")
    ours = edited(tmp_path / "ours.json", denoise__guidance=7.5)
    theirs = edited(tmp_path / "theirs.json", schedule__steps=40)
    assert nodeflow("merge", base, ours, theirs).status == 0
    values = json.loads(ours.read_text())["nodes"]
    assert (values["denoise"]["values"]["guidance"], values["schedule"]["values"]["steps"]) == (7.5, 40)


def test_a_conflict_is_a_line_and_ours_stays(nodeflow, tmp_path):
    base = edited(tmp_path / "base.json")
    ours = edited(tmp_path / "ours.json", schedule__steps=30)
    theirs = edited(tmp_path / "theirs.json", schedule__steps=40)
    said = nodeflow("merge", base, ours, theirs)
    assert said.status == 1
    assert said.err.startswith("NF110 schedule.steps")
    assert json.loads(ours.read_text())["nodes"]["schedule"]["values"]["steps"] == 30


def test_git_merges_and_shows_graphs(tmp_path):
    def git(*arguments: str) -> str:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    git("init", "-q", "-b", "main")
    (tmp_path / ".gitattributes").write_text("*.json merge=nodeflow diff=nodeflow\n")
    git("config", "merge.nodeflow.driver", f"{sys.executable} -m nodeflow merge %O %A %B")
    git("config", "diff.nodeflow.command", f"{sys.executable} -m nodeflow diff")
    graph = tmp_path / "graph.json"
    edited(graph)
    git("add", "-A")
    git("commit", "-qm", "one")
    git("checkout", "-qb", "other")
    edited(graph, schedule__steps=40)
    git("commit", "-qam", "two")
    git("checkout", "-q", "main")
    edited(graph, denoise__guidance=7.5)
    assert "denoise.guidance: 2.0 → 7.5" in git("diff")
    git("commit", "-qam", "three")
    git("merge", "-q", "other", "-m", "join")
    nodes = json.loads(graph.read_text())["nodes"]
    assert (nodes["denoise"]["values"]["guidance"], nodes["schedule"]["values"]["steps"]) == (7.5, 40)


def test_check_finds_everything_at_once(nodeflow, tiny, tmp_path):
    document = json.loads(GRAPH.read_text())
    nodes = document["nodes"]
    nodes["load"]["values"]["model"] = str(tiny("text_to_image"))
    nodes["schedule"]["values"]["steps"] = 0
    nodes["denoise"]["wires"]["latent"] = "positive.conditioning"
    nodes["decode"]["wires"]["latent"] = "gone.latent"
    (tmp_path / "bad.json").write_text(json.dumps(document))
    said = nodeflow("check", tmp_path / "bad.json", "--json")
    found = {(fault["code"], fault["where"]) for fault in map(json.loads, said.out.splitlines())}
    assert said.status == 3
    assert {("NF205", "schedule.steps"), ("NF204", "denoise.latent"), ("NF206", "decode.latent")} <= found


def test_check_reads_headers_and_refuses_what_does_not_fit(nodeflow, tiny, tmp_path):
    document = json.loads(GRAPH.read_text())
    document["nodes"]["load"]["values"]["model"] = str(tiny("text_to_image") / "vae")
    (tmp_path / "vae.json").write_text(json.dumps(document))
    said = nodeflow("check", tmp_path / "vae.json")
    assert said.status == 5
    assert "NF404 load" in said.out
    assert "autoencoder" in said.out
    document["nodes"]["load"]["values"]["model"] = str(tiny("text_to_image"))
    document["nodes"]["other"] = {"type": "model/load", "version": 1, "values": {"model": str(tiny("unconditional"))}}
    document["nodes"]["decode"]["wires"]["autoencoder"] = "other.autoencoder"
    (tmp_path / "mixed.json").write_text(json.dumps(document))
    said = nodeflow("check", tmp_path / "mixed.json")
    assert said.status == 3
    assert "NF211 decode" in said.out


def test_check_points_into_the_file(nodeflow, tmp_path):
    (tmp_path / "cut.json").write_text(GRAPH.read_text()[:200])
    said = nodeflow("check", tmp_path / "cut.json")
    assert said.status == 3
    assert "NF101" in said.out
    assert "cut.json:" in said.out


def test_plan_says_why(nodeflow, tiny, tmp_path):
    more = ("--set", f"model={tiny('text_to_image')}", "--set", "steps=2", "--set", "seed=77")
    before = json.loads(nodeflow("plan", GRAPH, *more, "--json").out)
    assert {row["status"] for row in before} <= {"run", "lazy", "unknown", "cached"}
    nodeflow("run", GRAPH, *more, "-o", tmp_path)
    after = {
        row["node"]: row for row in json.loads(nodeflow("plan", GRAPH, *more, "--set", "guidance=3", "--json").out)
    }
    assert "guidance 2.0 → 3.0" in after["denoise"]["reason"]
    assert after["decode"]["status"] == "run"


def test_nodes_are_listed_and_explained(nodeflow):
    assert "sampling/denoise" in nodeflow("nodes").out
    said = nodeflow("nodes", "sampling/denoise").out
    assert "guidance" in said
    assert "1…30" in said
    assert json.loads(nodeflow("nodes", "sampling/denoise", "--json").out)["id"] == "sampling/denoise"
    wrong = nodeflow("nodes", "sampling/denoize")
    assert (wrong.status, "did you mean 'sampling/denoise'" in wrong.err) == (3, True)


def test_models_are_described_from_headers(nodeflow, tiny):
    said = nodeflow("models", tiny("text_to_image"))
    assert said.status == 0
    assert "UNet2DConditionModel" in said.out
    assert nodeflow("models", "/nowhere/at/all").status == 5


@pytest.mark.parametrize(
    ("arguments", "status", "start"),
    [
        (["bogus"], 2, "NF701"),
        (["run"], 2, "NF701"),
        (["check", "/nowhere.json"], 3, ""),
        (["run", "/nowhere.json"], 3, "NF107"),
        (["run", str(GRAPH), "--set", "prompt"], 2, "NF701"),
        (["run", str(GRAPH), "--device", "abacus"], 5, "NF411"),
        (["run", str(GRAPH), "--dtype", "int3"], 5, "NF412"),
    ],
)
def test_wrong_use_is_one_line_and_a_status(nodeflow, arguments, status, start):
    said = nodeflow(*arguments)
    assert said.status == status, said
    assert said.err.startswith(start)
    assert len(said.err.splitlines()) <= 1


def test_a_graph_that_misses_a_broken_pack_says_so(tmp_path):
    (tmp_path / "packs").mkdir()
    (tmp_path / "packs" / "mine.py").write_text("raise ValueError('not today')")
    graph = tmp_path / "graph.json"
    graph.write_text('{"nodeflow": 1, "outputs": {"x": "a.x"}, "nodes": {"a": {"type": "mine/x"}}}')
    command = [sys.executable, "-m", "nodeflow", "check", str(graph)]
    said = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "NODEFLOW_DATA": str(tmp_path)})
    assert said.returncode == 3
    assert "NF201 a" in said.stdout
    assert "NF301 pack mine" in said.stderr
    assert "not today" in said.stderr


def test_a_family_that_is_not_known_is_refused_before_running(nodeflow, tiny, tmp_path):
    model = tiny.copy("text_to_image", tmp_path)
    index = model / "model_index.json"
    index.write_text(index.read_text().replace("UNet2DConditionModel", "UNet3DConditionModel"))
    said = nodeflow("run", GRAPH, "--set", f"model={model}", "-q")
    assert said.status == 5
    assert said.err.startswith("NF406 load: ") and "UNet3DConditionModel" in said.err


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["--version"]])
def test_help_is_there_at_once(arguments):
    """Nothing that checks types, and none of the parts that a run needs."""
    code = "import sys; from nodeflow.cli.app import run_app\ntry: run_app(sys.argv[1:])\nfinally: print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()[-1].split()
    assert not {"torch", "numpy", "msgspec", "pydantic", "typer", "rich", "nodeflow.packs"} & {*loaded}
    assert arguments == ["--version"] or "usage: nodeflow" in done.stdout


def test_switches_lists_and_places_are_read_in_any_order(nodeflow, tmp_path):
    file = tmp_path / "graph.json"
    assert nodeflow("new", file).status == 0
    first = nodeflow("check", "--no-deep", file, "--json", file)
    assert (first.status, first.out, first.err) == (0, "", "")
    assert "there is no option '--depe'" in nodeflow("check", file, "--depe").err
    assert "--save-every" in nodeflow("run", file, "--save-every", "-1").err
