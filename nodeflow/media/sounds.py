"""Read and write sounds, and the graph JSON they carry.

The graph stands in the comment: a Vorbis comment in FLAC and Ogg, an `ICMT` entry in WAV.
"""

from __future__ import annotations

import contextlib
import io
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..atomic import atomic_write
from ..errors import NodeflowError
from .files import regular_file

if TYPE_CHECKING:
    import numpy as np

MAX_SAMPLES = 500_000_000
"""Samples of all channels together that are read: two gigabytes."""
SUFFIXES = {".flac": "FLAC", ".wav": "WAV", ".ogg": "OGG"}
READABLE = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".opus")

_SUBTYPES = {"FLAC": "PCM_24", "WAV": "PCM_24", "OGG": "VORBIS"}
_MARK = "nodeflow:"


def read(path: str | os.PathLike[str]) -> tuple[np.ndarray, int]:
    """A sound and its rate.

    Returns:
        ([channels, samples] float32 in -1..1, samples a second).

    Raises:
        NodeflowError: NF107 when there is no such file, NF601 when it is not a whole sound, NF602 when it is too long.
    """
    with _opened(path) as sound:
        if sound.frames * sound.channels > MAX_SAMPLES:
            minutes = sound.frames / sound.samplerate / 60
            what = f"{minutes:.0f} minutes of {sound.channels} channels is too long"
            raise NodeflowError("NF602", what, where=str(path), fix="cut it first")
        samples = sound.read(dtype="float32", always_2d=True)
        if len(samples) != sound.frames:
            raise NodeflowError("NF601", f"the sound is cut: {len(samples)} of {sound.frames} samples are there",
                                where=str(path), fix="save it again")  # fmt: skip
    return samples.T.copy(), sound.samplerate


def decode(data: bytes) -> tuple[np.ndarray, int]:
    """A sound from the bytes of a file: ([channels, samples] float32, samples a second). NF601 where it is none."""
    import soundfile

    try:
        samples, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise NodeflowError("NF601", f"this is no sound: {error.error_string}") from error
    return samples.T.copy(), rate


def write(path: str | os.PathLike[str], samples: np.ndarray, rate: int, *, graph: str | None = None) -> None:
    """Write [channels, samples] float in -1..1 as FLAC, WAV (both 24 bit) or Ogg Vorbis, by the name's ending.

    Args:
        path: The file; replaced whole or not at all.
        samples: The sound.
        rate: Samples a second.
        graph: Graph JSON to carry.

    Raises:
        NodeflowError: NF605 for an unknown ending or what the format cannot hold, NF108 when it cannot be written.
    """
    atomic_write(path, encode(samples, rate, format_of(path), graph=graph))


def encode(samples: np.ndarray, rate: int, format: str = "FLAC", *, graph: str | None = None) -> bytes:
    """A sound as the bytes of a file: "FLAC", "WAV" or "OGG". NF605 where the format cannot hold it."""
    import soundfile

    buffer = io.BytesIO()
    try:
        with soundfile.SoundFile(buffer, "w", rate, len(samples), _SUBTYPES[format], format=format) as sound:
            if graph is not None and format != "WAV":
                sound.comment = _MARK + graph
            # libsndfile overflows its stack on long Ogg blocks
            for begin in range(0, samples.shape[1], 1 << 16):
                sound.write(samples[:, begin : begin + (1 << 16)].T)
    except soundfile.LibsndfileError as error:
        what = f"{len(samples)} channels at {rate} Hz cannot be written as {format} ({error.error_string})"
        raise NodeflowError("NF605", what, fix="use another format or rate") from error
    data = buffer.getvalue()
    return _commented(data, _MARK + graph) if graph is not None and format == "WAV" else data


def format_of(path: str | os.PathLike[str]) -> str:
    """The format a name's ending asks for; NF605 when unknown."""
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise NodeflowError("NF605", f"sounds cannot be written as {suffix or 'a file without ending'!r}",
                            where=str(path), fix=f"use one of {known}")  # fmt: skip
    return SUFFIXES[suffix]


def graph_in(path: str | os.PathLike[str]) -> str:
    """The graph JSON inside a sound.

    Raises:
        NodeflowError: NF604 when it carries none, else as `read`.
    """
    with _opened(path) as sound:
        comment = sound.comment
    if not comment.startswith(_MARK):
        comment = next(_comments(Path(path).read_bytes()), "")
    if not comment.startswith(_MARK):
        raise NodeflowError("NF604", "the sound carries no graph", where=str(path),
                            fix="open one that nodeflow saved, unchanged")  # fmt: skip
    return comment.removeprefix(_MARK)


def _commented(wave: bytes, comment: str) -> bytes:
    """A WAV file with a comment of any length behind its samples; libsndfile's own holds 16 kB."""
    text = comment.encode() + b"\0"
    entry = b"INFOICMT" + struct.pack("<I", len(text)) + text + b"\0" * (len(text) % 2)
    whole = wave + b"\0" * (len(wave) % 2) + b"LIST" + struct.pack("<I", len(entry)) + entry
    return whole[:4] + struct.pack("<I", len(whole) - 8) + whole[8:]


def _comments(data: bytes) -> Iterator[str]:
    """The `ICMT` entries of a WAV file; nothing of other files."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return
    for kind, chunk in _chunks(data[12:]):
        if kind == b"LIST" and chunk[:4] == b"INFO":
            yield from (
                text.rstrip(b"\0").decode(errors="replace") for tag, text in _chunks(chunk[4:]) if tag == b"ICMT"
            )


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 0
    while place + 8 <= len(data):
        (size,) = struct.unpack_from("<I", data, place + 4)
        yield data[place : place + 4], data[place + 8 : place + 8 + size]
        place += 8 + size + size % 2


@contextlib.contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[Any]:
    """The opened sound; whatever libsndfile says while it is open comes out as one located error."""
    import soundfile

    with regular_file(path) as file:
        try:
            with soundfile.SoundFile(file) as sound:
                yield sound
        except soundfile.LibsndfileError as error:
            raise NodeflowError("NF601", f"this is no sound, or it is damaged: {error.error_string}", where=str(path),
                                fix=f"use one of {', '.join(READABLE)}") from error  # fmt: skip
