"""CLIP's tokenizer: lower-cased text to the ids of byte pairs (Radford et al. 2021, section 2.4).

Built from the published files on the `tokenizers` library alone, which imports a hundred times faster than
transformers. A missing tokenizer is an error here, never an empty vocabulary.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import BPE

from nodeflow.errors import NodeflowError
from nodeflow.values import TextEncoder

from ..adapters.patch import words
from .files import MAX_JSON_BYTES, read_json

START, END = "<|startoftext|>", "<|endoftext|>"
_WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_DEFAULT_LENGTH = 77
_MAX_LENGTH = 1 << 16
_ROLES = {"bos_token": START, "eos_token": END, "pad_token": END, "unk_token": END}


class ClipTokenizer:
    """Text to ids, under the names that transformers uses.

    Args:
        tokenizer: The byte pairs and their rules.
        bos_token_id: Id put before a prompt.
        eos_token_id: Id put after it.
        pad_token_id: Id that fills it up.
        model_max_length: How many ids the text encoder takes, start and end included.
    """

    def __init__(
        self, tokenizer: Tokenizer, bos_token_id: int, eos_token_id: int, pad_token_id: int, model_max_length: int
    ) -> None:
        self.tokenizer = tokenizer
        self.bos_token_id, self.eos_token_id, self.pad_token_id = bos_token_id, eos_token_id, pad_token_id
        self.model_max_length = model_max_length
        self.spelt: dict[int, list[int]] = {}
        """Ids that stand for several, such as those of learnt words."""

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        """The ids of a text, as many as it takes, between start and end unless these are not asked for."""
        text = text.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair is no character
        read = self.tokenizer.encode(text, add_special_tokens=False).ids
        ids = [each for id in read for each in self.spelt.get(id, [id])] if self.spelt else read
        return [self.bos_token_id, *ids, self.eos_token_id] if add_special_tokens else ids

    def __len__(self) -> int:
        """How many ids there are."""
        return self.tokenizer.get_vocab_size() + sum(len(ids) - 1 for ids in self.spelt.values())


def load_tokenizer(encoder: TextEncoder) -> ClipTokenizer:
    """The tokenizer of a text encoder.

    Raises:
        NodeflowError: NF408, its files are missing or corrupt, or their vocabulary is not the encoder's; NF406, the
            encoder is not one of CLIP.
    """
    if not encoder.kind.startswith("CLIPTextModel"):
        raise NodeflowError("NF406", f"the tokenizer of a {encoder.kind} is not supported", where=encoder.tokenizer)
    tokenizer = read_tokenizer(Path(encoder.tokenizer))
    expected = encoder.config.get("vocab_size", 49408)
    if len(tokenizer) != expected:
        raise NodeflowError(
            "NF408",
            f"the tokenizer knows {len(tokenizer)} tokens, the text encoder {expected}",
            where=encoder.tokenizer,
            fix="choose a tokenizer and a text encoder of one model",
        )
    learnt = words(encoder)
    return taught(tokenizer, learnt) if learnt else tokenizer


def taught(tokenizer: ClipTokenizer, learnt: Mapping[str, int]) -> ClipTokenizer:
    """A tokenizer that reads more words, each as so many ids behind those it had.

    Args:
        tokenizer: The tokenizer, left as it is.
        learnt: Words and how many ids each stands for.

    Raises:
        NodeflowError: NF408, a word is one of the tokenizer's own, or empty.
    """
    own = Tokenizer.from_str(tokenizer.tokenizer.to_str())
    roles = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
    made = ClipTokenizer(own, *roles, tokenizer.model_max_length)
    first, marks = own.get_vocab_size(), {}
    for word, count in learnt.items():
        if not word.strip() or own.token_to_id(word) is not None:
            what = f"{word!r} is a word that the tokenizer knows already" if word.strip() else "a learnt word is empty"
            raise NodeflowError("NF408", what, fix="give the word another name, as in <zork>")
        marks[word] = list(range(first, first + count))
        first += count
    own.add_tokens([AddedToken(word, single_word=word.isalnum(), normalized=False) for word in learnt])
    made.spelt = {own.token_to_id(word) or 0: ids for word, ids in marks.items()}
    return made


@contextmanager
def understood(folder: Path) -> Iterator[None]:
    """Whatever goes wrong while a tokenizer's files are read is a tokenizer that is missing or corrupt: NF408."""
    try:
        yield
    except NodeflowError as error:
        fault = error.faults[0]
        raise NodeflowError("NF408", fault.what, where=fault.where, fix="download the model again") from error
    except Exception as error:  # the library raises Exception itself
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise NodeflowError("NF408", f"the tokenizer is corrupt: {why}", where=str(folder)) from error


def read_tokenizer(folder: Path) -> ClipTokenizer:
    """The tokenizer in a folder: `vocab.json` and `merges.txt`, else `tokenizer.json`.

    Raises:
        NodeflowError: NF408, the files are missing or corrupt.
    """
    with understood(folder):
        options = {**_optional(folder / "special_tokens_map.json"), **_optional(folder / "tokenizer_config.json")}
        roles = {role: _text(options.get(role), default) for role, default in _ROLES.items()}
        tokenizer = _tokenizer(folder, roles["unk_token"])
        added = {**_optional(folder / "added_tokens.json"), **dict.fromkeys(roles.values())}
        tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in added])
        ids = {role: tokenizer.token_to_id(text) or 0 for role, text in roles.items()}
    length = options.get("model_max_length", _DEFAULT_LENGTH)
    if not (isinstance(length, int) and 2 < length <= _MAX_LENGTH):
        length = _DEFAULT_LENGTH  # transformers writes 10^30 for "not said"
    return ClipTokenizer(tokenizer, ids["bos_token"], ids["eos_token"], ids["pad_token"], length)


def _tokenizer(folder: Path, unknown: str) -> Tokenizer:
    if (folder / "vocab.json").is_file() or not (folder / "tokenizer.json").is_file():
        vocabulary, merges = read_json(folder / "vocab.json"), read_merges(folder / "merges.txt")
        model = BPE(vocabulary, merges, continuing_subword_prefix="", end_of_word_suffix="</w>", unk_token=unknown)
        tokenizer = Tokenizer(model)
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
        )
        split = pre_tokenizers.Split(Regex(_WORDS), "removed", invert=True)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False)])
        return tokenizer
    tokenizer = Tokenizer.from_str(json.dumps(read_json(folder / "tokenizer.json")))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def read_merges(path: Path) -> list[tuple[str, str]]:
    """The pairs of `merges.txt`, the most frequent first.

    Raises:
        NodeflowError: NF401, the file is missing; NF402, it has no pairs.
    """
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MAX_JSON_BYTES)
    except OSError:
        raise NodeflowError("NF401", "the file is missing", where=str(path)) from None
    lines = (line.split(" ") for line in text.split("\n") if line and not line.startswith("#version"))
    pairs = [(parts[0], parts[1].strip()) for parts in lines if len(parts) == 2]
    if not pairs:
        raise NodeflowError("NF402", "the file has no pairs", where=str(path))
    return pairs


def _optional(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}


def _text(token: Any, default: str) -> str:
    """A special token, written as a text or as an object with its `content`."""
    token = token.get("content") if isinstance(token, dict) else token
    return token if isinstance(token, str) and token else default
