"""T5's tokenizer: text to the pieces that are most probable together (Kudo 2018, arXiv 1804.10959, section 3.2).

From `tokenizer.json`, or from `spiece.model`, which many repositories ship alone: a small protocol buffer with the
pieces, their log probabilities, and a compiled table of characters that are written in another way.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import Unigram

from nodeflow.errors import NodeflowError
from nodeflow.values import TextEncoder

from .files import MAX_JSON_BYTES, read_json
from .tokenizer import understood

END, PAD = "</s>", "<pad>"
SENTINELS = 100
"""Ids behind the pieces, for gaps in a text; T5 was trained with them."""
_UNIGRAM, _UNKNOWN = 1, 2
_MODEL = "spiece.model"


class T5Tokenizer:
    """Text to ids.

    Args:
        tokenizer: The pieces and their rules.
        eos_token_id: Id put after a prompt.
        pad_token_id: Id that fills it up.
    """

    def __init__(self, tokenizer: Tokenizer, eos_token_id: int, pad_token_id: int) -> None:
        self.tokenizer, self.eos_token_id, self.pad_token_id = tokenizer, eos_token_id, pad_token_id

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        """The ids of a text, as many as it takes, and the end's unless it is not asked for."""
        text = text.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair is no character
        ids = self.tokenizer.encode(text, add_special_tokens=False).ids
        return [*ids, self.eos_token_id] if add_special_tokens else ids

    def __len__(self) -> int:
        """How many ids there are."""
        return self.tokenizer.get_vocab_size()


def load_t5_tokenizer(encoder: TextEncoder) -> T5Tokenizer:
    """The tokenizer of a T5 text encoder, whose table may be longer than the vocabulary.

    Raises:
        NodeflowError: NF408, its files are missing or corrupt, or their vocabulary is not the encoder's.
    """
    tokenizer = read_t5_tokenizer(Path(encoder.tokenizer))
    rows = encoder.config.get("vocab_size", 32128)
    if not rows // 2 < len(tokenizer) <= rows:
        raise NodeflowError(
            "NF408",
            f"the tokenizer knows {len(tokenizer)} tokens, the text encoder {rows}",
            where=encoder.tokenizer,
            fix="choose a tokenizer and a text encoder of one model",
        )
    return tokenizer


def read_t5_tokenizer(folder: Path) -> T5Tokenizer:
    """The tokenizer in a folder: `tokenizer.json`, else `spiece.model`.

    Raises:
        NodeflowError: NF408, the files are missing or corrupt.
    """
    with understood(folder):
        if (folder / "tokenizer.json").is_file() or not (folder / _MODEL).is_file():
            tokenizer = Tokenizer.from_str(json.dumps(read_json(folder / "tokenizer.json")))
            tokenizer.no_truncation()
            tokenizer.no_padding()
        else:
            tokenizer = _from_pieces(folder / _MODEL)
        end, pad = tokenizer.token_to_id(END), tokenizer.token_to_id(PAD)
        if end is None or pad is None:
            raise ValueError(f"it has no {END if end is None else PAD}")
    return T5Tokenizer(tokenizer, end, pad)


def _from_pieces(path: Path) -> Tokenizer:
    """The tokenizer of a sentencepiece model.

    Raises:
        ValueError: It is none, or not one of pieces with probabilities.
    """
    with path.open("rb") as file:
        data = file.read(MAX_JSON_BYTES)
    pieces: list[tuple[str, float]] = []
    unknown, table = 0, b""
    kind: int | bytes = _UNIGRAM
    for number, value in _fields(data):
        if number == 1:
            piece = dict(_fields(_bytes(value)))
            if piece.get(3) == _UNKNOWN:
                unknown = len(pieces)
            (score,) = struct.unpack("<f", _bytes(piece.get(2, bytes(4))))
            pieces.append((_bytes(piece.get(1, b"")).decode("utf-8"), score))
        elif number == 2:
            kind = dict(_fields(_bytes(value))).get(3, _UNIGRAM)
        elif number == 3:
            table = _bytes(dict(_fields(_bytes(value))).get(2, b""))
    if kind != _UNIGRAM or not pieces:
        raise ValueError("it has no pieces with probabilities")
    pieces += [(f"<extra_id_{i}>", 0.0) for i in reversed(range(SENTINELS))]
    tokenizer = Tokenizer(Unigram(pieces, unknown, byte_fallback=False))
    if table:
        tokenizer.normalizer = normalizers.Precompiled(table)
    spaces = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), spaces])
    return tokenizer


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The numbered fields of a protocol buffer: whole numbers, or bytes."""
    at = 0
    while at < len(data):
        key, at = _whole(data, at)
        match key & 7:
            case 0:
                value, at = _whole(data, at)
                yield key >> 3, value
                continue
            case 1 | 5 as form:
                length = 8 if form == 1 else 4
            case 2:
                length, at = _whole(data, at)
            case _:
                raise ValueError("it is no sentencepiece model")
        if at + length > len(data):
            raise ValueError("the file is cut")
        yield key >> 3, data[at : at + length]
        at += length


def _whole(data: bytes, at: int) -> tuple[int, int]:
    """A whole number of seven bits a byte, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ValueError("the file is cut")
        byte, at = data[at], at + 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("it is no sentencepiece model")


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("it is no sentencepiece model")
    return value
