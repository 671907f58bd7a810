"""GPT-2's tokenizer: bytes, and the pairs of them that stand together most often (Radford et al. 2019, section 2.2).

One file is enough, `merges.txt`: the ids are those of the 256 bytes, then of the pairs in their order, then of the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import BPE

from nodeflow.errors import NodeflowError
from nodeflow.values import TextEncoder

from ..prompts import Piece
from ..text import Token
from .tokenizer import read_merges, understood

END = "<|endoftext|>"


class Gpt2Tokenizer:
    """Text in lower case to ids, as GLIDE was trained.

    Args:
        tokenizer: The byte pairs.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer

    @property
    def pad_token_id(self) -> int:
        """The id that fills a prompt up."""
        return len(self) - 1

    def read(self, pieces: Sequence[Piece]) -> list[Token]:
        """The tokens of a text in pieces; a token that two pieces share weighs what its last sign does."""
        texts = [piece.text.encode("utf-8", "replace").decode("utf-8").lower() for piece in pieces]
        weights = [piece.weight for piece, text in zip(pieces, texts, strict=True) for _ in text]
        read = self.tokenizer.encode("".join(texts), add_special_tokens=False)
        return [Token(id, weights[end - 1]) for id, (_, end) in zip(read.ids, read.offsets, strict=True)]

    def __len__(self) -> int:
        """How many ids there are."""
        return self.tokenizer.get_vocab_size()


def load_gpt2_tokenizer(encoder: TextEncoder) -> Gpt2Tokenizer:
    """The tokenizer of GLIDE's text transformer.

    Raises:
        NodeflowError: NF408, its file is missing or corrupt, or its vocabulary is not the encoder's.
    """
    folder = Path(encoder.tokenizer)
    with understood(folder):
        pairs = read_merges(folder / "merges.txt")
        names = [*_bytes(), *("".join(pair) for pair in pairs), END]
        tokenizer = Tokenizer(BPE({name: i for i, name in enumerate(names)}, pairs))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made, expected = Gpt2Tokenizer(tokenizer), encoder.config.get("n_vocab", 50257)
    if len(made) != expected:
        raise NodeflowError("NF408", f"the tokenizer knows {len(made)} tokens, the text encoder {expected}",
                            where=str(folder), fix="choose a GLIDE model as it was published")  # fmt: skip
    return made


def _bytes() -> list[str]:
    """The signs that stand for the bytes in GPT-2's files, by id: first bytes that are signs, then the others."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return [*map(chr, shown), *(chr(0x100 + i) for i in range(256 - len(shown)))]
