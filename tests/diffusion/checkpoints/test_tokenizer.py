"""Our tokenizer gives transformers' ids for any text, and refuses what transformers lets pass."""

from __future__ import annotations

import dataclasses
import json
import shutil

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tiny import WORDS, write_json

from nodeflow.diffusion.checkpoints import open_model
from nodeflow.diffusion.checkpoints.tokenizer import load_tokenizer, read_tokenizer
from nodeflow.errors import NodeflowError


@pytest.fixture(scope="module")
def folder(tiny):
    return tiny() / "tokenizer"


@pytest.fixture(scope="module")
def ours(folder):
    return read_tokenizer(folder)


@pytest.fixture(scope="module")
def oracle(folder):
    from transformers import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(folder, local_files_only=True)


pieces = st.sampled_from(
    [*WORDS, "I'll", "don't", "we've", "'s", "É", "e\u0301", "ﬁ", "İ", "ß", "猫", "か\u3099", "🐈‍⬛", "👩🏽‍🚀",
     "12", "½", "٣", "<|endoftext|>", "<|startoftext|>",
     "<|ENDOFTEXT|>", "<|", "!!!", ",", "\n", "\t", "\u00a0", "\u200b", "\x00", "(a:1.2)", "_", "ǅ", "\U0010ffff"]
)  # fmt: skip
texts = st.lists(pieces | st.text(st.characters(codec="utf-8"), max_size=8), max_size=30).flatmap(
    lambda parts: st.sampled_from([" ".join(parts), "".join(parts)])
)


@settings(max_examples=300)
@given(text=texts)
@example(text="red heart " * 400)
@example(text="")
def test_ids_are_those_of_transformers(ours, oracle, text):
    assert ours.encode(text) == oracle.encode(text)
    assert ours.encode(text, add_special_tokens=False) == oracle.encode(text, add_special_tokens=False)


def test_special_tokens_are_those_of_transformers(ours, oracle):
    for name in ("bos_token_id", "eos_token_id", "pad_token_id", "model_max_length"):
        assert getattr(ours, name) == getattr(oracle, name)
    assert len(ours) == len(oracle)


def test_known_words_are_one_token(ours):
    assert all(len(ours.encode(word, add_special_tokens=False)) == 1 for word in WORDS)
    assert ours.encode("A  RED\nheart") == ours.encode("a red heart")


def test_half_a_character_is_no_crash(ours):
    assert ours.encode("a \ud83d cat")


def test_the_one_file_form_is_the_same(oracle, ours, tmp_path):
    oracle.save_pretrained(tmp_path)
    (tmp_path / "vocab.json").unlink(missing_ok=True)
    (tmp_path / "merges.txt").unlink(missing_ok=True)
    assert (tmp_path / "tokenizer.json").is_file()
    single = read_tokenizer(tmp_path)
    for text in ("a red heart, isn't it? 🐈", "x" * 500, "É e\u0301 12"):
        assert single.encode(text) == ours.encode(text)
    assert single.pad_token_id == ours.pad_token_id


def test_another_padding_token(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "tokenizer")
    (copy / "tokenizer_config.json").unlink()
    pad = {"content": "!", "lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    write_json(copy / "special_tokens_map.json", {"pad_token": pad})
    assert read_tokenizer(copy).pad_token_id == json.loads((copy / "vocab.json").read_text())["!"]
    assert read_tokenizer(copy).model_max_length == 77


def code_of(folder) -> str:
    with pytest.raises(NodeflowError) as caught:
        read_tokenizer(folder)
    return caught.value.code


@pytest.mark.parametrize("name", ["vocab.json", "merges.txt"])
@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'{"a": -1}', b'{"a": "b"}', b"\xff\xfe", b"x y z\n"])
def test_missing_or_corrupt_files_are_refused(folder, tmp_path, name, content):
    copy = shutil.copytree(folder, tmp_path / "tokenizer")
    (copy / name).unlink()
    if content is not None:
        (copy / name).write_bytes(content)
    assert code_of(copy) == "NF408"


def test_no_tokenizer_at_all(tmp_path):
    assert code_of(tmp_path) == code_of(tmp_path / "none") == "NF408"
    (tmp_path / "tokenizer.json").write_text('{"model": {"type": "BPE"}}')
    assert code_of(tmp_path) == "NF408"


def test_a_vocabulary_of_another_size_is_refused(tiny):
    encoder = open_model(str(tiny())).text_encoder
    assert len(load_tokenizer(encoder)) == encoder.config["vocab_size"]
    other = dataclasses.replace(encoder, config={**encoder.config, "vocab_size": 49408})
    with pytest.raises(NodeflowError, match="NF408"):
        load_tokenizer(other)
    with pytest.raises(NodeflowError, match="NF406"):
        load_tokenizer(dataclasses.replace(encoder, kind="T5EncoderModel"))
