"""A Hub on this machine, as far as its client asks: a listing with hashes, and files that may come in pieces."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

COMMIT = "c" * 40


class FakeHub:
    """Serves a folder as the repository org/name.

    Args:
        folder: Its files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wrong: dict[str, bytes] = {}
        """By name: what is sent instead of the file."""
        self.cut: dict[str, int] = {}
        """By name: after how many bytes the line goes dead."""
        self.pieces = 1 << 30
        """How often such a piece is sent before nothing comes any more."""
        self.refused = ""
        """What is answered instead of everything: "GatedRepo" or "RepoNotFound"."""
        self.asked: list[tuple[str, str]] = []
        """(name, range) of every file that was sent."""
        self.address = ""

    def files(self) -> dict[str, bytes]:
        paths = [path for path in self.folder.rglob("*") if path.is_file()]
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in paths}

    def tree(self) -> list[dict[str, Any]]:
        rows = []
        for name, data in self.files().items():
            lfs = {"oid": sha(data), "size": len(data), "pointerSize": 134} if _is_large(name) else None
            rows.append({"type": "file", "path": name, "size": len(data), "oid": git_hash(data), "lfs": lfs})
        return rows

    def listing(self) -> dict[str, Any]:
        siblings = []
        for name, data in self.files().items():
            lfs = {"sha256": sha(data), "size": len(data), "pointerSize": 134} if _is_large(name) else None
            large = {"lfs": lfs} if lfs else {}
            siblings.append({"rfilename": name, "size": len(data), "blobId": git_hash(data), **large})
        return {"id": "org/name", "modelId": "org/name", "sha": COMMIT, "siblings": siblings, "tags": []}


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def git_hash(data: bytes) -> str:
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()


def _is_large(name: str) -> bool:
    return name.endswith((".safetensors", ".gguf", ".bin"))


def _handler(hub: FakeHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            """In silence."""

        def do_HEAD(self) -> None:
            self.answer(send=False)

        def do_GET(self) -> None:
            self.answer(send=True)

        def answer(self, send: bool) -> None:
            if hub.refused:
                self.reply(403 if hub.refused == "GatedRepo" else 404, b"{}", {"X-Error-Code": hub.refused}, send)
            elif match := re.fullmatch(r"/org/name/resolve/[^/]+/(.+)", self.path.partition("?")[0]):
                self.file(match[1], send)
            elif self.path.startswith("/api/models/org/name"):
                said = hub.tree() if "/tree/" in self.path else hub.listing()
                self.reply(200, json.dumps(said).encode(), {"Content-Type": "application/json"}, send)
            else:
                self.reply(404, b"{}", {"X-Error-Code": "RepoNotFound"}, send)

        def file(self, name: str, send: bool) -> None:
            data = hub.files()[name]
            tag = sha(data) if _is_large(name) else git_hash(data)
            data = hub.wrong.get(name, data)
            headers = {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
            asked, status, whole = self.headers.get("Range", ""), 200, len(data)
            if asked:
                start = int(asked.removeprefix("bytes=").partition("-")[0])
                data, status = data[start:], 206
                headers["Content-Range"] = f"bytes {start}-{whole - 1}/{whole}"
            if send:
                hub.asked.append((name, asked))
            sent = sum(name == other for other, _ in hub.asked)
            cut = hub.cut.get(name)
            self.reply(status, data, headers, send, 0 if cut and sent > hub.pieces else cut)

        def reply(self, status: int, data: bytes, headers: dict[str, str], send: bool, cut: int | None = None) -> None:
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(key, value)
            self.end_headers()
            if send:
                self.wfile.write(data[:cut])
                self.close_connection = cut is not None

    return Handler


@contextmanager
def fake_hub(folder: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> Iterator[FakeHub]:
    """A running one that the client asks instead of the real one."""
    hub = FakeHub(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.address = f"http://127.0.0.1:{server.server_port}"
    place = "huggingface_hub.constants."
    monkeypatch.setattr(f"{place}ENDPOINT", hub.address)
    monkeypatch.setattr(f"{place}HUGGINGFACE_CO_URL_TEMPLATE", hub.address + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(f"{place}HF_HUB_OFFLINE", False)
    monkeypatch.setattr(f"{place}HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(f"{place}DOWNLOAD_CHUNK_SIZE", 1024)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
