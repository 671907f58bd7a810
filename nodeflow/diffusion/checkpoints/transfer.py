"""Large files from the Hub into the cache of its client, compared with their hash before they are there.

The client itself throws away what came of a file when a download breaks off. Here it stays beside the cache's files
as `<hash>.part`, and the next download goes on behind it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from nodeflow.errors import NodeflowError

_SHA256 = 64
"""Digits of a SHA-256; git's hashes have fewer."""


def is_large(digest: str | None) -> bool:
    """Whether a file of this hash is stored as a large one."""
    return digest is not None and len(digest) == _SHA256


def blob_of(repo: str, digest: str) -> Path:
    """Where the client's cache has the content of this hash."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repo, repo_type="model") / "blobs" / digest


def room(repo: str, size: int, digest: str | None) -> int:
    """Bytes that a file of so many still needs."""
    if digest is None:
        return size
    blob = blob_of(repo, digest)
    part = _part(blob)
    return 0 if blob.exists() else size - min(size, part.stat().st_size if part.exists() else 0)


def bring(repo: str, commit: str, name: str, size: int, digest: str) -> None:
    """Download a large file into the cache, or what lacks of it.

    Args:
        repo: "organisation/name".
        commit: Of the repository.
        name: Its path there.
        size: Its bytes.
        digest: Its SHA-256.

    Raises:
        NodeflowError: NF402, what came has another hash; it is removed.
    """
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import WeakFileLock, build_hf_headers

    blob = blob_of(repo, digest)
    lock = blob.parents[2] / ".locks" / blob.parents[1].name / f"{digest}.lock"  # the client's own
    for folder in (blob.parent, lock.parent):
        folder.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(lock):
        if blob.exists():
            return
        part = _part(blob)
        with part.open("ab") as file:
            if file.tell() > size:
                file.truncate(0)
            url = hf_hub_url(repo, name, revision=commit)
            options = {"headers": build_hf_headers(), "expected_size": size, "displayed_filename": name}
            http_get(url, file, resume_size=min(part.stat().st_size, size), **options)
        if content_hash(part, _SHA256) != digest:
            part.unlink()
            raise differs(repo, name, digest)
        part.replace(blob)


def differs(repo: str, name: str, digest: str) -> NodeflowError:
    """What is said of a file whose content is not what the Hub says."""
    what = f"the file is not what the Hub says (its hash is not {digest[:12]}…), and was removed"
    return NodeflowError("NF402", what, where=f"{repo}/{name}", fix="run it again")


def content_hash(path: Path, digits: int) -> str:
    """SHA-256 of a file, or the hash of fewer digits that git gives its content."""
    with path.open("rb") as file:
        if digits == _SHA256:
            return hashlib.file_digest(file, "sha256").hexdigest()
        git = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
        git.update(file.read())
        return git.hexdigest()


def _part(blob: Path) -> Path:
    return blob.with_name(f"{blob.name}.part")
