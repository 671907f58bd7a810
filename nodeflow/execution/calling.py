"""Calling one node: its inputs in, its outputs checked."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from typing import Any

from ..errors import Cancelled, Fault, NodeflowError, is_out_of_memory
from ..values import describe, stamp
from .errors import located, out_of_memory
from .kinds import Kind
from .run import Environment
from .steps import Step
from .tiers import PLAIN


class SourceFailed(NodeflowError):
    """A lazy input was asked for and its source had failed."""

    def __init__(self, origin: Fault) -> None:
        super().__init__("NF508", f"{origin.where or 'its source'} failed")
        self.origin = origin


class Needed(BaseException):
    """A lazy input lies too deep to be computed inside the call: compute it first, then call again.

    No `Exception`, so that a node's own `except` does not stop it.
    """

    def __init__(self, step: Step) -> None:
        super().__init__(step)
        self.step = step


class Outcome:
    """What became of a call: outputs, or a fault, or a step that is needed first, or a cancellation."""

    __slots__ = ("cancelled", "fault", "mutated", "needed", "origin", "outputs", "seconds")

    def __init__(self) -> None:
        self.outputs: tuple[Any, ...] | None = None
        self.fault: Fault | None = None
        self.origin: Fault | None = None
        self.needed: Step | None = None
        self.cancelled = False
        self.mutated = ""
        self.seconds = 0.0


def call(step: Step, inputs: dict[str, Any], extra: Mapping[str, Any], environment: Environment) -> Outcome:
    """Call a node and judge what it did; never raises.

    Args:
        step: The step, with its node type.
        inputs: By port.
        extra: What the node gets besides, such as `run`.
        environment: Frees idle weights when memory runs out.
    """
    outcome = Outcome()
    marks = {name: stamp(value) for name, value in inputs.items() if type(value) not in PLAIN}
    began = time.perf_counter()
    if not _attempt(step, inputs, extra, outcome, ""):
        freed = environment.release() if environment.release is not None else 0
        if not _attempt(step, inputs, extra, outcome, f"{freed / 1e6:.0f} MB of idle weights were released"):
            outcome.fault = Fault("NF505", "out of memory", step.node)
    outcome.seconds = time.perf_counter() - began
    for name, mark in marks.items():
        if mark and stamp(inputs[name]) != mark:
            outcome.mutated, outcome.outputs = name, None
            fix = "let it work on a copy"
            outcome.fault = Fault("NF507", "the node wrote into its input", f"{step.node}.{name}", fix)
    return outcome


def _attempt(step: Step, inputs: dict[str, Any], extra: Mapping[str, Any], outcome: Outcome, released: str) -> bool:
    """Call once. False: memory ran out the first time (`released` is empty), so a second try may help."""
    assert step.kind is not None
    try:
        result = step.kind.type.function(**inputs, **extra)
        outcome.outputs = checked(step.kind, result)
    except Needed as signal:
        outcome.needed = signal.step
    except Cancelled:
        outcome.cancelled = True
    except SourceFailed as error:
        outcome.origin = error.origin
    except Exception as error:
        if not is_out_of_memory(error):
            outcome.fault = located(error, step, inputs)
        elif released:
            outcome.fault = out_of_memory(str(error), step, released)
        else:
            return False  # the traceback, and with it what the node held, ends here
    return True


def checked(kind: Kind, result: Any) -> tuple[Any, ...]:
    """The outputs in the order of their ports, lists as tuples so that nobody appends to them.

    Raises:
        NodeflowError: NF502 for a wrong number or type of outputs, or None.
    """
    ports = kind.spec.outputs
    if len(ports) == 1 and type(result) in PLAIN:
        results: Any = (result,)
    else:
        results = kind.type.outputs(result).values()
    found: list[Any] = []
    for port, value in zip(ports, results, strict=True):
        if port.many:
            if not isinstance(value, list | tuple):
                raise _broken_promise(port.name, f"a list of {port.type}", value)
            found.append(tuple(_typed(item, port.type, port.name) for item in value))
        elif value is None and port.optional:
            found.append(None)
        elif isinstance(value, list | tuple) and port.type[0] in "a~":
            found.append(tuple(value))
        else:
            found.append(_typed(value, port.type, port.name))
    return tuple(found)


_EXACT: dict[type, str] = {int: "int", float: "float", str: "str", bool: "bool"}


def _typed(value: Any, kind: str, port: str) -> Any:
    form = type(value)
    if _EXACT.get(form) == kind:
        return value
    if value is None:
        raise _broken_promise(port, kind, value)
    if kind == "any" or kind[0] == "~":
        return value
    if kind == "float" and form is int:
        return float(value)
    if any(base.__name__ == kind for base in form.__mro__) and kind not in _EXACT.values():
        return value
    raise _broken_promise(port, kind, value)


def _broken_promise(port: str, promised: str, value: Any) -> NodeflowError:
    what = f"output {port} was promised as {promised}, and is {describe(value)}"
    return NodeflowError("NF502", what, fix="this is a fault of the node; tell its author")


def argument(value: Any, *, many: bool, real: bool) -> Any:
    """A value as a node gets it: lists of its own, whole numbers as floats where the port is one."""
    form = type(value)
    if form is float or form is str:
        return value
    if form is int:
        return float(value) if real else value
    if many and isinstance(value, list | tuple):
        return [float(item) if real and type(item) is int else item for item in value]
    return copy.deepcopy(value) if form is dict else value
