"""Output names from templates, which cannot leave the output folder.

A template is a Python format string: `{graph}-{seed}-{index:04}`. Names are checked as written and again after
links are followed, under the rules of every system, so that a graph made on one cannot trip another.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from pathlib import Path

from ..errors import NodeflowError

_RESERVED = re.compile(r"^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(\..*)?$", re.I)
_FORBIDDEN = re.compile(r'[<>:"|?*\x00-\x1f\x7f]')
MAX_NAME = 200
"""Bytes of one part of a name; 255 is the limit of file systems, and temporary files add to it."""


def output_path(folder: Path, template: str, fields: Mapping[str, object], suffix: str = ".png") -> Path:
    """The file that a template names inside `folder`.

    Args:
        folder: The output folder.
        template: Such as "{graph}-{seed}-{index:04}"; "/" makes subfolders.
        fields: What the braces may name. Their values are cleaned; the template's own text is not, but checked.
        suffix: Added unless the name has a picture's or sound's ending.

    Raises:
        NodeflowError: NF603 when the name is empty, too long, reserved, or leaves the folder; NF205 when the
            template names an unknown field.
    """
    name = _filled(template, fields)
    parts = name.replace("\\", "/").split("/")
    for part in parts:
        _checked(part, name)
    path = folder.joinpath(*parts)
    if path.suffix.lower() != suffix:
        path = path.with_name(path.name + suffix)
    root = folder.resolve()
    if not path.resolve().is_relative_to(root):
        raise NodeflowError("NF603", f"{name!r} leads outside the output folder {folder}", fix="use a plain name")
    return path


def free_path(path: Path) -> Path:
    """The path itself, or with the first free "-2", "-3", … before its ending, so that nothing is overwritten."""
    if not path.exists():
        return path
    number = 2
    while (candidate := path.with_stem(f"{path.stem}-{number}")).exists():
        number += 1
    return candidate


def _filled(template: str, fields: Mapping[str, object]) -> str:
    pieces = []
    try:
        for text, field, spec, _ in string.Formatter().parse(template):
            pieces.append(text)
            if field is not None:
                pieces.append(_clean(format(fields[field], spec or "")))
    except KeyError as error:
        known = ", ".join(f"{{{name}}}" for name in fields)
        raise NodeflowError("NF205", f"{template!r} names an unknown field {error}", fix=f"known: {known}") from error
    except ValueError as error:
        raise NodeflowError(
            "NF205", f"{template!r} is not a template: {error}", fix="as in {seed}-{index:04}"
        ) from error
    return "".join(pieces)


def _clean(text: str) -> str:
    """A field's value as part of a file name: prompts may hold anything."""
    return _FORBIDDEN.sub("_", text.replace("/", "_").replace("\\", "_")).strip(" .")[:80]


def _checked(part: str, name: str) -> None:
    why = ""
    if part in ("", ".", ".."):
        why = "has an empty part, '.' or '..'"
    elif _FORBIDDEN.search(part):
        why = "has a character that file names cannot have on every system"
    elif _RESERVED.match(part):
        why = f"uses {part!r}, which is a device on Windows"
    elif part != part.strip(" ") or part.endswith("."):
        why = "begins or ends with a space, or ends with a dot"
    elif len(part.encode("utf-8", "surrogatepass")) > MAX_NAME:
        why = f"is longer than {MAX_NAME} bytes"
    if why:
        shown = name if len(name) <= 60 else f"{name[:57]}…"
        raise NodeflowError(
            "NF603", f"the output name {shown!r} {why}", fix="use a plain name inside the output folder"
        )
