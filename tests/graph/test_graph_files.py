"""Laws of graph files: one text for one graph, whole files only, and opening one touches nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nodeflow.errors import NodeflowError
from nodeflow.graph import Graph, dumps, load, loads, save

SAVED = Path(__file__).parents[1] / "saved" / "1"
FORMATS = Path(__file__).parents[1] / "saved"


@pytest.mark.parametrize("path", sorted(FORMATS.rglob("*.json")), ids=lambda path: path.stem)
def test_a_golden_file_opens_and_is_written_back_byte_for_byte(path: Path, tmp_path: Path) -> None:
    graph = load(path)
    save(graph, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()
    assert load(tmp_path / "again.json") == graph


def test_there_are_golden_files() -> None:
    assert len(list(SAVED.glob("*.json"))) >= 3


def test_one_changed_parameter_is_one_changed_line() -> None:
    graph = load(SAVED / "text-to-image.json")
    before = dumps(graph).splitlines()
    graph.nodes["denoise"].values["guidance"] = 7.5
    after = dumps(graph).splitlines()
    assert [(a, b) for a, b in zip(before, after, strict=True) if a != b] == [
        ('        "guidance": 7.0,', '        "guidance": 7.5,')
    ]


def test_a_moved_node_changes_only_its_line_in_the_view_at_the_end() -> None:
    graph = load(SAVED / "text-to-image.json")
    before = dumps(graph)
    graph.view["denoise"]["at"] = [1, 2]
    after = dumps(graph)
    logic = before.partition('  "view"')[0]
    assert after.startswith(logic)
    assert sum(a != b for a, b in zip(before.splitlines(), after.splitlines(), strict=True)) == 1


def test_the_text_does_not_depend_on_the_order_of_edits() -> None:
    one, other = Graph(), Graph()
    for graph, names in ((one, "abc"), (other, "cab")):
        for name in names:
            graph.nodes[name] = loads('{"nodeflow": 1, "nodes": {"n": {"type": "t"}}}').nodes["n"]
            graph.inputs[name] = f"{name}.x"
            graph.view[name] = {"at": [0, 0]}
    assert dumps(one) == dumps(other)


def test_numbers_keep_their_kind() -> None:
    graph = Graph()
    graph.add("t", whole=7, real=7.0, yes=True, zero=-0.0, huge=10**99, tiny=5e-324, exact=0.1)
    values = loads(dumps(graph)).nodes["t"].values
    assert {key: repr(value) for key, value in values.items()} == {
        key: repr(value) for key, value in graph.nodes["t"].values.items()
    }


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), 10**100, "\ud800", {1: 2}, object(), b"", {"\udc00": 1}],
    ids=["nan", "inf", "huge", "surrogate", "number as key", "object", "bytes", "surrogate as key"],
)
def test_what_a_file_cannot_hold_is_refused_and_the_old_file_stays(tmp_path: Path, value: object) -> None:
    graph = Graph()
    graph.add("t")
    save(graph, tmp_path / "g.json")
    before = (tmp_path / "g.json").read_bytes()
    graph.nodes["t"].values["x"] = value
    with pytest.raises(NodeflowError) as caught:
        save(graph, tmp_path / "g.json")
    assert caught.value.faults[0].where == "t.x"
    assert (tmp_path / "g.json").read_bytes() == before
    with pytest.raises(NodeflowError):
        graph.add("t", x=value)


def test_what_the_reader_would_refuse_is_not_written() -> None:
    for spoil in (
        lambda graph: graph.nodes["t"].wires.update(x="nowhere"),
        lambda graph: graph.nodes.update({"a.b": graph.nodes["t"]}),
        lambda graph: graph.extra.update(nodes=1),
        lambda graph: graph.nodes["t"].extra.update(type="x"),
        lambda graph: graph.outputs.update(image=""),
        lambda graph: setattr(graph.nodes["t"], "version", 0),
    ):
        graph = Graph()
        graph.add("t")
        spoil(graph)
        with pytest.raises(NodeflowError, match="NF105"):
            dumps(graph)


def test_a_newer_file_opens_read_only_when_asked(tmp_path: Path) -> None:
    data = b'{"nodeflow": 3, "nodes": {"a": {"type": "t", "colour": 1}}, "groups": [1]}'
    graph = load(data, newer=True)
    assert graph.nodes["a"].extra == {"colour": 1}
    with pytest.raises(NodeflowError, match="it is read-only here"):
        save(graph, tmp_path / "g.json")
    assert not (tmp_path / "g.json").exists()


@pytest.mark.parametrize("name", ["missing.json", ".", "nul\0"])
def test_a_file_that_cannot_be_read_is_one_clear_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(NodeflowError) as caught:
        load(f"{tmp_path}/{name}")
    assert caught.value.code == "NF107"


def test_a_side_that_git_has_no_file_for_is_an_empty_graph() -> None:
    assert load(b"", empty=True) == Graph()
    with pytest.raises(NodeflowError, match="empty"):
        load(b"")


_HOSTILE = """
import sys
from nodeflow.graph import load
from nodeflow.errors import NodeflowError

path, seen = sys.argv[1], []
def watch(event, args):
    if event == "open" and args[0] == path:
        return
    if event.split(".")[0] in ("open", "exec", "compile", "import", "socket", "subprocess", "os", "ctypes", "marshal",
                               "pickle", "shutil", "tempfile", "urllib", "code", "glob", "sys"):
        seen.append((event, repr(args)[:80]))
try:
    load(b"{")
except NodeflowError:
    pass
sys.addaudithook(watch)
watched = len(seen)
try:
    graph = load(path)
    print(len(graph.nodes))
except NodeflowError as error:
    print(error.code)
print(seen[watched:])
"""

_ATTACKS = {
    "types and paths": '{"nodeflow": 1, "nodes": {"a": {"type": "../../etc/passwd", "values": {"model": "/etc/shadow", '
    '"url": "http://127.0.0.1:1/", "code": "__import__(\'os\').system(\'id\')", "x": {"__class__": "os.system"}}, '
    '"wires": {"x": "__import__.os"}, "__reduce__": ["os.system", ["id"]]}}, "$ref": "file:///etc/passwd"}',
    "a type that is a module": '{"nodeflow": 1, "nodes": {"a": {"type": "os"}, "b": {"type": "torch"}}}',
    "deep": "[" * 100_000,
    "a key twice": '{"nodeflow": 1, "nodes": {}, "nodes": {}}',
    "half a character": '{"nodeflow": 1, "nodes": {"\\\\ud800": {}}}',
    "newer": '{"nodeflow": 99, "nodes": {}, "run": "rm -rf /"}',
}


@pytest.mark.parametrize("name", _ATTACKS)
def test_opening_a_hostile_graph_opens_runs_and_imports_nothing(tmp_path: Path, name: str) -> None:
    path = tmp_path / "hostile.json"
    path.write_text(_ATTACKS[name])
    done = subprocess.run(
        [sys.executable, "-c", _HOSTILE, str(path)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_opening_and_checking_need_no_torch() -> None:
    code = (
        "import sys; from nodeflow.graph import check, load, compare, merge; import nodeflow.graph.edits; "
        "print([name for name in ('torch', 'transformers', 'PIL', 'numpy', 'PySide6') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
