r"""The prompt grammar: which words weigh how much.

Two dialects are in use, and the same brackets mean different things in them:

| written      | "a1111"                                   | "comfy"                                             |
|--------------|-------------------------------------------|-----------------------------------------------------|
| `(word)`     | × 1.1                                     | × 1.1                                               |
| `(word:1.3)` | × 1.3, also inside other brackets         | = 1.3, whatever the brackets around it say          |
| `[word]`     | ÷ 1.1                                     | the text "[word]"                                   |
| `BREAK`      | the next words start a new window         | the text "BREAK"                                    |
| `\(` `\)`    | a bracket as text; also `\[`, `\]`, `\\`  | a bracket as text; other backslashes stand as they are |
| `(no end`    | weighs all that follows, × 1.1            | the text "(no end"                                  |
| `no start)`  | the text "no start)"                      | the text "no start)"                                |

In "a1111" a lone backslash vanishes. Dialect "none" reads everything as text. Prompts are never refused: what is not
grammar is text. The dialects also apply weights and cut windows differently: see `text`.

Not read here, in any dialect: prompts that change on the way (`[cat:dog:0.5]`, `[cat|dog]`) and several prompts in one
(`AND`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

Weighting = Literal["a1111", "comfy", "none"]

STRESS = 1.1


class Piece(NamedTuple):
    """A stretch of text of one weight."""

    text: str
    weight: float = 1.0


Section = tuple[Piece, ...]
"""What stands between two BREAKs; never empty, neighbours differ in weight."""


def parse(prompt: str, weighting: Weighting = "a1111") -> tuple[Section, ...]:
    """Read a prompt: its sections (more than one only where BREAK stands between them), each of weighted pieces."""
    if weighting == "none":
        return ((Piece(prompt),),)
    marks = list(_marks(prompt, weighting))
    _match(marks, unclosed_is_text=weighting == "comfy")
    found: list[list[Piece]] = [[]]
    for text, weight in _weighed(marks, explicit_is_final=weighting == "comfy"):
        if text is None:
            found.append([])
        elif text:
            _join(found[-1], Piece(text, weight))
    return tuple(tuple(pieces) or (Piece(""),) for pieces in found)


def escape(text: str, weighting: Weighting = "a1111") -> str:
    """A prompt that reads as this text, weight 1: `parse(escape(text)) == ((Piece(text),),)`."""
    match weighting:
        case "a1111":
            return _BREAK.sub(r"B\\REAK", re.sub(r"[()\[\]\\]", r"\\\g<0>", text))
        case "comfy":
            return re.sub(r"[()]", r"\\\g<0>", text)
        case "none":
            return text


_BREAK = re.compile(r"\bBREAK\b")
_NUMBER = r"[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)"
_TOKENS = {
    "a1111": re.compile(
        rf"""
          \\(?P<escaped>[()\[\]\\]?)
        | (?P<open>[(\[])
        | :\s*+(?P<number>{_NUMBER})\s*+\)
        | (?P<close>[)\]])
        | (?P<text>[^\\()\[\]:]+ | :)
        """,
        re.X,
    ),
    "comfy": re.compile(
        rf"""
          \\(?P<escaped>[()])
        | (?P<open>\()
        | :\s*+(?P<number>{_NUMBER}(?:[eE][+-]?[0-9]++)?)\s*+\)
        | (?P<close>\))
        | (?P<text>[^\\():]+ | [\\:])
        """,
        re.X,
    ),
}


@dataclass
class _Mark:
    """What a prompt is written with.

    Args:
        kind: "text", "break", "open" or "close".
        text: As it stands in the prompt, escapes resolved.
        factor: What an opening bracket, or its closing one, does to the weight.
        explicit: Whether the factor was written as a number.
    """

    kind: str
    text: str = ""
    factor: float = STRESS
    explicit: bool = False

    @property
    def square(self) -> bool:
        return self.text in ("[", "]")


def _marks(prompt: str, weighting: Weighting) -> Iterator[_Mark]:
    for token in _TOKENS[weighting].finditer(prompt):
        if token["text"] and weighting == "a1111":
            yield from _split_at_break(token["text"])
        elif token["text"] or token["escaped"] is not None:
            yield _Mark("text", token["text"] or token["escaped"])
        elif token["number"]:
            yield _Mark("close", token[0], float(token["number"]), explicit=True)
        else:
            factor = 1 / STRESS if token[0] in "[]" else STRESS
            yield _Mark("open" if token["open"] else "close", token[0], factor)


def _split_at_break(text: str) -> Iterator[_Mark]:
    first, *others = _BREAK.split(text)
    yield _Mark("text", first.rstrip() if others else first)
    for i, other in enumerate(others, 1):
        yield _Mark("break")
        yield _Mark("text", other.lstrip() if i == len(others) else other.strip())


def _match(marks: list[_Mark], unclosed_is_text: bool) -> None:
    """Give each opening bracket the factor of its closing one; brackets without a partner become text."""
    opened: dict[bool, list[_Mark]] = {True: [], False: []}
    for mark in marks:
        if mark.kind == "open":
            opened[mark.square].append(mark)
        elif mark.kind == "close":
            if opened[mark.square]:
                partner = opened[mark.square].pop()
                partner.factor, partner.explicit = mark.factor, mark.explicit
            else:
                mark.kind = "text"
    if unclosed_is_text:
        for mark in opened[True] + opened[False]:
            mark.kind = "text"


def _weighed(marks: list[_Mark], explicit_is_final: bool) -> Iterator[tuple[str | None, float]]:
    """Texts with their weights, None for BREAK. Round and square brackets may overlap, so each kind has its stack."""
    weights: dict[bool, list[float]] = {True: [1.0], False: [1.0]}
    for mark in marks:
        stack = weights[mark.square]
        match mark.kind:
            case "open":
                stack.append(mark.factor if mark.explicit and explicit_is_final else stack[-1] * mark.factor)
            case "close":
                stack.pop()
            case "break":
                yield None, 1.0
            case _:
                yield mark.text, weights[True][-1] * weights[False][-1]


def _join(pieces: list[Piece], new: Piece) -> None:
    if pieces and pieces[-1].weight == new.weight:
        new = Piece(pieces.pop().text + new.text, new.weight)
    pieces.append(new)
