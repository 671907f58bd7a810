"""What may travel a wire: moved, measured and described without knowing what it is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nodeflow import values
from nodeflow.errors import NodeflowError
from nodeflow.values import Denoiser, Image, Latent, LatentSpace, Value, Weights


class Array:
    """The least that counts as an array."""

    def __init__(self, size: int, device: str = "cpu") -> None:
        self.nbytes, self.device = size, device

    def to(self, device: str) -> Array:
        return Array(self.nbytes, device)


class Pair(NamedTuple):
    first: Any
    second: Any


@dataclass(frozen=True)
class Bag(Value):
    item: Any
    label: str = ""
    more: dict[str, Any] = field(default_factory=dict)


LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.builds(Array, st.integers(0, 99)))
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.builds(Pair, inner, inner),
        st.dictionaries(st.text(), inner, max_size=3),
        st.builds(Bag, inner, st.text(), st.dictionaries(st.text(), inner, max_size=2)),
    ),
    max_leaves=12,
)


@given(TREES)
def test_mapping_the_identity_gives_the_same_object(value: object) -> None:
    assert values.mapped(value, lambda array: array) is value
    assert values.moved(value, "cpu") is value


@given(TREES)
def test_every_array_is_mapped_moved_and_counted(value: object) -> None:
    before = list(values.arrays(value))
    assert values.nbytes(value) == sum(array.nbytes for array in before)
    moved = values.moved(value, "gpu")
    assert [array.nbytes for array in values.arrays(moved)] == [array.nbytes for array in before]
    assert all(array.device == "gpu" for array in values.arrays(moved))
    assert all(array.device == "cpu" for array in before)
    assert type(moved) is (type(before[0]) if before and values.is_array(value) else type(value))
    assert values.device_of(moved) == ("gpu" if before else "cpu")


@given(TREES)
def test_a_description_is_short_and_one_line(value: object) -> None:
    text = values.describe(value)
    assert text and len(text.splitlines()) == 1 and len(text) < 400


def test_descriptions_say_type_format_shape_and_place() -> None:
    latent = Latent(torch.zeros(1, 4, 8, 8), LatentSpace("sd1", 4, 8))
    assert values.describe(latent) == "Latent float32 [1, 4, 8, 8]"
    assert values.describe([latent, latent]) == "list of 2 × Latent float32 [1, 4, 8, 8]"
    assert values.describe(latent.space) == "LatentSpace"
    assert values.describe("x" * 100).endswith("…")


def test_a_write_into_an_array_changes_the_stamp() -> None:
    image = Image(torch.zeros(1, 3, 2, 2))
    before = values.stamp([image])
    assert values.stamp([image]) == before
    image.data.add_(1)
    assert values.stamp([image]) != before


def test_lineage_is_the_type_and_what_it_extends() -> None:
    assert Denoiser.lineage() == ("Denoiser", "Weights")
    assert Weights.lineage() == ("Weights",)


def test_a_pack_cannot_take_the_name_of_a_value_that_is_there() -> None:
    with pytest.raises(NodeflowError, match=r"NF303.*nodeflow\.values\.media has a value of this name"):
        type("Image", (Value,), {"__module__": "nodeflow_packs.other"})
    assert Value.types["Image"] is Image


def test_pictures_as_bytes_are_rounded_and_kept_in_range() -> None:
    data = torch.tensor([-1.0, 0.0, 0.5, 1.0, 2.0, float("inf")]).view(1, 1, 1, 6).expand(1, 3, 1, 6)
    assert Image(data).numpy()[0, 0, :, 0].tolist() == [0, 0, 128, 255, 255, 255]
    assert Image(data).numpy().shape == (1, 1, 6, 3)


def test_a_batch_is_saved_as_one_file_a_picture(tmp_path: Any) -> None:
    names = Image(torch.rand(2, 3, 4, 4)).save(tmp_path / "a.png")
    assert [name.name for name in names] == ["a-0.png", "a-1.png"]
    assert Image(torch.rand(1, 3, 4, 4)).save(tmp_path / "b.webp") == [tmp_path / "b.webp"]
