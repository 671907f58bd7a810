"""Models from the Hugging Face Hub: only the safetensors, configs and tokenizers that are needed, never pickles.

What is in the Hub's cache is used without asking the network, so a graph runs the same offline. A download that was
cut goes on where it stopped. `HF_HUB_OFFLINE=1` is obeyed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from nodeflow.errors import NodeflowError

from .families import AUTOENCODERS, DENOISERS, TEXT_ENCODERS
from .files import STEMS, choose_weights, shard_names

FOLDERS = (
    "", *DENOISERS, *AUTOENCODERS, "scheduler", *TEXT_ENCODERS, "tokenizer", "tokenizer_2", "tokenizer_3",
)  # fmt: skip
"""The folders of a repository that we use: not the safety checker, nor weights for other programs."""
_SMALL = (".json", ".txt", ".model")
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


def fetch(repo: str, variant: str = "", lacking: str = "") -> Path:
    """Download what is needed of a repository; what is already here is not loaded again.

    Args:
        repo: "organisation/name".
        variant: Preferred variant of the weights, such as "fp16".
        lacking: What the copy that is here lacks, in words, for the error message.

    Returns:
        Its folder.

    Raises:
        NodeflowError: NF401, the Hub cannot be reached or refuses; NF405, the repository has only pickles.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    try:
        info = HfApi().model_info(repo, timeout=_TIMEOUT)
        names = [file.rfilename for file in info.siblings or ()]
        return Path(snapshot_download(repo, revision=info.sha, allow_patterns=wanted(names, variant)))
    except GatedRepoError as error:
        why, cause = "its owner asks you to accept a licence first", error
        fix = f"accept it on huggingface.co/{repo}, then run hf auth login"
    except RepositoryNotFoundError as error:
        why, fix, cause = "the Hub has no model of this name, or it is private", "check the name", error
    except NodeflowError:
        raise
    except Exception as error:  # the client's transport errors have no common base
        why, cause = f"the Hub cannot be reached ({type(error).__name__})", error
        fix = "go online once, or choose a folder"
    raise NodeflowError("NF401", f"{lacking or 'nothing of it is here'}, and {why}", where=repo, fix=fix) from cause


def wanted(names: Iterable[str], variant: str = "") -> list[str]:
    """The files of a repository that a model needs.

    Args:
        names: All its files, as paths.
        variant: Preferred variant of the weights.

    Raises:
        NodeflowError: NF405, its weights are pickles only.
    """
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
