"""The parent's end: a worker process, all that it says, and what became of it.

The parent never waits for the worker. Threads read and write the pipes; `poll` hands over what has come since the last
call, of previews only the newest a node. `wake` is called, from a thread, when there is something to poll.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from . import messages as say
from .channel import Sender, receive

PATIENCE = 30.0
"""Seconds without a sign of life until a worker counts as hung."""
PING = 2.0
"""Seconds of silence after which the worker is asked whether it is there."""
LOG_LINES = 200


@dataclass(frozen=True)
class Died:
    """The worker is gone.

    Args:
        cause: Why, as a clause: "it was killed (SIGKILL)".
        log: The last lines it printed.
    """

    cause: str
    log: tuple[str, ...] = ()


@dataclass(frozen=True)
class Printed:
    """A line that the worker, or a node in it, printed."""

    text: str


Heard = say.Reply | Died | Printed


class Client:
    """One worker process.

    Args:
        wake: Called from another thread when `poll` has something new; must not block.
        command: How to start the worker; by default this Python's.
        environment: Added to the environment variables.
        patience: Seconds without a sign of life until the worker is ended as hung.
    """

    def __init__(
        self,
        wake: Callable[[], object] = lambda: None,
        *,
        command: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self._wake = wake
        self._patience = patience
        self._heard: deque[Heard] = deque()
        self._newest: dict[tuple[str, str], int] = {}
        self._taken = 0
        self._lock = threading.Lock()
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self._wanted_end = ""
        self._pings = 0
        self._kills = _oom_kills()
        self._process = subprocess.Popen(
            [*(command or (sys.executable, "-m", "nodeflow.worker"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
        )
        assert self._process.stdin and self._process.stdout and self._process.stderr
        self._sender = Sender(self._process.stdin)
        self._outbox: queue.SimpleQueue[say.Command | None] = queue.SimpleQueue()
        self._sign = time.monotonic()
        self.ready: say.Ready | None = None
        self.alive = True
        self._threads = [
            threading.Thread(target=target, name=f"worker-{name}", daemon=True)
            for name, target in (("write", self._write), ("log", self._read_log), ("read", self._read))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, command: say.Command) -> None:
        """Ask the worker for something; never waits."""
        self._outbox.put(command)

    def poll(self) -> list[Heard]:
        """What the worker said since the last call."""
        with self._lock:
            heard = list(self._heard)
            self._taken += len(heard)
            self._heard.clear()
            self._newest.clear()
        return heard

    def watch(self) -> None:
        """Call about once a second: asks a silent worker for a sign of life, and ends one that gives none."""
        silent = time.monotonic() - self._sign
        if not self.alive or self.ready is None:
            return
        if silent > self._patience:
            self.end(f"it did not answer for {silent:.0f} s")
        elif silent > min(PING, self._patience / 3):
            self._pings += 1
            self.send(say.Ping(self._pings))

    def end(self, cause: str) -> None:
        """Kill the worker; it will have died of this cause."""
        self._wanted_end = cause
        self._process.kill()

    def close(self, timeout: float = 2.0) -> None:
        """End the worker, whatever it does, and wait for it."""
        self._wake = lambda: None
        self.send(say.Quit())
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)
        self._process.kill()
        self._process.wait()
        for thread in self._threads:
            thread.join(timeout)

    def _write(self) -> None:
        while (command := self._outbox.get()) is not None:
            try:
                self._sender.send(command)
            except (OSError, ValueError):
                break
        with contextlib.suppress(OSError):
            self._sender.close()

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream
        while (data := receive(stream)) is not None:
            self._sign = time.monotonic()
            try:
                self._hear(say.decode_reply(data))
            except msgspec.MsgspecError as error:
                self.end(f"it spoke nonsense ({error})")
        status = self._process.wait()
        self._threads[1].join(1.0)
        self.alive = False
        self._outbox.put(None)
        stream.close()
        self._hear(Died(self._wanted_end or _cause(status, self._kills), tuple(self._log)))

    def _read_log(self) -> None:
        stream = self._process.stderr
        assert stream
        with stream, os.fdopen(os.dup(stream.fileno()), encoding="utf-8", errors="replace") as lines:
            for line in lines:
                self._log.append(line.rstrip())
                self._hear(Printed(line.rstrip()))

    def _hear(self, reply: Heard) -> None:
        match reply:
            case say.Ready():
                self.ready = reply
            case say.Pong():
                return
        with self._lock:
            if not isinstance(reply, say.Progress) or not self._replaced(reply):
                self._heard.append(reply)
        self._wake()

    def _replaced(self, reply: say.Progress) -> bool:
        """Put newer progress of a node in the place of what nobody has polled yet; it keeps the newest picture."""
        place = self._newest.get((reply.job, reply.node))
        if place is None:
            self._newest[reply.job, reply.node] = len(self._heard)
            return False
        older = self._heard[place]
        assert isinstance(older, say.Progress)
        kept = reply if reply.picture else msgspec.structs.replace(reply, picture=older.picture)
        self._heard[place] = kept
        return True


def _cause(status: int, kills: int) -> str:
    """Why a process ended with this status."""
    if status < 0:
        name = _SIGNALS.get(-status, f"signal {-status}")
        if name == "SIGKILL" and _oom_kills() > kills:
            return "the system ended it because memory ran out"
        words = {"SIGSEGV": "it crashed (SIGSEGV, a fault in compiled code)", "SIGABRT": "it crashed (SIGABRT)"}
        return words.get(name, f"it was killed ({name})")
    return f"it ended with status {status}"


_SIGNALS = {each.value: each.name for each in signal.Signals}


def _oom_kills() -> int:
    """How many processes Linux has ended for want of memory since it started; 0 where that is not told."""
    try:
        with open("/proc/vmstat") as table:
            return next((int(line.split()[1]) for line in table if line.startswith("oom_kill ")), 0)
    except OSError:
        return 0
