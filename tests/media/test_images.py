"""Pictures come back as they went out, and a stranger's file gives a picture or one sentence."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import textwrap
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from nodeflow.errors import NodeflowError
from nodeflow.media import images
from nodeflow.media.files import fingerprint

PIXELS = hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([3, 4])))
TEXTS = st.text(st.characters(codec="utf-8"), min_size=1)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


def saved(path: Path, picture: Image.Image, **options: object) -> Path:
    picture.save(path, **options)
    return path


@given(PIXELS, st.sampled_from(["PNG", "WEBP"]))
def test_what_is_written_is_read(tmp_path: Path, pixels: np.ndarray, format: str) -> None:
    path = tmp_path / f"a.{format.lower()}"
    images.write(path, pixels)
    rgb, alpha = images.read(path)
    if pixels.shape[2] == 4 and alpha is not None:
        shown = pixels[..., 3] > 0  # a wholly transparent pixel has no colour to keep
        assert np.array_equal(rgb[shown], pixels[..., :3][shown])
        assert np.array_equal(alpha, pixels[..., 3])
    else:
        assert np.array_equal(rgb, pixels[..., :3])


@given(TEXTS, st.sampled_from([".png", ".webp", ".jpg"]))
@example('{"prompt": "ein rotes Herz, 赤いハート, ❤️"}\n', ".jpg")
@example("a\0b\r\n", ".png")
def test_the_graph_comes_back_byte_for_byte(tmp_path: Path, graph: str, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    images.write(path, np.zeros((4, 5, 3), np.uint8), graph=graph)
    assert images.graph_in(path) == graph


def test_a_large_graph_goes_into_png_and_webp_and_is_refused_by_jpeg(tmp_path: Path) -> None:
    graph, pixels = "é" * 3_000_000, np.zeros((4, 5, 3), np.uint8)
    for name in ("a.png", "a.webp"):
        images.write(tmp_path / name, pixels, graph=graph)
        assert images.graph_in(tmp_path / name) == graph
    with pytest.raises(NodeflowError, match=r"NF605.*too large for a JPEG"):
        images.write(tmp_path / "a.jpg", pixels, graph=graph)
    assert not (tmp_path / "a.jpg").exists()


def test_the_graph_is_found_behind_the_pixels(tmp_path: Path) -> None:
    data = images.encode(np.zeros((4, 5, 3), np.uint8))
    text = png_chunk(b"iTXt", b"nodeflow\0\0\0\0\0" + "{é}".encode())
    (tmp_path / "a.png").write_bytes(data[:-12] + text + data[-12:])
    assert images.graph_in(tmp_path / "a.png") == "{é}"


def test_a_picture_without_a_graph_says_so(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg", Image.new("RGB", (3, 3)))
    with pytest.raises(NodeflowError, match="NF604"):
        images.graph_in(path)


@pytest.mark.parametrize(
    ("name", "shape", "why"),
    [("a.tga", (4, 4, 3), "tga"), ("a", (4, 4, 3), "without ending"), ("a.png", (0, 4, 3), "4×0"),
     ("a.webp", (1, 16384, 3), "16384×1"), ("a.jpg", (4, 4, 4), "transparency")],
)  # fmt: skip
def test_what_a_format_cannot_hold_is_refused(tmp_path: Path, name: str, shape: tuple[int, ...], why: str) -> None:
    with pytest.raises(NodeflowError, match=f"NF605.*{why}"):
        images.write(tmp_path / name, np.zeros(shape, np.uint8))
    assert not (tmp_path / name).exists()


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    rgb, alpha = images.read(saved(tmp_path / "a.jpg", Image.new("CMYK", (4, 3), (0, 255, 255, 0)), quality=100))
    assert alpha is None and rgb.shape == (3, 4, 3)
    assert np.abs(rgb.astype(int) - [255, 0, 0]).max() <= 6


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_grey_is_scaled(tmp_path: Path, suffix: str) -> None:
    grey = np.array([[0, 257, 32896, 65535]], np.uint16)
    rgb, _ = images.read(saved(tmp_path / f"a{suffix}", Image.fromarray(grey)))
    assert rgb[0, :, 0].tolist() == [0, 1, 128, 255]


def test_floats_in_0_to_1_are_scaled(tmp_path: Path) -> None:
    values = np.array([[0.0, 0.5, 1.0, np.nan]], np.float32)
    rgb, _ = images.read(saved(tmp_path / "a.tif", Image.fromarray(values)))
    assert rgb[0, :, 0].tolist() == [0, 128, 255, 0]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_mode_gives_rgb(tmp_path: Path, mode: str) -> None:
    rgb, alpha = images.read(saved(tmp_path / "a.png", Image.new("RGBA", (5, 2), (255, 255, 255, 128)).convert(mode)))
    assert rgb.shape == (2, 5, 3) and rgb.min() == 255
    assert (alpha is not None) == (mode in ("LA", "P", "RGBA"))


def test_a_photo_is_turned_upright(tmp_path: Path) -> None:
    picture = Image.new("RGB", (6, 4))
    picture.putpixel((0, 0), (255, 255, 255))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it 90° clockwise
    rgb, _ = images.read(saved(tmp_path / "a.png", picture, exif=exif))
    assert rgb.shape == (6, 4, 3) and rgb[0, 3].min() == 255


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png"])
def test_of_an_animation_the_first_frame_is_read(tmp_path: Path, name: str) -> None:
    frames = [Image.new("RGB", (4, 4), color) for color in ("red", "blue", "green")]
    options = {"lossless": True} if name == "a.webp" else {}
    rgb, _ = images.read(saved(tmp_path / name, frames[0], save_all=True, append_images=frames[1:], **options))
    assert rgb[0, 0].tolist() == [255, 0, 0]


def test_a_bomb_is_named_by_its_size(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png_header(20000, 20000) + png_chunk(b"IDAT", zlib.compress(b"\0" * 1000)))
    for read in (images.read, images.graph_in):
        with pytest.raises(NodeflowError, match=r"NF602.*400 Mpx; the limit is 178"):
            read(tmp_path / "a.png")


def test_a_large_picture_below_the_limit_gives_no_warning(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png_header(10000, 10000) + png_chunk(b"IDAT", b""))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(NodeflowError, match="NF601"):
            images.read(tmp_path / "a.png")


def test_a_text_chunk_bomb_is_refused_with_bounded_memory(tmp_path: Path) -> None:
    bomb = zlib.compress(b"\0" * 500_000_000, 9)
    chunk = png_chunk(b"iTXt", b"nodeflow\0\1\0\0\0" + bomb)
    whole = images.encode(np.zeros((2, 2, 3), np.uint8))
    (tmp_path / "a.png").write_bytes(whole[:33] + chunk * 3 + whole[33:])
    code = """
        import resource, sys
        from nodeflow.errors import NodeflowError
        from nodeflow.media import images
        import numpy, PIL.PngImagePlugin
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for read in (images.read, images.graph_in):
            try:
                read(sys.argv[1])
            except NodeflowError as error:
                assert error.code in ("NF601", "NF604"), error
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "a.png")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 100_000  # kB


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"\0" * 5000])
def test_what_is_no_picture_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(NodeflowError, match="NF601"):
        images.read(tmp_path / "a.png")


def test_what_is_no_file_is_refused_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "none.png", tmp_path / "pipe", "/dev/zero", "a\0b.png", "x" * 5000):
        for read in (images.read, images.graph_in, fingerprint):
            with pytest.raises(NodeflowError, match="NF107"):
                read(path)


def originals() -> list[bytes]:
    """One small picture of each format, with a graph where it can carry one."""
    noise = np.random.default_rng(0).integers(0, 255, (24, 24, 4), np.uint8)
    own = [images.encode(noise[..., :3], format, graph="{}" * 40) for format in ("PNG", "WEBP", "JPEG")]
    buffers = []
    for format, mode in (("GIF", "P"), ("BMP", "RGB"), ("TIFF", "RGBA"), ("PNG", "P"), ("JPEG", "CMYK")):
        Image.fromarray(noise).convert("RGB").convert(mode).save(buffer := io.BytesIO(), format)
        buffers.append(buffer.getvalue())
    return own + buffers


ORIGINALS = originals()


@given(st.sampled_from(ORIGINALS), st.data())
def test_a_damaged_picture_gives_a_picture_or_one_sentence(
    tmp_path: Path, original: bytes, data: st.DataObject
) -> None:
    broken = bytearray(original)
    for _ in range(data.draw(st.integers(0, 8))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(broken)))
    (tmp_path / "a").write_bytes(broken[:cut])
    for read in (images.read, images.graph_in):
        try:
            result = read(tmp_path / "a")
        except NodeflowError as error:
            assert error.code[:3] == "NF6" and len(error.faults) == 1 and "\n" not in str(error)
        else:
            assert isinstance(result, str) or result[0].dtype == np.uint8


@pytest.mark.parametrize("original", ORIGINALS[:3])
def test_no_cut_picture_passes_for_a_whole_one(tmp_path: Path, original: bytes) -> None:
    for cut in range(0, len(original) - 20, 37):
        (tmp_path / "a").write_bytes(original[:cut])
        with pytest.raises(NodeflowError, match=r"NF60[12]"):
            images.read(tmp_path / "a")


def test_the_fingerprint_is_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")
    (tmp_path / "b").write_bytes(b"one")
    first = fingerprint(tmp_path / "a")
    assert first == fingerprint(tmp_path / "b")
    (tmp_path / "a").write_bytes(b"two")
    assert first != fingerprint(tmp_path / "a")
