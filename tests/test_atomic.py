"""Laws of `atomic_write`: the old file or the new, whatever fails and whenever it is killed."""

from __future__ import annotations

import builtins
import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nodeflow import atomic
from nodeflow.atomic import atomic_write
from nodeflow.errors import NodeflowError

ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS)
CALLS = ("open", "write", "flush", "fsync", "chmod", "replace")


class _Failing:
    """A file whose `write` or `flush` fails."""

    def __init__(self, file: Any, call: str, error: BaseException) -> None:
        self._file, self._call, self._error = file, call, error

    def __enter__(self) -> _Failing:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return _raising(self._error) if name == self._call else getattr(self._file, name)


def _raising(error: BaseException) -> Any:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def _break(monkeypatch: pytest.MonkeyPatch, call: str, error: BaseException) -> None:
    if call == "open":
        monkeypatch.setattr(atomic, "open", _raising(error), raising=False)
    elif call in ("write", "flush"):
        opened = builtins.open
        monkeypatch.setattr(atomic, "open", lambda *given: _Failing(opened(*given), call, error), raising=False)
    else:
        monkeypatch.setattr(os, call, _raising(error))


@pytest.mark.parametrize("number", ERRORS, ids=errno.errorcode.get)
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("old", [b"old", None], ids=["replaced", "new"])
def test_a_failing_call_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, old: bytes | None
) -> None:
    if old is None and call == "chmod":
        pytest.skip("a new file has no permissions to keep")
    path = tmp_path / "graph.json"
    if old is not None:
        path.write_bytes(old)
    with monkeypatch.context() as broken:
        _break(broken, call, OSError(number, os.strerror(number)))
        with pytest.raises(NodeflowError) as caught:
            atomic_write(path, b"new" * 700_000)
    assert caught.value.code == "NF108"
    assert "2.1 MB needed" in str(caught.value)
    assert ("the old file is kept" if old else "nothing was written") in str(caught.value)
    assert [file.name for file in tmp_path.iterdir()] == (["graph.json"] if old is not None else [])
    assert old is None or path.read_bytes() == old


@pytest.mark.parametrize("call", CALLS)
def test_an_interrupt_at_any_call_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "graph.json"
    path.write_bytes(b"old")
    with monkeypatch.context() as broken:
        _break(broken, call, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            atomic_write(path, b"new")
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("graph.json", b"old")]


def test_a_folder_that_cannot_be_synced_is_said_and_the_new_file_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, fsync, calls = tmp_path / "graph.json", os.fsync, []

    def second_fails(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 2:
            raise OSError(errno.EIO, "broken")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", second_fails)
    with pytest.raises(NodeflowError, match="it is written, but the disk could not confirm"):
        atomic_write(path, b"new")
    assert path.read_bytes() == b"new"


def test_the_data_is_synced_before_the_move_and_the_folder_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, os.replace

    def synced(handle: int) -> None:
        order.append("folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file")
        fsync(handle)

    def moved(*ends: str) -> None:
        order.append("move")
        replace(*ends)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", moved)
    atomic_write(tmp_path / "a", b"data")
    assert order == ["file", "move", "folder"]


@pytest.mark.parametrize("there", [True, False], ids=["to a file", "to nothing yet"])
def test_a_symlink_stays_one_and_its_target_changes(tmp_path: Path, there: bool) -> None:
    target, link = tmp_path / "folder" / "real.json", tmp_path / "link.json"
    target.parent.mkdir()
    if there:
        target.write_bytes(b"old")
    link.symlink_to("folder/real.json")
    atomic_write(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_permissions_stay_and_a_new_file_gets_the_usual_ones(tmp_path: Path) -> None:
    path = tmp_path / "graph.json"
    path.write_bytes(b"old")
    path.chmod(0o640)
    atomic_write(path, b"new")
    assert path.stat().st_mode & 0o777 == 0o640
    usual = tmp_path / "usual"
    usual.touch()
    atomic_write(tmp_path / "new", b"new")
    assert (tmp_path / "new").stat().st_mode == usual.stat().st_mode


@pytest.mark.parametrize("name", ["no/such/folder.json", "a-file/graph.json", "nul\0.json"])
def test_a_place_that_cannot_be_written_is_one_clear_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "a-file").write_bytes(b"")
    with pytest.raises(NodeflowError) as caught:
        atomic_write(f"{tmp_path}/{name}", b"new")
    assert caught.value.code == "NF108"


_KILLS = """
import os, random, signal, sys, time
from nodeflow.graph import Graph, load, save

path, careful = sys.argv[1], sys.argv[2] == "careful"
base = Graph()
for number in range(100):
    base.add("value/number", value=number)

def write(version):
    base.extra["saved"] = version
    if careful:
        save(base, path)
    else:
        from nodeflow.graph import dumps
        with open(path, "w") as file:
            file.write(dumps(base))

write(0)
random.seed(7)
lost = 0
for turn in range(200 if careful else 40):
    said, tell = os.pipe()
    child = os.fork()
    if child == 0:
        version = turn * 1000
        while True:
            version += 1
            write(version)
            os.write(tell, version.to_bytes(4, "big"))
    os.close(tell)
    os.read(said, 4)
    time.sleep(random.random() * 0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    told = b"".join(iter(lambda: os.read(said, 65536), b""))
    os.close(said)
    last = int.from_bytes(told[-4:], "big") if told else turn * 1000 + 1
    try:
        assert len(load(path).nodes) == 100 and load(path).extra["saved"] >= last
    except Exception:
        lost += 1
        write(0)
print(lost)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
@pytest.mark.parametrize("how", ["careful", "careless"])
def test_two_hundred_kills_while_saving_lose_nothing(tmp_path: Path, how: str) -> None:
    """The careless way, which opens the file and writes, shows that the test can see a loss."""
    command = [sys.executable, "-c", _KILLS, str(tmp_path / "graph.json"), how]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=200)
    lost = int(done.stdout)
    assert lost == 0 if how == "careful" else lost > 0
