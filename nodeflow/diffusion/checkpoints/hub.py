"""Models from the Hugging Face Hub: only the safetensors, configs and tokenizers that are needed, never pickles.

What is in the Hub's cache is used without asking the network, so a graph runs the same offline. A download that was
cut goes on where it stopped. `HF_HUB_OFFLINE=1` is obeyed.
"""

from __future__ import annotations

import errno
import re
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from nodeflow.errors import Fault, NodeflowError

from .families import AUTOENCODERS, DENOISERS, TEXT_ENCODERS
from .files import STEMS, choose_weights, shard_names
from .locate import ENDINGS
from .transfer import bring, content_hash, differs, is_large, room

FOLDERS = (
    "", *DENOISERS, *AUTOENCODERS, "scheduler", *TEXT_ENCODERS, "tokenizer", "tokenizer_2", "tokenizer_3",
)  # fmt: skip
"""The folders of a repository that we use: not the safety checker, nor weights for other programs."""
_SMALL = (".json", ".txt", ".model")
_PICKLES = (".bin", ".ckpt", ".pt", ".pth")
_TIMEOUT = 10.0


def cached(repo: str) -> Path | None:
    """The folder of what is already here of a repository, maybe only a part of it; None for nothing.

    Raises:
        NodeflowError: NF401, no repository can have this name.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repo, local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    except HFValidationError:
        raise NodeflowError("NF401", f"{repo!r} is no name on the Hub", fix="give organisation/name") from None


class Listing(NamedTuple):
    """What the Hub says of a repository.

    Args:
        repo: "organisation/name".
        commit: Its newest.
        files: By path: bytes, and the hash of the content, SHA-256 for weights, git's for others; None = not said.
    """

    repo: str
    commit: str
    files: Mapping[str, tuple[int, str | None]]


def fetch(repo: str, variant: str = "", lacking: str = "") -> Path:
    """Download what is needed of a repository; what is already here is not loaded again.

    Args:
        repo: "organisation/name".
        variant: Preferred variant of the weights, such as "fp16".
        lacking: What the copy that is here lacks, in words, for the error message.

    Returns:
        Its folder.

    Raises:
        NodeflowError: NF401, the Hub cannot be reached, refuses or breaks off; NF402, what came is not what the Hub
            says; NF404, it has no model folder; NF405, it has only pickles; NF108, the disk is full.
    """
    listing = _listed(repo, lacking)
    return _loaded(listing, wanted(listing.files, variant, repo), lacking)


def get(name: str, variant: str = "") -> tuple[Path, int]:
    """Download a model, or a folder or file of a repository, and compare all of it with the Hub's hashes.

    Args:
        name: "organisation/name", maybe with a folder or a file behind it, or the address of one.
        variant: Preferred variant of the weights.

    Returns:
        Its folder or file, and how many files were compared.

    Raises:
        NodeflowError: As `fetch`.
    """
    match = _NAME.fullmatch(name.strip())
    if match is None:
        raise NodeflowError("NF401", f"{name[:80]!r} is no name on the Hub", fix="give organisation/name")
    repo, inside = match["repo"], match["inside"] or ""
    listing = _listed(repo)
    chosen = _inside(listing, inside, variant) if inside else wanted(listing.files, variant, repo)
    folder = _loaded(listing, chosen)
    _compare(listing, folder, chosen)
    return folder / inside, len(chosen)


_NAME = re.compile(
    r"(?:https?://[^/]+/)?(?P<repo>[\w][\w.-]{0,95}/[\w][\w.-]{0,95})/?(?:(?:blob|resolve|tree)/main/)?(?P<inside>[^?#]+?)?/?"
    r"(?:[?#].*)?",
    re.ASCII,
)


def _inside(listing: Listing, inside: str, variant: str) -> list[str]:
    """What is needed of a folder or file of a repository."""
    if inside in listing.files:
        if inside.endswith(_PICKLES):
            raise NodeflowError("NF405", "this file is a pickle, and pickles can run code", where=inside)
        return [inside]
    below = [name.removeprefix(f"{inside}/") for name in listing.files if name.startswith(f"{inside}/")]
    if not below:
        raise NodeflowError("NF401", f"the repository has no {inside!r}", where=listing.repo, fix=_offered(listing))
    return [f"{inside}/{name}" for name in wanted(below, variant, f"{listing.repo}/{inside}")]


def _offered(listing: Listing) -> str:
    files = [name for name in listing.files if name.endswith(ENDINGS)]
    more = f" and {len(files) - 5} more" if len(files) > 5 else ""
    return f"it has {', '.join(files[:5])}{more}" if files else "choose another repository"


def _listed(repo: str, lacking: str = "") -> Listing:
    from huggingface_hub import HfApi

    with _told(repo, lacking, "the Hub cannot be reached"):
        info = HfApi().model_info(repo, timeout=_TIMEOUT, files_metadata=True)
    files = {}
    for file in info.siblings or ():
        files[file.rfilename] = (file.size or 0, file.lfs.sha256 if file.lfs else file.blob_id)
    return Listing(repo, info.sha or "main", files)


def _loaded(listing: Listing, chosen: list[str], lacking: str = "") -> Path:
    """The folder of a repository with these files in it, those that came new compared with the Hub's hashes."""
    from huggingface_hub import snapshot_download, try_to_load_from_cache

    def here(name: str) -> bool:
        return isinstance(try_to_load_from_cache(listing.repo, name, revision=listing.commit), str)

    new = [name for name in chosen if not here(name)]
    _require_room(sum(room(listing.repo, *listing.files[name]) for name in new))
    with _told(listing.repo, lacking, "the download broke off"):
        for name in new:
            size, digest = listing.files[name]
            if digest is not None and is_large(digest):
                bring(listing.repo, listing.commit, name, size, digest)
        folder = Path(snapshot_download(listing.repo, revision=listing.commit, allow_patterns=chosen))
    _compare(listing, folder, [name for name in new if not is_large(listing.files[name][1])])
    return folder


def _require_room(size: int) -> None:
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE)
    place = next(folder for folder in (cache, *cache.parents) if folder.is_dir())
    free = shutil.disk_usage(place).free
    if size > free:
        what = f"the model needs {size / 1e9:.1f} GB more, and the disk has {free / 1e9:.1f} GB free"
        raise NodeflowError("NF108", what, where=str(cache), fix="free some, or set HF_HOME to a folder elsewhere")


def _compare(listing: Listing, folder: Path, names: Iterable[str]) -> None:
    """Remove what is not what the Hub says, and say so."""
    faults: list[Fault] = []
    for name in names:
        expected, path = listing.files[name][1], folder / name
        if expected is None or content_hash(path, len(expected)) == expected:
            continue
        for file in {path.resolve(), path}:
            file.unlink(missing_ok=True)
        faults += differs(listing.repo, name, expected).faults
    if faults:
        raise NodeflowError.of(faults)


@contextmanager
def _told(repo: str, lacking: str, trouble: str) -> Iterator[None]:
    """Whatever the client raises, in one sentence."""
    from huggingface_hub.errors import GatedRepoError, OfflineModeIsEnabled, RepositoryNotFoundError

    try:
        yield
        return
    except NodeflowError:
        raise
    except GatedRepoError as error:
        why, cause = "its owner asks you to accept a licence first", error
        fix = f"accept it on huggingface.co/{repo}, then run hf auth login"
    except RepositoryNotFoundError as error:
        why, fix, cause = "the Hub has no model of this name, or it is private", "check the name", error
    except OfflineModeIsEnabled as error:
        why, cause = "the Hub cannot be reached, since HF_HUB_OFFLINE is set", error
        fix = "unset it once, or choose a folder"
    except Exception as error:  # the client's transport errors have no common base
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise NodeflowError("NF108", "the disk is full", where=repo, fix="free some; what came is kept") from error
        why, cause = f"{trouble} ({type(error).__name__})", error
        fix = "go online once, or choose a folder"
        if trouble.startswith("the download"):
            fix = "run it again: it goes on where it stopped"
    raise NodeflowError("NF401", f"{lacking or 'nothing of it is here'}, and {why}", where=repo, fix=fix) from cause


def wanted(names: Iterable[str], variant: str = "", repo: str = "") -> list[str]:
    """The files of a repository that a model needs.

    Args:
        names: All its files, as paths.
        variant: Preferred variant of the weights.
        repo: Its name, for error messages.

    Raises:
        NodeflowError: NF404, its weights are in files by themselves; NF405, they are pickles only.
    """
    names = list(names)
    folders: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        folder, _, file = name.rpartition("/")
        if folder in FOLDERS:
            folders[folder].append(file)
    if folders.keys() & set(DENOISERS):
        folders[""] = [file for file in folders[""] if file.endswith(".json")]
    chosen = []
    for folder, files in folders.items():
        for file in (*(file for file in files if file.endswith(_SMALL)), *_weights(files, variant)):
            chosen.append(f"{folder}/{file}" if folder else file)
    if not any(name.endswith(".safetensors") for name in chosen):
        alone = [name for name in names if name.endswith(ENDINGS)]
        if alone:
            what = f"this is no model folder, but it has the files {', '.join(alone[:5])}"
            fix = f"get one with nodeflow models get {repo or 'organisation/name'}/{alone[0]}"
            raise NodeflowError("NF404", what, where=repo, fix=fix)
        raise NodeflowError(
            "NF405", "the repository has no safetensors, and pickles can run code", fix="choose another repository"
        )
    return sorted(set(chosen))


def _weights(files: list[str], variant: str) -> list[str]:
    found = []
    for stem in STEMS.values():
        chosen, belongs = choose_weights(files, stem, variant)
        indexed = chosen and chosen[0].endswith(".json")
        found += shard_names(files, stem, belongs) if indexed else chosen
    return found
