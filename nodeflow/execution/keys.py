"""Keys: what a result depends on, as bytes.

A key is a hash over the node's id, version and code, and a *token* for each input: the canonical bytes of a literal
value, or the key of the step it comes from. Keys of a whole graph therefore take one pass, whatever its depth.
Tokens delimit themselves (tag, length, content), so that joined tokens are never ambiguous.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from ..errors import NodeflowError
from ..values import Value, arrays, is_array

KEY_BYTES = 20
UNASKED = b"?"
"""The token of a lazy input that was not asked for and whose own key is not known: the result cannot depend on it."""


def token(value: Any) -> bytes:
    """The canonical bytes of a literal value; equal values of one type have equal tokens.

    Raises:
        NodeflowError: NF502, when the value is neither plain data nor a storable value.
    """
    kind = type(value)
    if kind is str:
        data = value.encode("utf-8", "surrogatepass")
        return b"s%d:%b" % (len(data), data)
    if kind is int:
        return b"i%d;" % value
    if kind is float:
        return b"f" + struct.pack(">d", value)
    if value is None:
        return b"n"
    if kind is bool:
        return b"t" if value else b"u"
    if isinstance(value, bytes):
        return b"b%d:%b" % (len(value), value)
    if isinstance(value, list | tuple):
        return b"[%d:%b" % (len(value), b"".join([token(item) for item in value]))
    if isinstance(value, Mapping):
        entries = sorted(token(str(name)) + token(item) for name, item in value.items())
        return b"{%d:%b" % (len(entries), b"".join(entries))
    return _digest(value)


def _digest(value: object) -> bytes:
    """The token of a value given by a caller: the digest of its stored form."""
    if not isinstance(value, Value) and not is_array(value):
        raise NodeflowError("NF502", f"a {type(value).__name__} has no cache key", fix="use values, numbers or texts")
    from ..packing import serialise

    on_host = value
    if any(str(array.device) != "cpu" for array in arrays(value)):
        from ..values import moved

        on_host = moved(value, "cpu")
    return b"v" + blake2b(serialise(on_host), digest_size=KEY_BYTES).digest()


def once() -> bytes:
    """A key that nothing else has."""
    return os.urandom(KEY_BYTES)


def element_key(group: bytes, index: int) -> bytes:
    """The token of one element of a list that came out of one step."""
    return b"#%d:%b" % (index, group)
