"""BERT's tokenizer: lower-cased text to the ids of word pieces (Devlin et al. 2018; Wu et al. 2016, section 4.1)."""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordPiece

from nodeflow.errors import NodeflowError
from nodeflow.values import TextEncoder

from .files import read_json
from .tokenizer import ClipTokenizer, understood

START, END, PAD, UNKNOWN = "[CLS]", "[SEP]", "[PAD]", "[UNK]"


def load_wordpieces(encoder: TextEncoder) -> ClipTokenizer:
    """The tokenizer of a text encoder that reads word pieces, from `vocab.txt`, else `tokenizer.json`.

    Raises:
        NodeflowError: NF408, its files are missing or corrupt, or it knows more ids than the encoder.
    """
    folder = Path(encoder.tokenizer)
    with understood(folder):
        tokenizer = _read(folder)
    ids = {token: tokenizer.token_to_id(token) for token in (START, END, PAD)}
    missing = [token for token, id in ids.items() if id is None]
    known, expected = tokenizer.get_vocab_size(), encoder.config.get("vocab_size", 30522)
    if missing or known > expected:
        what = f"the tokenizer lacks {', '.join(missing)}" if missing else (
            f"the tokenizer knows {known} tokens, the text encoder {expected}")  # fmt: skip
        raise NodeflowError("NF408", what, where=str(folder), fix="choose a tokenizer and a text encoder of one model")
    length = encoder.config.get("max_position_embeddings", 77)
    return ClipTokenizer(tokenizer, ids[START] or 0, ids[END] or 0, ids[PAD] or 0, length)


def _read(folder: Path) -> Tokenizer:
    words = folder / "vocab.txt"
    if not words.is_file():
        tokenizer = Tokenizer.from_str(json.dumps(read_json(folder / "tokenizer.json")))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer
    options = folder / "tokenizer_config.json"
    lower = (read_json(options) if options.is_file() else {}).get("do_lower_case", True)
    tokenizer = Tokenizer(WordPiece.from_file(str(words), unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=bool(lower))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer
