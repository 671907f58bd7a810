"""Messages over a pipe: four bytes of length, big-endian, then the message."""

from __future__ import annotations

import threading
from typing import IO

from .messages import Message, encode

LIMIT = 2**30
"""Bytes of a message; more than that is not one."""


class Sender:
    """Writes messages, from any thread.

    Args:
        stream: A binary stream without a buffer of its own.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def send(self, message: Message) -> None:
        """Write one message; waits while the pipe is full.

        Raises:
            OSError: The other end is gone.
        """
        data = encode(message)
        rest = memoryview(len(data).to_bytes(4, "big") + data)
        with self._lock:
            while rest:
                rest = rest[self._stream.write(rest) or 0 :]

    def close(self) -> None:
        """No more messages."""
        self._stream.close()


def receive(stream: IO[bytes]) -> bytes | None:
    """The next message as it was sent; None when the other end is gone, or sent what is no message."""
    head = _exactly(stream, 4)
    if head is None or (size := int.from_bytes(head, "big")) > LIMIT:
        return None
    return _exactly(stream, size)


def _exactly(stream: IO[bytes], size: int) -> bytes | None:
    parts, missing = [], size
    while missing:
        try:
            part = stream.read(missing)
        except (OSError, ValueError):
            return None
        if not part:
            return None
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
