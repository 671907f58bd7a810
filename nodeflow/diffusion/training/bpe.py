"""Learn a byte-level BPE vocabulary in CLIP's form from captions (Sennrich et al. 2016; Radford et al. 2019, 2021).

A word is its UTF-8 bytes, each written as one printable character, the last one marked `</w>`; the most frequent
neighbours are merged, again and again. Every byte stands in the vocabulary with and without the mark, so any prompt
can be read. `transformers.CLIPTokenizer.from_pretrained` loads the folder that `save` writes.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from nodeflow.atomic import atomic_write
from nodeflow.errors import NodeflowError

END_OF_WORD = "</w>"
SPECIAL = ("<|startoftext|>", "<|endoftext|>")
LENGTH = 77

_WORD = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[^\W\d_]+|\d|(?:[^\s\w]|_)+")

Merge = tuple[str, str]


def byte_characters() -> list[str]:
    """The printable character that stands for each byte: itself where it is printable, else U+0100 and on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    spare = iter(range(0x100, 0x200))
    return [chr(byte) if byte in printable else chr(next(spare)) for byte in range(256)]


def learn_merges(captions: Iterable[str], limit: int) -> list[Merge]:
    """At most `limit` merges, most frequent first (ties in alphabetical order); pairs seen once are left alone."""
    characters = byte_characters()
    counts = Counter(word for caption in captions for word in _WORD.findall(caption.lower()))
    words = {_spelled(word, characters): count for word, count in counts.items()}
    merges: list[Merge] = []
    while len(merges) < limit:
        pairs: Counter[Merge] = Counter()
        for word, count in words.items():
            for pair in pairwise(word):
                pairs[pair] += count
        best = min(pairs, key=lambda pair: (-pairs[pair], pair), default=None)
        if best is None or pairs[best] < 2:
            break
        merges.append(best)
        words = {_merged(word, best): count for word, count in words.items()}
    return merges


def vocabulary(merges: Iterable[Merge]) -> dict[str, int]:
    """Numbers of all tokens: bytes, bytes that end a word, merges, and last the start and end tokens."""
    characters = byte_characters()
    ends = [character + END_OF_WORD for character in characters]
    tokens = [*characters, *ends, *map("".join, merges), *SPECIAL]
    return {token: number for number, token in enumerate(dict.fromkeys(tokens))}


def save(folder: Path, merges: list[Merge], length: int = LENGTH) -> int:
    """Write the tokenizer's files; returns the size of the vocabulary.

    Args:
        folder: Made if it is not there.
        merges: As `learn_merges` gives them.
        length: How many tokens the text encoder reads at once, start and end included.

    Raises:
        NodeflowError: NF108, the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NodeflowError("NF108", f"the folder cannot be made: {error.strerror}", where=str(folder)) from None
    numbers = vocabulary(merges)
    start, end = SPECIAL
    config = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": length,
        "bos_token": start,
        "eos_token": end,
        "pad_token": end,
        "unk_token": end,
        "do_lower_case": True,
    }
    special = {key: config[key] for key in ("bos_token", "eos_token", "pad_token", "unk_token")}
    atomic_write(folder / "vocab.json", json.dumps(numbers, ensure_ascii=False).encode())
    lines = ["#version: 0.2", *map(" ".join, merges)]
    atomic_write(folder / "merges.txt", ("\n".join(lines) + "\n").encode())
    atomic_write(folder / "tokenizer_config.json", json.dumps(config, indent=2).encode())
    atomic_write(folder / "special_tokens_map.json", json.dumps(special, indent=2).encode())
    return len(numbers)


def _spelled(word: str, characters: list[str]) -> tuple[str, ...]:
    *front, last = (characters[byte] for byte in word.encode())
    return (*front, last + END_OF_WORD)


def _merged(word: tuple[str, ...], pair: Merge) -> tuple[str, ...]:
    parts, i = [], 0
    while i < len(word):
        if word[i : i + 2] == pair:
            parts.append(word[i] + word[i + 1])
            i += 2
        else:
            parts.append(word[i])
            i += 1
    return tuple(parts)
