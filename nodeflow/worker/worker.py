"""The child: runs the graphs it is sent, one after the other, and keeps models and results between them.

Three threads. The main thread computes. One reads commands, so that a cancel arrives while a node computes, and a ping
is answered as long as the process is alive at all. One looks at graphs (`Look`), so that the editor learns what a run
would do while another runs.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import queue
import sys
import threading
from pathlib import Path
from typing import IO, Any

import msgspec

from .. import content
from ..errors import Fault, NodeflowError
from . import messages as say
from .channel import Sender, receive

OOM_SCORE = 500
"""Linux ends this process before the editor when memory runs out."""


def main() -> None:
    """Serve the process that started this one, until it is gone."""
    commands, replies = _channel()
    faulthandler.enable()
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE))
    Worker(Sender(replies)).serve(commands)


def _channel() -> tuple[IO[bytes], IO[bytes]]:
    """Move the pipes to the parent away from where Python prints: from now on what is printed is the log."""
    commands, replies = os.fdopen(os.dup(0), "rb", 0), os.fdopen(os.dup(1), "wb", 0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    return commands, replies


class Worker:
    """Runs graphs for another process.

    Args:
        sender: Where replies go.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._runs: queue.SimpleQueue[say.Run | say.Setup | say.Reload] = queue.SimpleQueue()
        self._previews = say.Setup().previews
        self._tokens: dict[str, Any] = {}
        self._look: say.Look | None = None
        self._looking = threading.Condition()

    def serve(self, commands: IO[bytes]) -> None:
        """Do what is asked until the other end is gone."""
        from ..engine import Engine

        self._engine = Engine()
        threading.Thread(target=self._listen, args=(commands,), name="commands", daemon=True).start()
        threading.Thread(target=self._answer_looks, name="looks", daemon=True).start()
        self._ready()
        while True:
            match self._runs.get():
                case say.Run() as command:
                    self._run(command)
                case say.Setup() as command:
                    self._set_up(command)
                case say.Reload():
                    self._reload()

    def _ready(self, refused: Fault | None = None) -> None:
        self._say(say.Ready(os.getpid(), self._engine.device, self._engine.dtype, refused))

    def _set_up(self, command: say.Setup) -> None:
        from ..engine import resolve

        for name in ("models", "outputs", "packs"):
            os.environ.pop(content.variable(name), None)
        os.environ.update({content.variable(name): path for name, path in command.folders.items()})
        self._previews = command.previews
        self._engine.results.resize(command.device_bytes, command.host_bytes, command.disk_bytes)
        try:
            self._engine.device, self._engine.dtype = resolve(command.device, command.dtype)
            self._engine.bound(command.vram)
            self._ready()
        except NodeflowError as error:
            self._ready(error.faults[0])

    def _reload(self) -> None:
        from ..packs.find import packs

        self._engine.library.renew(packs(), content.cache_folder())
        self._ready()

    def _say(self, message: say.Message) -> None:
        """Reply; without anybody to reply to, there is nothing left to do."""
        try:
            self._sender.send(message)
        except OSError:
            os._exit(0)

    def _listen(self, commands: IO[bytes]) -> None:
        while (data := receive(commands)) is not None:
            try:
                self._obey(say.decode_command(data))
            except msgspec.MsgspecError as error:
                print(f"not a command: {error}", file=sys.stderr)
        os._exit(0)

    def _obey(self, command: say.Command) -> None:
        match command:
            case say.Run(job=job):
                from ..execution import Token

                self._tokens[job] = Token()
                self._runs.put(command)
            case say.Cancel(job=job):
                if token := self._tokens.get(job):
                    token.cancel()
            case say.Setup() | say.Reload():
                self._runs.put(command)
            case say.Look():
                with self._looking:
                    self._look = command
                    self._looking.notify()
            case say.Ping(serial=serial):
                self._say(say.Pong(serial))
            case say.Quit():
                os._exit(0)

    def _answer_looks(self) -> None:
        from .looking import look

        while True:
            with self._looking:
                while self._look is None:
                    self._looking.wait()
                asked, self._look = self._look, None
            self._say(look(self._engine, asked))

    def _run(self, command: say.Run) -> None:
        from .running import run

        token = self._tokens[command.job]
        try:
            run(self._engine, command, token, self._say, self._previews)
        except NodeflowError as error:
            self._say(say.JobFinished(command.job, 0.0, token.cancelled, error.faults))
        except Exception as error:
            import traceback

            traceback.print_exc()
            what = f"{type(error).__name__}: {error}; this is a fault of nodeflow"
            self._say(say.JobFinished(command.job, 0.0, token.cancelled, (Fault("NF501", what),)))
        finally:
            del self._tokens[command.job]
