"""A header is believed only when it is whole; whatever the bytes are, the answer is a header or one clear fault."""

from __future__ import annotations

import json
import os
import pickle
import resource
import struct
import time
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from nodeflow.diffusion.checkpoints.headers import MAX_HEADER_BYTES, read_header
from nodeflow.diffusion.checkpoints.identity import digest, full_digest
from nodeflow.errors import NodeflowError


def written(path: Path, header: object, data: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def entry(shape=(2,), start=0, end=8, dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}


def code_of(path: Path) -> str:
    with pytest.raises(NodeflowError) as caught:
        read_header(path)
    assert "\n" not in str(caught.value)
    return caught.value.code


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.safetensors"
    tensors = {f"block.{i}.weight": torch.randn(7, 5 + i) for i in range(40)} | {"scalar": torch.tensor(1.0)}
    save_file(tensors, path, {"format": "pt"})
    return path


def test_a_header_says_what_the_library_wrote(model):
    header = read_header(model)
    assert header.tensors["block.3.weight"].shape == (7, 8)
    assert header.tensors["scalar"].shape == ()
    assert header.metadata == {"format": "pt"}
    assert max(info.end for info in header.tensors.values()) == model.stat().st_size


def test_cut_anywhere_is_a_fault(model):
    size = model.stat().st_size
    for length in sorted({*range(200), *(size * i // 800 for i in range(800))} - {size}, reverse=True):
        os.truncate(model, length)
        assert code_of(model) == "NF402", length


def test_a_cut_file_says_how_much_is_here(model):
    os.truncate(model, 3000)
    with pytest.raises(NodeflowError, match=r"3\.0 of \d+\.\d kB are here; download it again"):
        read_header(model)


@pytest.mark.parametrize(
    ("header", "data"),
    [
        (b"{]", b""),
        (b"[1]", b""),
        (b'{"a": ' + b"[" * 100_000, b""),
        (b'{"a": NaN}', b""),
        (b'{"a": ' + b"9" * 5000 + b"}", b""),
        (b'{"\xff": 1}', b""),
        (b'{"a": {}, "a": {}}', b""),
        ({"a": 1}, b""),
        ({"a": entry(end=12)}, bytes(12)),
        ({"a": entry(start=8, end=16)}, bytes(16)),
        ({"a": entry(), "b": entry(start=4, end=12)}, bytes(12)),
        ({"a": entry(), "b": entry(start=12, end=20)}, bytes(20)),
        ({"a": entry(shape=(-2,))}, bytes(8)),
        ({"a": entry(shape=(True, 2))}, bytes(8)),
        ({"a": entry(shape=(1 << 70, 1 << 70))}, bytes(8)),
        ({"a": entry(), "__metadata__": {"x": 1}}, bytes(8)),
        ({"a": entry()}, bytes(9)),
    ],
)
def test_a_header_that_contradicts_itself_is_refused(tmp_path, header, data):
    assert code_of(written(tmp_path / "x.safetensors", header, data)) in ("NF402", "NF403")


def test_an_unknown_number_format_is_named(tmp_path):
    assert code_of(written(tmp_path / "x.safetensors", {"a": entry(dtype="F7")}, bytes(8))) == "NF412"


@given(content=st.binary(max_size=200), prefix=st.sampled_from([b"", b"\x20" + bytes(7) + b"{", b"\x02" + bytes(7)]))
def test_any_bytes_are_a_header_or_a_fault(tmp_path_factory, content, prefix):
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    path.write_bytes(prefix + content)
    try:
        read_header(path)
    except NodeflowError as error:
        assert error.code in ("NF401", "NF402", "NF403", "NF405", "NF412")


def test_bloated_headers_are_refused_in_bounded_time_and_memory(tmp_path):
    many = {f"t{i}": entry(shape=(0,), start=0, end=0) for i in range(120_000)}
    bloated = written(tmp_path / "many.safetensors", many)
    huge = tmp_path / "huge.safetensors"
    huge.write_bytes(struct.pack("<Q", MAX_HEADER_BYTES + 1) + b"{")
    os.truncate(huge, 2 * MAX_HEADER_BYTES)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    assert code_of(bloated) == code_of(huge) == "NF403"
    assert time.process_time() - start < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


class Mark:
    """Leaves a mark when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("legacy", [True, False])
def test_pickles_are_refused_and_not_run(tmp_path, legacy):
    mark, path = tmp_path / "mark", tmp_path / "model.safetensors"
    torch.save({"x": Mark(mark)}, path, _use_new_zipfile_serialization=not legacy)
    assert code_of(path) == "NF405"
    path.write_bytes(pickle.dumps(Mark(mark)))
    assert code_of(path) == "NF405"
    assert not mark.exists()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"<!doctype html><html>not found</html>", "NF403"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n", "NF401"),
        (b"GGUF\x03\0\0\0\x10\0\0\0", "NF402"),
    ],
)
def test_what_downloads_leave_instead_of_models_is_named(tmp_path, content, code):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    assert code_of(path) == code


def test_a_missing_file_is_a_fault(tmp_path):
    assert code_of(tmp_path / "none.safetensors") == "NF401"


# -- identity ----------------------------------------------------------------------------------------------------


def test_a_digest_changes_with_the_content(model):
    first = digest([model])
    assert first == digest([model])
    size, data = model.stat().st_size, bytearray(model.read_bytes())
    data[size // 2] ^= 1
    model.write_bytes(data)
    assert digest([model]) != first


def test_a_copy_has_the_same_untimed_digest(model, tmp_path):
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(model.read_bytes())
    os.utime(copy, (0, 0))
    assert digest([copy]) != digest([model])
    assert digest([copy], timed=False) == digest([model], timed=False)
    assert full_digest(copy) == full_digest(model)


def test_a_full_digest_sees_every_bit_even_with_a_forged_time(tmp_path):
    path = tmp_path / "large.safetensors"
    save_file({"x": torch.zeros(1 << 20)}, path)
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    quick, full = digest([path]), full_digest(path)
    with path.open("r+b") as file:
        file.seek(100_000)
        file.write(b"\x01")
    os.utime(path, ns=times)
    assert full_digest(path) != full
    assert digest([path]) == quick, "the documented limit of the quick digest"
