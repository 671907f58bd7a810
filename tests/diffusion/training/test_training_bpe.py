"""Laws of the tokenizer that captions teach: any text can be read, words become tokens, files fit our own reader."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from nodeflow.diffusion.checkpoints.tokenizer import read_tokenizer
from nodeflow.diffusion.training import bpe

CAPTIONS = ["red heart", "blue heart, flat style", "a red cat", "heart of a cat", "flat cat", "blue style"] * 3


def test_frequent_words_become_one_token(tmp_path: Path) -> None:
    size = bpe.save(tmp_path, bpe.learn_merges(CAPTIONS, 100))
    tokenizer = read_tokenizer(tmp_path)
    assert len(tokenizer) == size
    assert len(tokenizer.encode("a red heart", add_special_tokens=False)) == 3
    assert len(tokenizer.encode("rde", add_special_tokens=False)) > 1


def test_start_and_end_are_the_last_numbers(tmp_path: Path) -> None:
    size = bpe.save(tmp_path, bpe.learn_merges(CAPTIONS, 100))
    tokenizer = read_tokenizer(tmp_path)
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id) == (size - 2, size - 1)
    assert tokenizer.pad_token_id == tokenizer.eos_token_id
    assert tokenizer.model_max_length == bpe.LENGTH


def test_learning_is_deterministic_and_stops_at_the_limit() -> None:
    merges = bpe.learn_merges(CAPTIONS, 100)
    assert merges == bpe.learn_merges(CAPTIONS[::-1], 100)
    assert bpe.learn_merges(CAPTIONS, 5) == merges[:5]
    assert bpe.learn_merges(["once"], 100) == []


def test_every_byte_has_its_own_character() -> None:
    characters = bpe.byte_characters()
    assert len(set(characters)) == 256
    assert all(c.isprintable() and not c.isspace() for c in characters)


@given(text=st.text(max_size=30))
def test_any_text_is_read_without_unknowns(text: str, tmp_path_factory) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.getbasetemp() / "tokenizer"
    if not folder.exists():
        bpe.save(folder, bpe.learn_merges(CAPTIONS, 100))
    tokenizer = read_tokenizer(folder)
    specials = {tokenizer.bos_token_id, tokenizer.eos_token_id}
    plain = text.replace("<|startoftext|>", "").replace("<|endoftext|>", "")
    assert not specials & set(tokenizer.encode(plain, add_special_tokens=False))
