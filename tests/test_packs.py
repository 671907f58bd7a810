"""A broken pack costs one line; a cached catalogue runs no pack; a change of a source is seen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nodeflow import content
from nodeflow.errors import NodeflowError
from nodeflow.packs import Library, catalogue, find, load

GOOD = '''
from nodeflow import node


@node("{id}")
def double(a: int = 1) -> int:
    """Twice a number.

    Args:
        a: The number.
    """
    return 2 * a
'''
BARE = GOOD.partition('    """')[0] + '    """Twice a number."""\n    return 2 * a\n'
UNTYPED = GOOD.replace("a: int = 1", "a=1")

BROKEN = {
    "raises": ("raise RuntimeError('no\\nsuch\\nthing')", r"NF301 pack broken: .*RuntimeError: no such thing"),
    "lacks": ("import a_library_that_is_not_there", r"NF301.*No module named 'a_library_that_is_not_there'"),
    "exits": ("import sys; sys.exit(3)", r"NF301.*SystemExit: 3"),
    "dies": ("import os; os._exit(7)", r"NF301.*ended Python with status 7"),
    "crashes": ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", r"NF301.*ended Python with status -11"),
    "hangs": ("while True: pass", r"NF301.*took longer than"),
    "sleeps": ("import time; time.sleep(100)", r"NF301.*took longer than"),
    "syntax": ("def (", r"NF301.*SyntaxError"),
    "encoding": ("x = '\udcff'", r"NF301.*(SyntaxError|codec)"),
    "untyped": (UNTYPED.format(id="broken/a"), r"NF303 broken/a\.a: parameter 'a' has no type"),
    "twice": (GOOD.format(id="broken/a") + GOOD.format(id="broken/a").replace("double", "d2"), "NF302 broken"),
    "taken": (GOOD.format(id="good/double"), r"NF302.*good/double is already declared in good"),
    "undocumented": (BARE.format(id="broken/a"), r"NF303 pack broken: broken/a says nothing about a"),
    "shadows": ("from nodeflow import Value\nclass Image(Value): pass", r"NF303.*has a value of this name"),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of packs with one good one."""
    write(tmp_path / "packs" / "good", nodes=GOOD.format(id="good/double"))
    return tmp_path / "packs"


@pytest.fixture(autouse=True)
def forget():
    yield
    for name in [name for name in sys.modules if name.startswith("nodeflow_packs")]:
        del sys.modules[name]


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.py").write_bytes(text.encode("utf-8", "surrogateescape"))


def library(folder: Path) -> Library:
    found = [find.Pack(path.stem, path) for path in sorted(folder.iterdir(), reverse=True)]
    return Library.of_packs(sorted(found, key=lambda pack: pack.name != "good"), folder.parent / "cache")


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_pack_costs_one_line_and_the_rest_start(
    folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, line = BROKEN[kind]
    library(folder)
    monkeypatch.setattr(catalogue, "PATIENCE", 2.0 if kind in ("hangs", "sleeps") else 20.0)
    write(folder / "broken", nodes=text)
    made = library(folder)
    assert len(made.faults) == 1
    with pytest.raises(NodeflowError, match=line):
        raise NodeflowError.of(made.faults)
    assert made.type("good/double").function(4) == 8


def test_a_pack_that_lacks_a_library_in_each_file_costs_one_line(folder: Path) -> None:
    write(folder / "broken", **{f"part{i}": "import not_there" for i in range(5)}, fine=GOOD.format(id="broken/fine"))
    made = library(folder)
    assert [fault.line.count("(and 4 more)") for fault in made.faults] == [1]
    assert made.type("broken/fine").function(2) == 4


def test_a_pack_whose_start_fails_is_off_as_a_whole(folder: Path) -> None:
    write(folder / "broken", __init__="1 / 0", nodes=GOOD.format(id="broken/a"))
    made = library(folder)
    assert ["ZeroDivisionError" in fault.line for fault in made.faults] == [True]
    assert made.spec("broken/a") is None


def test_a_broken_pack_is_not_tried_again_at_each_start(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder / "broken", nodes="import time; time.sleep(100)")
    monkeypatch.setattr(catalogue, "PATIENCE", 1.0)
    first = library(folder)
    monkeypatch.setattr(catalogue, "_in_child", lambda pack: pytest.fail("tried again"))
    assert library(folder).faults == first.faults
    monkeypatch.setattr(catalogue, "RETRY", 0.0)
    with pytest.raises(pytest.fail.Exception):
        library(folder)


def test_what_a_pack_prints_does_no_harm(folder: Path) -> None:
    noise = "import atexit, sys; print('hello'); atexit.register(print, 'bye')\n" + GOOD.format(id="noisy/a")
    write(folder / "noisy", nodes=noise)
    assert library(folder).faults == []


def test_a_pack_may_have_helpers_folders_and_a_start(folder: Path) -> None:
    body = GOOD.format(id="big/a").replace("2 * a", "helper(a) + START")
    head = "from ._help import helper\nfrom . import START\n"
    write(
        folder / "big",
        __init__="from pathlib import Path\nSTART = len([Path(__file__)])",
        _help="def helper(a): return a",
    )
    write(folder / "big" / "inner", nodes=head.replace("from .", "from ..") + body)
    write(folder / "big" / ".hidden", nodes="1 / 0")
    made = library(folder)
    assert made.faults == []
    assert made.type("big/a").function(4) == 5
    assert made.spec("big/a").source.startswith("inner/nodes.py:")


def test_a_single_file_is_a_pack(folder: Path) -> None:
    write(folder, single=GOOD.format(id="single/a"), __init__="1 / 0")
    made = library(folder)
    assert made.type("single/a").function(4) == 8


def test_two_packs_of_one_name_are_not_mixed(folder: Path) -> None:
    write(folder / "a", nodes=GOOD.format(id="a/a"))
    twins = [find.Pack("same", folder / "good"), find.Pack("same", folder / "a")]
    made = Library.of_packs(twins, folder.parent / "cache")
    assert made.ids() == ["good/double"] and [fault.code for fault in made.faults] == ["NF301"]


def test_a_cached_catalogue_runs_no_pack(folder: Path) -> None:
    library(folder)
    code = (
        "import sys, pathlib; from nodeflow.packs import Library, find; folder = pathlib.Path(sys.argv[1]); "
        "made = Library.of_packs([find.Pack('good', folder / 'good')], folder.parent / 'cache'); "
        "assert made.ids() == ['good/double'] and not made.faults; "
        "assert not [name for name in sys.modules if name.startswith('nodeflow_packs')]; "
        "made.type('good/double'); assert 'nodeflow_packs.good.nodes' in sys.modules; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True)


def test_a_changed_file_is_described_anew_and_changes_the_digest(folder: Path) -> None:
    file = folder / "good" / "nodes.py"
    os.utime(file, ns=(10**18, 10**18))
    before = library(folder).spec("good/double")
    assert library(folder).type("good/double").function(4) == 8
    write(folder / "good", nodes=GOOD.format(id="good/triple").replace("2 * a", "3 * a"))
    os.utime(file, ns=(10**18 + 1, 10**18 + 1))  # within the same second, and of the same size
    load.unload(find.Pack("good", folder / "good"))
    after = library(folder)
    assert after.ids() == ["good/triple"]
    assert after.spec("good/triple").digest != before.digest
    assert after.type("good/triple").function(4) == 12


def test_the_digest_is_of_what_the_files_say_and_where_they_are(folder: Path) -> None:
    pack = find.Pack("good", folder / "good")
    first = pack.digest()
    os.utime(folder / "good" / "nodes.py")
    assert pack.digest() == first
    (folder / "good" / "inner").mkdir()
    (folder / "good" / "nodes.py").rename(folder / "good" / "inner" / "nodes.py")
    moved = pack.digest()
    assert moved != first
    write(folder / "good", _help="")
    assert pack.digest() != moved


def test_a_damaged_or_unwritable_cache_costs_only_time(folder: Path) -> None:
    specs = [library(folder).spec("good/double")]
    for file in (folder.parent / "cache" / "catalogue").iterdir():
        file.write_bytes(file.read_bytes()[:-9])
    specs.append(library(folder).spec("good/double"))
    blocked = folder.parent / "file"
    blocked.write_text("")
    specs.append(Library.of_packs([find.Pack("good", folder / "good")], blocked).spec("good/double"))
    assert specs[0] == specs[1] == specs[2]


def test_a_pack_that_goes_away_is_named(folder: Path) -> None:
    made = library(folder)
    (folder / "good" / "nodes.py").unlink()
    with pytest.raises(NodeflowError, match=r"NF301 pack good"):
        made.type("good/double")
    with pytest.raises(NodeflowError, match=r"NF201.*did you mean 'good/double'"):
        made.type("good/duble")
    (folder / "good" / "link.py").symlink_to("nowhere.py")
    assert [fault.code for fault in library(folder).faults] == ["NF301"]


def test_a_former_id_finds_the_node_and_nobody_else_may_have_it(folder: Path) -> None:
    write(folder / "new", nodes=GOOD.format(id="new/a").replace('new/a"', 'new/a", formerly=("old/a",)'))
    assert library(folder).spec("old/a").id == "new/a"
    write(folder / "other", nodes=GOOD.format(id="old/a"))
    assert [fault.code for fault in library(folder).faults] == ["NF302"]


def test_packs_come_from_the_checkout_from_packages_and_from_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "site" / "offered" / "deep", __init__="raise RuntimeError", nodes=GOOD.format(id="offered/a"))
    write(tmp_path / "site" / "offered", __init__="raise RuntimeError('a parent was run')")
    write(tmp_path / "site", lone=GOOD.format(id="lone/a"))
    info = tmp_path / "site" / "offered-1.0.dist-info"
    info.mkdir()
    points = "[nodeflow.packs]\noffered = offered.deep\nlone=lone\ngone = gone.away\nlost = offered.lost\nbuilt = sys\n"
    (info / "entry_points.txt").write_text(points)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: offered\nVersion: 1.0\n")
    write(tmp_path / "data" / "packs" / "mine.v2", nodes="")
    write(tmp_path / "data" / "packs", single="", _not="")
    write(tmp_path / "data" / "packs" / ".git", nodes="")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("NODEFLOW_DATA", str(tmp_path / "data"))
    found = {pack.name: pack.root for pack in find.packs()}
    assert found == {
        "core": content.folder("nodes"),
        "offered": tmp_path / "site" / "offered" / "deep",
        "lone": tmp_path / "site" / "lone.py",
        "mine.v2": tmp_path / "data" / "packs" / "mine.v2",
        "single": tmp_path / "data" / "packs" / "single.py",
    }
    assert "offered" not in sys.modules


def test_a_library_of_functions_refuses_two_of_one_id() -> None:
    from nodeflow import node

    @node("t/one")
    def one(a: int = 0) -> int:
        return a

    assert Library.of(one).type("t/one").function is one
    with pytest.raises(NodeflowError, match="NF302"):
        Library.of(one, one)
