"""The core pack: every node and port is explained, no file costs torch, and nodes are functions that work."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from nodeflow import Image, Lazy, Mask, NodeflowError, content
from nodeflow.declaration import NodeSpec
from nodeflow.graph.allowed import value_fault
from nodeflow.media import images
from nodeflow.packs import Library
from nodeflow.packs.catalogue import describe
from nodeflow.packs.find import CORE, Pack

PACK = Pack(CORE, content.folder("nodes"))
PAGE = describe(PACK)
FILES = [file for file in PACK.files() if not file.name.startswith("_")]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return Library.of_packs([PACK], tmp_path_factory.mktemp("cache"))


@pytest.fixture
def call(library: Library):
    return lambda id, *given, **named: library.type(id).function(*given, **named)


def test_the_pack_has_no_fault_and_no_id_twice(library: Library) -> None:
    assert PAGE.faults == () and library.faults == []
    assert len({spec.id for spec in PAGE.specs}) == len(PAGE.specs) == len(library.ids())


@pytest.mark.parametrize("spec", PAGE.specs, ids=lambda spec: spec.id)
def test_every_node_and_every_port_is_explained(spec: NodeSpec) -> None:
    assert spec.doc.endswith((".", ":")) or "." in spec.doc
    assert len(spec.title) <= 30 and spec.title[0].isupper()
    for port in (*spec.inputs, *(spec.outputs if len(spec.outputs) > 1 else ())):
        assert port.doc and port.doc[-1] in ".:)", f"{spec.id}.{port.name} says {port.doc!r}"


@pytest.mark.parametrize("spec", PAGE.specs, ids=lambda spec: spec.id)
def test_every_default_is_allowed(spec: NodeSpec) -> None:
    for port in spec.inputs:
        if not port.required and port.default is not None:
            assert value_fault(port, port.default, f"{spec.id}.{port.name}") is None


@pytest.mark.parametrize("spec", PAGE.specs, ids=lambda spec: spec.id)
def test_every_older_version_has_its_migration(spec: NodeSpec) -> None:
    assert spec.migrations == tuple(range(1, spec.version))


def test_the_pack_and_its_catalogue_cost_no_torch() -> None:
    code = (
        "import sys; from nodeflow import content; from nodeflow.packs import catalogue, find; "
        "page = catalogue.describe(find.Pack(find.CORE, content.folder('nodes'))); assert page.specs; "
        "heavy = {'torch', 'transformers', 'numpy', 'PIL', 'safetensors', 'huggingface_hub'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_nodes_do_no_tensor_arithmetic(file: Path) -> None:
    assert not re.findall(r"(?:import|from) (?:torch|diffusers|numpy)", file.read_text())


@pytest.fixture
def picture() -> Image:
    return Image(torch.rand(1, 3, 8, 12, generator=torch.Generator().manual_seed(0)))


SOFT = Mask(torch.full((1, 1, 8, 12), 0.5))
ON_PICTURES = {
    "image/resize": {"width": 6, "height": 4},
    "image/scale": {"factor": 0.5},
    "image/crop": {"width": 6, "height": 4},
    "image/pad": {"left": 1},
    "image/fit": {"width": 6, "height": 4},
    "image/flip": {},
    "image/rotate": {},
    "image/adjust": {"gamma": 2.0},
    "mask/from-color": {},
    "mask/from-image": {},
    "mask/rectangle": {},
}


@pytest.mark.parametrize("id", ON_PICTURES)
def test_picture_nodes_work_as_functions(call: Any, picture: Image, id: str) -> None:
    before = picture.data.clone()
    result = call(id, picture, **ON_PICTURES[id])
    first = result[0] if isinstance(result, tuple) else result
    assert isinstance(first, Mask if id.startswith("mask/") else Image)
    assert first.data.shape[0] == 1 and first.data.dtype == torch.float32
    assert torch.equal(picture.data, before)


@pytest.mark.parametrize("id", ["mask/invert", "mask/grow", "mask/feather", "mask/to-image"])
def test_mask_nodes_work_as_functions(call: Any, id: str) -> None:
    assert call(id, SOFT).data.shape[-2:] == (8, 12)


def test_nodes_of_two_pictures_or_masks(call: Any, picture: Image) -> None:
    other = Image(1 - picture.data)
    assert torch.allclose(call("image/composite", picture, other, SOFT).data, torch.full((1, 3, 8, 12), 0.5))
    assert torch.allclose(call("image/blend", picture, other).data, torch.full((1, 3, 8, 12), 0.5))
    assert len(call("image/batch", [picture, other])) == 2
    assert call("image/contact-sheet", [picture, other], columns=2, gap=0).size == (24, 8)
    assert call("mask/combine", SOFT, SOFT, "difference").data.max() == 0


def test_pictures_and_masks_are_loaded_with_their_transparency(call: Any, tmp_path: Path) -> None:
    pixels = torch.zeros(4, 6, 4, dtype=torch.uint8)
    pixels[:2, :, 3] = 255
    pixels[..., :3] = 255
    images.write(tmp_path / "a.png", pixels.numpy())
    loaded = call("image/load", str(tmp_path / "a.png"))
    assert loaded.image.size == (6, 4) and loaded.mask.data[0, 0, :, 0].tolist() == [0, 0, 1, 1]
    assert call("mask/load", str(tmp_path / "a.png")).data.min() == 1
    assert call("mask/load", str(tmp_path / "a.png"), "transparency").data.mean() == 0.5
    images.write(tmp_path / "b.png", pixels[..., :3].numpy())
    assert call("mask/load", str(tmp_path / "b.png"), "transparency").data.max() == 0
    with pytest.raises(NodeflowError, match="NF107"):
        call("image/load", str(tmp_path / "none.png"))


def test_a_changed_file_changes_the_fingerprint(library: Library, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    for id in ("image/load", "mask/load"):
        path.write_bytes(b"one")
        kind = library.type(id)
        assert kind.fingerprint is not None
        names = list(inspect.signature(kind.fingerprint).parameters)
        first = kind.fingerprint(**{name: str(path) for name in names})
        path.write_bytes(b"two")
        assert kind.fingerprint(**{name: str(path) for name in names}) != first


@pytest.mark.parametrize(
    ("id", "given", "result"),
    [
        ("value/integer", (3,), 3),
        ("value/number", (0.5,), 0.5),
        ("value/text", ("a",), "a"),
        ("value/boolean", (True,), True),
        ("value/seed", (7,), 7),
        ("value/seeds", (7, 3), [7, 8, 9]),
        ("value/join", (["a", "", "b"],), "a, b"),
        ("value/lines", (" a \n\n b",), ["a", "b"]),
        ("logic/collect", ([3, 1, 2],), [3, 1, 2]),
        ("logic/reroute", ("x",), "x"),
        ("logic/switch", (Lazy(lambda: 1), Lazy(lambda: 1 / 0)), 1),
        ("logic/switch", (Lazy(lambda: 1 / 0), Lazy(lambda: 2), False), 2),
    ],
)
def test_value_nodes_work_as_functions(call: Any, id: str, given: tuple[Any, ...], result: Any) -> None:
    assert call(id, *given) == result


def test_a_switch_names_the_input_it_passes_on(library: Library) -> None:
    chosen = library.type("logic/switch").chosen
    assert chosen is not None and (chosen(first=True), chosen(first=False)) == ("a", "b")


def test_the_menu_of_schedulers_is_the_family(library: Library) -> None:
    """The menu is written out, because a palette must not import torch to show it."""
    from nodeflow.diffusion import schedulers

    spec = library.spec("schedule/steps")
    port = spec and spec.input("scheduler")
    assert port
    assert set(port.widget.options) == {"", *schedulers.names(), *schedulers.usual.names()}
