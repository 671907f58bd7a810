"""Strict JSON: bytes to plain data, or the line and column of what is wrong.

The parser of the standard library does the work, because it is fast and known; it also takes NaN, 1e400, keys that
stand twice and halves of characters, which are refused here. It does not say where those are, so a second pass, in
regular expressions that run at the speed of C, looks for the place once something is known to be wrong.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ..errors import NodeflowError
from .plain import DEPTH_LIMIT, DIGITS_LIMIT

SIZE_LIMIT = 16 * 2**20
"""Bytes of a graph file."""

VALUE_LIMIT = 1_000_000
"""Values of a graph file, lists and objects counted; it bounds time and memory."""

_DEPTH = DEPTH_LIMIT + 8
"""Nesting of a file: that of a value, inside the document around it."""

_TEXT = r'"(?:[^"\\]++|\\.)*+"'


class _Flaw(Exception):
    """What the parser's hooks found; the place is not known yet."""

    def __init__(self, code: str, what: str, place: re.Pattern[str] | None = None) -> None:
        self.code, self.what, self.place = code, what, place


def parse(data: bytes, name: str = "") -> Any:
    """Strict UTF-8 JSON as plain data.

    Args:
        data: The file's content.
        name: The file's name, for errors.

    Raises:
        NodeflowError: NF101 for what is not strict JSON, NF102 for a key that stands twice, NF103 for a number that
            is not finite or too long, NF104 for a file too large or too deeply nested; with line and column.
    """
    _refuse_large(data, name)
    text = _decoded(data, name)
    try:
        made = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise NodeflowError("NF101", _said(error), where=place(text, error.pos, name)) from None
    except _Flaw as flaw:
        at = _end(flaw.place, text) if flaw.place else _duplicate(text)
        raise NodeflowError(flaw.code, flaw.what, where=place(text, at, name)) from None
    except RecursionError:
        raise _too_deep(text, name) from None
    if "\\u" in text and (at := _end(_LONE, text)) < len(text):
        raise NodeflowError("NF101", "half a character (a lone surrogate)", where=place(text, at, name))
    if _deeper(made, _DEPTH):
        raise _too_deep(text, name)
    return made


def place(text: str, at: int, name: str = "") -> str:
    """Line and column of a position, both from 1: "graph.json:3:14", or "line 3, column 14" without a name."""
    line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
    return f"{name}:{line}:{column}" if name else f"line {line}, column {column}"


def _refuse_large(data: bytes, name: str) -> None:
    fix = "check that this is a graph"
    if len(data) > SIZE_LIMIT:
        what = f"the file has {len(data):,} bytes, more than {SIZE_LIMIT:,}"
        raise NodeflowError("NF104", what, where=name, fix=fix)
    if sum(map(data.count, (b",", b"[", b"{"))) > VALUE_LIMIT:
        raise NodeflowError("NF104", f"the file has more than {VALUE_LIMIT:,} values", where=name, fix=fix)


def _decoded(data: bytes, name: str) -> str:
    if data.startswith(b"\xef\xbb\xbf"):
        fix = "save it as UTF-8 without one"
        raise NodeflowError("NF101", "the file starts with a byte order mark", where=place("", 0, name), fix=fix)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        what = f"byte 0x{data[error.start]:02x} is not UTF-8"
        raise NodeflowError("NF101", what, where=place(before, len(before), name)) from None


def _said(error: json.JSONDecodeError) -> str:
    if not error.doc.strip():
        return "the file is empty"
    if error.msg == "Extra data":
        return "there is something after the end of the graph"
    return f"not JSON: {error.msg[0].lower()}{error.msg[1:].removesuffix(' at')}"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        again = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _Flaw("NF102", f"the key {again[:60]!r} stands twice in one object")
    return made


def _constant(text: str) -> None:
    raise _Flaw("NF103", f"{text} is not a finite number", _before(r"[^\"NI-]++|-(?!I)"))


def _whole(text: str) -> int:
    if len(text) > DIGITS_LIMIT:
        raise _long()
    return int(text)


def _broken(text: str) -> float:
    if len(text) > DIGITS_LIMIT:
        raise _long()
    number = float(text)
    if number - number != 0.0:
        other = rf"(?!{re.escape(text)}(?![\d.eE+-]))-?\d[\d.eE+-]*+"
        raise _Flaw("NF103", f"{text} is too large a number", _before(rf'[^"\d-]++|{other}'))
    return number


def _long() -> _Flaw:
    short = rf"-?(?=\d)[\d.eE+-]{{1,{DIGITS_LIMIT - 1}}}+(?![\d.eE+-])"
    return _Flaw("NF103", f"a number of more than {DIGITS_LIMIT} digits", _before(rf'[^"\d-]++|{short}'))


def _before(skipped: str) -> re.Pattern[str]:
    """Matches texts and what else is skipped, so it ends where the flaw begins."""
    return re.compile(rf"(?:{skipped}|{_TEXT})*+", re.S)


def _end(pattern: re.Pattern[str], text: str) -> int:
    found = pattern.match(text)
    return found.end() if found else 0


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_int=_whole, parse_float=_broken)

_LONE = re.compile(
    r"(?:[^\\]++|\\[^u]|\\u(?![dD][89a-fA-F])|\\u[dD][89abAB]..\\u[dD][c-fC-F]..)*+",
    re.S,
)


def _deeper(data: Any, limit: int) -> bool:
    """Is the data nested deeper than this? Level by level, so that no depth is too much for this function."""
    level = [data] if isinstance(data, dict | list) else []
    for _ in range(limit):
        level = [
            item
            for parent in level
            for item in (parent.values() if type(parent) is dict else parent)
            if type(item) is dict or type(item) is list
        ]
        if not level:
            return False
    return True


def _too_deep(text: str, name: str) -> NodeflowError:
    depth, tokens = 0, re.finditer(rf"{_TEXT}|([\[{{])|([\]}}])", text, re.S)
    while depth <= _DEPTH:
        token = next(tokens)
        depth += (token[1] is not None) - (token[2] is not None)
    return NodeflowError("NF104", f"nested more than {_DEPTH} deep", where=place(text, token.start(), name))


def _duplicate(text: str) -> int:
    """Where the first key that stands twice stands the second time."""
    keys: list[set[str]] = [set()]
    for token in re.finditer(rf"({_TEXT})(\s*+:)?|([{{}}])", text, re.S):
        if token[3] == "{":
            keys.append(set())
        elif token[3]:
            keys.pop()
        elif token[2]:
            key = json.loads(token[1])
            if key in keys[-1]:
                return token.start()
            keys[-1].add(key)
    raise AssertionError("the parser saw a key twice")
