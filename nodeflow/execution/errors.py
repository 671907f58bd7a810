"""Faults of a run: an exception becomes one line that names the node, its cause and its inputs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import Fault, NodeflowError
from ..values import describe

if TYPE_CHECKING:
    from .steps import Step


def label(step: Step, element: int | None = None) -> str:
    """A step's node, for messages: "denoise", "denoise[3]" within a sweep or list."""
    place = "".join(f"[{index}]" for index in step.at)
    return f"{step.node}{place}" + ("" if element is None else f"[{element}]")


def located(error: BaseException, step: Step, inputs: Mapping[str, Any]) -> Fault:
    """What a node raised, as a fault at that node; faults with a code keep it."""
    if isinstance(error, NodeflowError):
        fault = error.faults[0]
        if fault.where in inputs:
            return Fault(fault.code, fault.what, f"{step.node}.{fault.where}", fault.fix)
        what = f"{fault.where}: {fault.what}" if fault.where else fault.what
        return Fault(fault.code, what, label(step), fault.fix)
    text = str(error).strip() or "no message"
    what = f"{type(error).__name__}: {text[:500]}"
    return Fault("NF501", f"{what} (inputs: {described(inputs)})", label(step), "see the log with --debug")


def described(inputs: Mapping[str, Any]) -> str:
    """Inputs in a few words each."""
    return ", ".join(f"{name} = {describe(value)}" for name, value in inputs.items()) or "none"


def blocked(step: Step, origin: Fault) -> Fault:
    """The fault of a step whose source failed; names where it began."""
    begin = origin.where or "its source"
    if origin.code == "NF508":
        begin = origin.what.rpartition(" failed")[0]
    return Fault("NF508", f"{begin} failed", label(step), f"repair {begin}")


_NEEDED = re.compile(r"[Tt]ried to allocate ([\d.]+ ?\w+)")
_FREE = re.compile(r"([\d.]+ ?[KMGT]?i?B)(?: is)? free")


def out_of_memory(text: str, step: Step, held: str) -> Fault:
    """The fault of a node that ran out of memory twice: what it needed, what was free, who holds the rest."""
    needed, free = _NEEDED.search(text), _FREE.search(text)
    parts = [f"{needed[1]} needed" if needed else "more memory needed than there is"]
    if free:
        parts.append(f"{free[1]} free")
    parts.append(held)
    return Fault("NF505", "; ".join(parts), label(step), "use a smaller size, a smaller batch or another device")
