"""Output names from templates, which cannot leave the output folder.

A template is a Python format string: `{graph}-{seed}-{index:04}`. Its own text is checked, under the rules of every
system, so that a graph made on one cannot trip another; the values of its fields are cleaned, so that a template
that is right for one prompt is right for all. The path is checked again after links are followed.
"""

from __future__ import annotations

import contextlib
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import NodeflowError

MAX_NAME = 200
"""Bytes of one part of a name; 255 is the limit of file systems, and temporary files add to it."""
MIN_FIELD = 8
"""Bytes that a field may count on, however long the text around it."""
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) *(\..*)?", re.I | re.S)
_FORBIDDEN = re.compile(r'[<>:"|?*\x00-\x1f\x7f-\x9f\ud800-\udfff]')
MAX_WIDTH = 99
"""Widest a field may be padded: `{index:0999999999}` would fill the memory."""


@dataclass
class _Part:
    """What stands between two slashes: the template's own text and the fields' values, in order."""

    pieces: list[tuple[str, bool]] = field(default_factory=list)
    """(text, whether it is a field's value)."""

    def named(self, reserve: int) -> str:
        """The part, its fields cut so that it keeps to `MAX_NAME` with `reserve` bytes to spare."""
        fields = sum(is_field for _, is_field in self.pieces)
        fixed = sum(len(text.encode("utf-8", "surrogatepass")) for text, is_field in self.pieces if not is_field)
        room = (MAX_NAME - reserve - fixed) // max(fields, 1)
        if room < (MIN_FIELD if fields else 0):
            raise _refused("".join(text for text, _ in self.pieces), f"is longer than {MAX_NAME} bytes")
        name = "".join(_cut(text, room) if is_field else text for text, is_field in self.pieces)
        return f"_{name}" if fields and _RESERVED.fullmatch(name) else name


def output_path(folder: Path, template: str, fields: Mapping[str, object], suffix: str = ".png") -> Path:
    """The file that a template names inside `folder`.

    Args:
        folder: The output folder.
        template: Such as "{graph}-{seed}-{index:04}"; "/" makes subfolders.
        fields: What the braces may name. Whatever their values, a template that one value passes, all pass.
        suffix: Added unless the name has it.

    Raises:
        NodeflowError: NF603 when the name is empty, too long, reserved, or leaves the folder; NF205 when the
            template names an unknown field.
    """
    return inside(folder, relative_path(template, fields, suffix))


def relative_path(template: str, fields: Mapping[str, object], suffix: str = ".png") -> Path:
    """What a template names, before links are looked at: `output_path` without its folder."""
    names = [part.named(len(suffix) + 1) for part in _parts(template, fields)]
    for name in names:
        _checked(name)
    path = Path(*names)
    return path if path.suffix.lower() == suffix else path.with_name(path.name + suffix)


def inside(folder: Path, path: Path) -> Path:
    """`folder / path`; NF603 when links lead it out of the folder."""
    with contextlib.suppress(OSError, RuntimeError):  # links that lead in a circle
        if (folder / path).resolve().is_relative_to(folder.resolve()):
            return folder / path
    raise _refused(path.as_posix(), f"leads outside the output folder {folder}")


def _parts(template: str, fields: Mapping[str, object]) -> list[_Part]:
    parts = [_Part()]
    try:
        for text, name, spec, _ in string.Formatter().parse(template):
            first, *others = text.replace("\\", "/").split("/")
            parts[-1].pieces.append((first, False))
            parts += [_Part([(other, False)]) for other in others]
            if name is not None:
                parts[-1].pieces.append((_clean(_formatted(fields[name], spec or "")), True))
    except KeyError as error:
        known = ", ".join(f"{{{name}}}" for name in fields)
        raise NodeflowError("NF205", f"{template!r} names an unknown field {error}", fix=f"known: {known}") from error
    except (ValueError, TypeError) as error:
        raise NodeflowError(
            "NF205", f"{template!r} is not a template: {error}", fix="write it as in {seed}-{index:04}"
        ) from error
    return parts


def _formatted(value: object, spec: str) -> str:
    if any(int(number) > MAX_WIDTH for number in re.findall(r"[0-9]+", spec)):
        raise ValueError(f"the width in {spec!r} is too large")
    return format("" if value is None else value, spec)


def _clean(text: str) -> str:
    """A field's value as part of a file name: prompts may hold anything."""
    return _FORBIDDEN.sub("_", text[:MAX_NAME].replace("/", "_").replace("\\", "_")).strip(" .") or "_"


def _cut(text: str, size: int) -> str:
    """At most `size` bytes of a text, no character split."""
    return text.encode()[:size].decode(errors="ignore").strip(" .")


def _checked(part: str) -> None:
    if part in ("", ".", ".."):
        raise _refused(part, "has an empty part, '.' or '..'")
    if _FORBIDDEN.search(part):
        raise _refused(part, "has a character that file names cannot have on every system")
    if _RESERVED.fullmatch(part):
        raise _refused(part, "is a device on Windows")
    if part != part.strip(" ") or part.endswith("."):
        raise _refused(part, "begins or ends with a space, or ends with a dot")


def _refused(name: str, why: str) -> NodeflowError:
    shown = name if len(name) <= 60 else f"{name[:57]}…"
    return NodeflowError("NF603", f"the output name {shown!r} {why}", fix="use a plain name inside the output folder")
