"""The signature is the schema; what cannot be a port is refused where it is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import msgspec
import pytest

from nodeflow import (
    Choice,
    Color,
    Cosmetic,
    Image,
    Latent,
    Lazy,
    NodeflowError,
    Path,
    Range,
    Run,
    Seed,
    Text,
    Value,
    node,
)
from nodeflow.declaration import Input, NodeSpec, Output, Widget

T = TypeVar("T")


class Halves(NamedTuple):
    """Two parts.

    Args:
        left: The left
            half.
    """

    left: Image
    right: list[Latent] | None


class Undecorated(Value):
    number: int


@dataclass(frozen=True)
class Fancy(Latent):
    """A value that extends another."""


@node("test/everything", version=3, formerly=("test/old",), sink=True)
def everything(
    run: Run,
    image: Image,
    steps: Annotated[int, Range(1, 50, step=1, unit="steps")] = 20,
    mode: Literal["fast", "good"] = "good",
    seed: Annotated[int, Seed()] = 0,
    late: Lazy[Latent] | None = None,
    others: list[Image] | None = None,
    note: Annotated[str, Cosmetic, Text(3)] = "",
    file: Annotated[str | None, Path("file", (".png",))] = None,
    tint: Annotated[str, Color()] = "#ffffff",
    name: Annotated[str, Choice(("a", "b"), free=True)] = "c",
    on: bool = True,
    share: float = 1,
) -> Halves:
    """Do it all.

    More words.

    Args:
        image: The picture,
            whole.
        steps: How many: a number.

    Returns:
        right: The right half.

    Raises:
        ValueError: Never.
    """
    return Halves(image, None)


@node("test/pass", passes="value")
def forward(value: T) -> T:
    """Pass on."""
    return value


SPEC: NodeSpec = everything.node.spec


def port(name: str) -> Input:
    found = SPEC.input(name)
    assert found is not None
    return found


def test_a_node_is_still_a_function() -> None:
    assert forward(5) == 5 and forward.node.function is forward


def test_the_spec_says_what_the_signature_says() -> None:
    assert (SPEC.id, SPEC.version, SPEC.title, SPEC.sink, SPEC.wants_run) == (
        "test/everything",
        3,
        "Everything",
        True,
        True,
    )
    assert SPEC.doc == "Do it all." and SPEC.about == "Do it all.\n\nMore words."
    assert [port.name for port in SPEC.inputs][:3] == ["image", "steps", "mode"]
    assert SPEC.input("run") is None and SPEC.output("none") is None


def test_inputs() -> None:
    assert port("image") == Input("image", "Image", required=True, wired=True, doc="The picture, whole.")
    assert port("steps").widget == Widget("range", low=1, high=50, step=1, unit="steps")
    assert (port("steps").type, port("steps").default, port("steps").doc) == ("int", 20, "How many: a number.")
    assert (port("mode").type, port("mode").widget) == ("str", Widget("menu", options=("fast", "good")))
    assert port("seed").widget == Widget("seed", low=0, high=2**63 - 1)
    assert (port("late").type, port("late").lazy, port("late").optional) == ("Latent", True, True)
    assert (port("others").type, port("others").many, port("others").optional) == ("Image", True, True)
    assert port("note").cosmetic and port("note").widget == Widget("text", lines=3)
    assert port("file").optional and port("file").widget == Widget("file", suffixes=(".png",))
    assert port("tint").widget.kind == "color" and port("on").widget.kind == "switch"
    assert port("name").widget == Widget("menu", options=("a", "b"), free=True)


def test_outputs() -> None:
    assert SPEC.output("left") == Output("left", "Image", lineage=("Image",), doc="The left half.")
    assert SPEC.output("right") == Output("right", "Latent", True, True, ("Latent",), "The right half.")


def test_one_output_is_named_after_its_type() -> None:
    def made(kind: Any) -> list[tuple[str, str]]:
        def function(): ...

        function.__annotations__["return"] = kind
        return [(port.name, port.type) for port in node("test/x")(function).node.spec.outputs]

    assert made(Image) == [("image", "Image")] and made(list[Image]) == [("images", "Image")]
    assert made(int) == [("value", "int")] and made(list[str]) == [("values", "str")]
    assert made(None) == [] and made(T) == [("value", "~T")] and made(Any) == [("value", "any")]
    assert made(Fancy) == [("fancy", "Fancy")] and Fancy.lineage() == ("Fancy", "Latent")


def test_a_spec_is_plain_data_that_comes_back_from_json() -> None:
    for spec in (SPEC, forward.node.spec):
        assert msgspec.json.decode(msgspec.json.encode(spec), type=NodeSpec) == spec


@pytest.mark.parametrize(
    ("annotation", "default", "line"),
    [
        (None, ..., "has no type"),
        ("nowhere.Thing", ..., "not defined"),
        ("Thing[", ..., "not defined"),
        (dict, ..., "cannot travel a wire"),
        (int | str, ..., "cannot travel a wire"),
        (Literal[1, "a"], ..., "cannot travel a wire"),
        (Undecorated, ..., "cannot travel a wire"),
        (int, None, "default None does not fit"),
        (int, "1", "default '1' does not fit"),
        (int, True, "default True does not fit"),
        (bool, 1, "default 1 does not fit"),
        (Image, object(), "does not fit"),
        (Annotated[int, Range(1, 5)], 0, "default 0 does not fit"),
        (Annotated[float, Range(high=5)], 6.0, "default 6.0 does not fit"),
        (Literal["a", "b"], "c", "default 'c' does not fit"),
        (list[int], ["a"], "does not fit"),
    ],
)
def test_what_cannot_be_a_port_is_refused(annotation: Any, default: Any, line: str) -> None:
    def function(port=None) -> int:
        return 0

    function.__defaults__ = () if default is ... else (default,)
    function.__annotations__ = {"return": int} | ({} if annotation is None else {"port": annotation})
    with pytest.raises(NodeflowError, match=f"NF303 test/bad.*{line}"):
        node("test/bad")(function)


def test_what_cannot_be_a_node_is_refused() -> None:
    async def waits() -> int:
        return 0

    def many(*numbers: int) -> int:
        return 0

    def named(**numbers: int) -> int:
        return 0

    def placed(a: int = 0, /) -> int:
        return 0

    def silent(a: int = 0): ...

    for bad in (waits, many, named, placed, silent, len, print, int):
        with pytest.raises(NodeflowError, match="NF303 test/bad"):
            node("test/bad")(bad)
    for options in ({"version": 0}, {"passes": "b"}):
        with pytest.raises(NodeflowError, match="NF303 test/bad"):
            node("test/bad", **options)(lambda: None)
    for id in ("", "plain", "a/", "/b", "a b/c", "a.b/c"):
        with pytest.raises(NodeflowError, match="NF303"):
            node(id)


def test_a_result_is_given_to_the_ports_it_was_promised_to() -> None:
    image = object()
    assert everything.node.outputs(Halves(image, None)) == {"left": image, "right": None}
    assert everything.node.outputs((image, None)) == {"left": image, "right": None}
    assert forward.node.outputs((1, 2)) == {"value": (1, 2)}
    for wrong in (None, image, (1,), (1, 2, 3), [1, 2]):
        with pytest.raises(NodeflowError, match=r"NF502.*left, right was promised"):
            everything.node.outputs(wrong)


def test_migrations_are_part_of_the_spec() -> None:
    @node("test/moved", version=3)
    def moved(a: int = 0) -> int:
        return a

    @moved.migrate(1)
    def rename(saved: dict[str, Any]) -> dict[str, Any]:
        return {"a": saved["b"]}

    assert moved.node.spec.migrations == (1,) and rename({"b": 2}) == {"a": 2}
    assert moved.node.migrations[1] is rename
    for old in (0, 1, 3):
        with pytest.raises(NodeflowError, match="NF303"):
            moved.migrate(old)(rename)


def test_a_lazy_input_computes_when_called() -> None:
    calls: list[int] = []
    lazy = Lazy(lambda: calls.append(1) or 7)
    assert calls == [] and lazy() == 7 and calls == [1]
