"""What parent and worker say to each other: plain data, nothing that could be called.

Commands go to the worker, replies come back. What a run says is named by its job; a node by its name in the graph.
"""

from __future__ import annotations

import msgspec

from ..errors import Fault

GIB = 2**30


class Message(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Base of all messages; the tag on the wire is the class's name."""


class Run(Message, frozen=True):
    """Run a graph, after those that were asked for before.

    Args:
        job: The name of the run.
        graph: Its document, as JSON.
        path: The file it belongs to: reasons are told compared with the last run of the same file.
        folder: Where nodes that save write.
        wanted: The outputs or nodes asked for; empty = all.
    """

    job: str
    graph: str
    path: str = ""
    folder: str = "."
    wanted: tuple[str, ...] = ()


class Cancel(Message, frozen=True):
    """Stop a job within a step, or drop it before it starts."""

    job: str


class Look(Message, frozen=True):
    """Say what is wrong with a graph, and what a run of it would do. Only the newest one is answered."""

    serial: int
    graph: str
    path: str = ""
    folder: str = "."


class Ping(Message, frozen=True):
    """Are you there? Answered while a node computes, too."""

    serial: int


class Setup(Message, frozen=True):
    """Compute there, within these budgets, from now on; a run that is on ends as it began. Answered with `Ready`.

    Args:
        device: "auto", "cpu", "cuda:1", …
        dtype: "auto", "float32", …
        vram: Bytes of weights on the device at once; 0 = as an `Engine` has it.
        device_bytes: Budget of results on the device.
        host_bytes: Budget of results in memory.
        disk_bytes: Budget of results on disk.
        previews: A node and second, at most; 0 = none.
        folders: Where "models", "outputs" and "packs" are, where not in the user's folder.
    """

    device: str = "auto"
    dtype: str = "auto"
    vram: int = 0
    device_bytes: int = 2 * GIB
    host_bytes: int = 2 * GIB
    disk_bytes: int = 10 * GIB
    previews: float = 30.0
    folders: dict[str, str] = {}


class Reload(Message, frozen=True):
    """The sources of node packs have changed: use them as they are now, from the next run on."""


class Quit(Message, frozen=True):
    """End, whatever is running."""


class Picture(msgspec.Struct, frozen=True, array_like=True):
    """A picture as the bytes of a file, "PNG" or "JPEG"; `note` says what it shows where that is no picture."""

    data: bytes
    width: int
    height: int
    format: str = "PNG"
    note: str = ""


class Sound(msgspec.Struct, frozen=True, array_like=True):
    """A sound as the bytes of a FLAC or WAV file, and what it looks like.

    Args:
        data: The file.
        rate: Samples a second.
        channels: How many.
        seconds: How long it is.
        outline: Lowest and highest sample of each column, two signed bytes each.
        spectrum: Loudness over time and frequency.
    """

    data: bytes
    rate: int
    channels: int
    seconds: float
    outline: bytes
    spectrum: Picture


class Ready(Message, frozen=True):
    """The worker can run graphs now, there; `refused` says why not as it was asked to."""

    pid: int
    device: str
    dtype: str
    refused: Fault | None = None


class JobStarted(Message, frozen=True):
    """A run begins, of at most this many steps."""

    job: str
    steps: int


class NodeStarted(Message, frozen=True):
    """A node is called."""

    job: str
    node: str


class Progress(Message, frozen=True):
    """A node has done `step` of `total`; the picture, where there is one, and a few words show how far it is."""

    job: str
    node: str
    step: int
    total: int
    picture: Picture | None = None
    note: str = ""


class NodeLog(Message, frozen=True):
    """A line for the user, from a node; `node` is empty for one about the run."""

    job: str
    node: str
    text: str


class NodeFinished(Message, frozen=True):
    """A node's result is there; `cached` names the tier it came from, empty when the node ran."""

    job: str
    node: str
    seconds: float
    cached: str = ""
    bytes: int = 0


class Loaded(Message, frozen=True):
    """A node waited so long for the weights it borrowed."""

    job: str
    node: str
    seconds: float


class NodeFailed(Message, frozen=True):
    """A node failed, or was skipped because its source failed."""

    job: str
    node: str
    fault: Fault


class Output(Message, frozen=True):
    """A result of the graph.

    Args:
        job: The run.
        name: The output's public name.
        port: Where it came from, "node.port".
        text: The value in a few words.
        pictures: The pictures of a batch, whole, each with the graph that makes it inside.
        sounds: The sounds of a batch, likewise.
    """

    job: str
    name: str
    port: str
    text: str
    pictures: tuple[Picture, ...] = ()
    sounds: tuple[Sound, ...] = ()


class Result(Message, frozen=True):
    """What a node made, to be seen on it: a small picture, a sound, or the noise levels of a schedule."""

    job: str
    node: str
    picture: Picture | None = None
    curve: tuple[float, ...] = ()
    sound: Sound | None = None


class JobFinished(Message, frozen=True):
    """A run is over: what each node did as (node, status, seconds), and what went wrong."""

    job: str
    seconds: float
    cancelled: bool = False
    faults: tuple[Fault, ...] = ()
    nodes: tuple[tuple[str, str, float], ...] = ()


class NodeState(msgspec.Struct, frozen=True, array_like=True):
    """What a run would do with a node: `status` as in a plan, and why, in words."""

    node: str
    status: str
    tier: str = ""
    reason: str = ""


class Seen(Message, frozen=True):
    """The answer to `Look`: all that is wrong, and what each node that is needed would do."""

    serial: int
    faults: tuple[Fault, ...] = ()
    states: tuple[NodeState, ...] = ()


class Pong(Message, frozen=True):
    """Yes."""

    serial: int


Command = Run | Cancel | Look | Ping | Setup | Reload | Quit
Answer = Ready | Seen | Pong
Told = (
    JobStarted | NodeStarted | Progress | NodeLog | Loaded | NodeFinished | NodeFailed | Output | Result | JobFinished
)
Reply = Answer | Told

encode = msgspec.msgpack.Encoder().encode
decode_command = msgspec.msgpack.Decoder(Command).decode
decode_reply = msgspec.msgpack.Decoder(Reply).decode
