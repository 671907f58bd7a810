"""Sounds come back as they went out, and a stranger's file gives a sound or one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodeflow.errors import NodeflowError
from nodeflow.media import sounds

TONE = 0.5 * np.sin(2 * np.pi * 440 * np.arange(4000) / 16000)
STEREO = np.stack([TONE, 0.3 * TONE[::-1]]).astype(np.float32)


@pytest.mark.parametrize(("suffix", "error"), [(".flac", 2**-23), (".wav", 2**-23), (".ogg", 0.05)])
@pytest.mark.parametrize("channels", [1, 2])
def test_what_is_written_is_read(tmp_path: Path, suffix: str, error: float, channels: int) -> None:
    path = tmp_path / f"a{suffix}"
    sounds.write(path, STEREO[:channels], 16000)
    samples, rate = sounds.read(path)
    assert (rate, samples.dtype, samples.shape) == (16000, np.float32, (channels, 4000))
    assert np.abs(samples - STEREO[:channels]).max() <= error


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=50),
    st.sampled_from(sorted(sounds.SUFFIXES)),
)
@settings(max_examples=40, deadline=None)
def test_the_graph_comes_back_byte_for_byte(tmp_path_factory: pytest.TempPathFactory, text: str, suffix: str) -> None:
    path = tmp_path_factory.mktemp("sound") / f"a{suffix}"
    graph = text * 400 + "x"  # longer than libsndfile's own strings
    sounds.write(path, STEREO, 16000, graph=graph)
    assert sounds.graph_in(path) == graph
    assert sounds.read(path)[0].shape == STEREO.shape


def test_a_sound_without_a_graph_says_so(tmp_path: Path) -> None:
    for suffix in sounds.SUFFIXES:
        sounds.write(tmp_path / f"a{suffix}", STEREO, 16000)
        with pytest.raises(NodeflowError, match="NF604"):
            sounds.graph_in(tmp_path / f"a{suffix}")


def test_damaged_files_are_refused_in_one_sentence(tmp_path: Path) -> None:
    for suffix in sounds.SUFFIXES:
        whole = tmp_path / f"whole{suffix}"
        sounds.write(whole, STEREO, 16000, graph="{}")
        data = whole.read_bytes()
        for length in (0, 3, 11, 40, len(data) // 2):
            path = tmp_path / f"cut{suffix}"
            path.write_bytes(data[:length])
            for use in (sounds.read, sounds.graph_in):
                try:
                    use(path)
                except NodeflowError as error:
                    assert error.code in ("NF601", "NF604")
                    assert "\n" not in str(error)
    (tmp_path / "a.wav").write_text("not a sound")
    with pytest.raises(NodeflowError, match="NF601"):
        sounds.read(tmp_path / "a.wav")
    with pytest.raises(NodeflowError, match="NF107"):
        sounds.read(tmp_path / "absent.wav")


def test_a_format_that_cannot_hold_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(NodeflowError, match=r"NF605.*\.mp3"):
        sounds.write(tmp_path / "a.mp3", STEREO, 16000)
    with pytest.raises(NodeflowError, match="NF605"):
        sounds.encode(np.zeros((9, 10), np.float32), 16000, "FLAC")


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    sounds.write(path, STEREO, 16000)
    before = path.read_bytes()
    with pytest.raises(NodeflowError):
        sounds.write(path, np.zeros((9, 10), np.float32), 16000)
    assert path.read_bytes() == before
