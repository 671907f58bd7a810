"""Numbers that follow the mouse: how far a drag moves a value, with Shift for fine and Ctrl for whole steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..specs import Input

FINE = 0.1
"""What Shift makes of a step."""
SPAN = 200.0
"""Pixels that cross a range."""


def dragged(port: Input, start: float, pixels: float, *, fine: bool = False, snap: bool = False) -> int | float:
    """The value after a drag.

    Args:
        port: The parameter; its range bounds the value, its step quantizes it.
        start: The value when the drag began.
        pixels: How far to the right.
        fine: A tenth of the speed.
        snap: Whole steps: of the widget, or ten times the usual.
    """
    widget, whole = port.widget, port.type == "int"
    low, high = widget.low, widget.high
    step = float(widget.step or (1 if whole else 0.01))
    speed = (pixels * FINE if fine else pixels) / 4
    if low is not None and high is not None:
        if widget.log and low > 0 and start > 0:
            value = start * (high / low) ** (pixels * (FINE if fine else 1.0) / SPAN)
        else:
            span = min(float(high - low), 100 * step)
            value = start + span * pixels * (FINE if fine else 1.0) / SPAN
    else:
        value = start + speed * (step if whole else step * 5)
    grain = step * 10 if snap and not widget.step else step
    if not fine or whole or snap:
        base = float(low) if low is not None and widget.step else 0.0
        value = base + round((value - base) / grain) * grain
    if low is not None:
        value = max(float(low), value)
    if high is not None:
        value = min(float(high), value)
    return round(value) if whole else float(f"{value:.6g}")


def parsed(port: Input, text: str) -> int | float | None:
    """The number that a person typed, arithmetic included ("512*1.5"); None when it is none."""
    unit = port.widget.unit
    text = text.strip().removesuffix(unit).strip().replace(",", ".") if unit else text.strip().replace(",", ".")
    value = _calculated(text)
    if value is None:
        return None
    low, high = port.widget.low, port.widget.high
    value = value if low is None else max(float(low), value)
    value = value if high is None else min(float(high), value)
    return round(value) if port.type == "int" else float(value)


def _calculated(text: str) -> float | None:
    """+ - * / and brackets, nothing else."""
    import ast
    import math

    if len(text) > 100:
        return None
    try:
        value = _value(ast.parse(text, mode="eval").body)
    except (ValueError, SyntaxError, ArithmeticError, RecursionError, MemoryError):
        return None
    return value if math.isfinite(value) else None


def _value(tree: object) -> float:
    import ast

    match tree:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return float(value)
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_value(inner)
        case ast.BinOp(left=left, op=op, right=right):
            one, other = _value(left), _value(right)
            match op:
                case ast.Add():
                    return one + other
                case ast.Sub():
                    return one - other
                case ast.Mult():
                    return one * other
                case ast.Div():
                    return one / other
    raise ValueError("not arithmetic")
