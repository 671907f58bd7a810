"""T5's tokenizer: both of its published files say the same, and a damaged one is an error."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_flows import T5, sentencepiece, write_t5_tokenizer

from nodeflow.diffusion.checkpoints.t5_tokenizer import (
    SENTINELS,
    T5Tokenizer,
    load_t5_tokenizer,
    read_t5_tokenizer,
)
from nodeflow.errors import NodeflowError
from nodeflow.values import TextEncoder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    write_t5_tokenizer(folder, SENTINELS)
    return folder


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pieces")
    (folder / "spiece.model").write_bytes(sentencepiece())
    return folder


@pytest.fixture(scope="module")
def both(folder: Path, pieces: Path) -> tuple[T5Tokenizer, T5Tokenizer]:
    return read_t5_tokenizer(folder), read_t5_tokenizer(pieces)


def test_words_are_the_most_probable_pieces(both: tuple[T5Tokenizer, T5Tokenizer]) -> None:
    tokenizer = both[0]
    assert len(tokenizer.encode("a red heart")) == 4
    assert tokenizer.encode("a red heart") == [*tokenizer.encode("a  red\nheart", add_special_tokens=False), 1]
    assert tokenizer.encode("") == [1]
    assert 2 in tokenizer.encode("♥")  # unknown


@given(text=st.text(max_size=30))
def test_both_files_say_the_same(both: tuple[T5Tokenizer, T5Tokenizer], text: str) -> None:
    assert both[0].encode(text) == both[1].encode(text)
    assert len(both[0]) == len(both[1])


def test_a_cut_model_is_refused(tmp_path: Path) -> None:
    whole = sentencepiece()
    for length in (0, 1, 5, len(whole) // 2, len(whole) - 20):
        (tmp_path / "spiece.model").write_bytes(whole[:length])
        with pytest.raises(NodeflowError, match="NF408"):
            load_t5_tokenizer(_encoder(tmp_path))


@given(data=st.binary(max_size=200))
def test_no_file_brings_it_down(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("noise")
    (folder / "spiece.model").write_bytes(data)
    with pytest.raises(NodeflowError, match="NF408"):
        read_t5_tokenizer(folder)


def test_a_missing_or_strange_tokenizer_is_refused(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(NodeflowError, match="NF408"):
        read_t5_tokenizer(tmp_path)
    assert len(load_t5_tokenizer(_encoder(folder, 256))) == 212
    for rows in (128, 32128):
        with pytest.raises(NodeflowError, match="NF408"):
            load_t5_tokenizer(_encoder(folder, rows))


def _encoder(folder: Path, rows: int = 256) -> TextEncoder:
    encoder = TextEncoder(str(folder), "T5EncoderModel", {**T5, "vocab_size": rows}, "0" * 32)
    return replace(encoder, tokenizer=str(folder))


def test_the_pieces_that_come_with_nodeflow_are_those_of_t5() -> None:
    """Ids as the documentation of transformers and the T5 paper's examples have them."""
    from nodeflow.diffusion.checkpoints.single import _TOKENIZERS

    tokenizer = load_t5_tokenizer(_encoder(_TOKENIZERS / "t5", 32128))
    assert tokenizer.encode("translate English to German: The house is wonderful.") == [
        13959, 1566, 12, 2968, 10, 37, 629, 19, 1627, 5, 1,
    ]  # fmt: skip
    assert tokenizer.encode("Hello world") == [8774, 296, 1]
    assert tokenizer.encode("ﬁne  ２") == tokenizer.encode("fine 2")
