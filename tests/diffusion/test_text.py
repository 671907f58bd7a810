"""Laws of prompt encoding, with a tokenizer of whole words and a tiny text encoder."""

from __future__ import annotations

import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nodeflow.diffusion.models import CLIPTextModel
from nodeflow.diffusion.text import Token, cut_at_commas, cut_at_words, encode, read
from nodeflow.errors import NodeflowError

COMMA, BOS, EOS = 1, 998, 999


class Words:
    """A tokenizer: a word is a token, "w12" is twelve of them, "," is token 1."""

    bos_token_id = BOS
    eos_token_id = EOS
    model_max_length = 77

    def __init__(self, pad: int = EOS) -> None:
        self.pad_token_id = pad

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        assert not add_special_tokens
        return [id for word in re.findall(r",|[^\s,]+", text) for id in self.word(word)]

    def word(self, word: str) -> list[int]:
        if word == ",":
            return [COMMA]
        if long := re.fullmatch(r"w(\d+)", word):
            return list(range(100, 100 + int(long[1])))
        return [2 + sum(map(ord, word)) % 90]


@pytest.fixture(scope="module")
def encoder() -> CLIPTextModel:
    torch.manual_seed(0)
    size = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 3, "num_attention_heads": 2}
    return CLIPTextModel.from_config({**size, "vocab_size": 1000, "eos_token_id": EOS}).eval()


def states(encoder, text, **options):
    return encode([text], Words(), encoder, **options).states


def lengths(text, weighting):
    return [len(window) for window in read(text, Words(), weighting)]


def test_a_short_prompt_is_what_the_encoder_says(encoder):
    ids = torch.tensor([[BOS, *Words().encode("a red heart", False), EOS, *[EOS] * 72]])
    for weighting in ("a1111", "comfy", "none"):
        found = encode(["a red heart"], Words(), encoder, weighting=weighting)
        assert torch.equal(found.states, encoder(ids).last_hidden_state)
        assert torch.equal(found.pooled, encoder(ids).pooler_output)


def test_padding_is_the_tokenizers(encoder):
    ids = torch.tensor([[BOS, 2, EOS, *[0] * 74]])
    two = encode(["\x00"], Words(pad=0), encoder, weighting="none")
    assert torch.equal(two.states, encoder(ids).last_hidden_state)


def test_skipped_layers_are_normalised(encoder):
    ids = torch.tensor([[BOS, *Words().encode("a cat", False), EOS, *[EOS] * 73]])
    expected = encoder.final_layer_norm(encoder(ids).hidden_states[-2])
    assert torch.equal(states(encoder, "a cat", skip=1), expected)
    with pytest.raises(NodeflowError, match="NF205"):
        states(encoder, "a cat", skip=3)


def test_a_prompts_states_do_not_depend_on_its_batch(encoder):
    texts = ["a (cat:1.5)", "w90, [dog]", ""]
    for weighting in ("a1111", "comfy"):
        batch = encode(texts, Words(), encoder, weighting=weighting)
        assert batch.states.shape == (3, 154, 8)
        for i, text in enumerate(texts):
            alone = encode([text], Words(), encoder, weighting=weighting)
            assert torch.allclose(batch.states[i, : alone.states.shape[1]], alone.states[0], atol=1e-6)
            assert torch.allclose(batch.pooled[i], alone.pooled[0], atol=1e-6)


def test_comfy_weights_move_the_state_away_from_the_empty_prompts(encoder):
    plain, empty = states(encoder, "a red cat"), states(encoder, "")
    weighed = states(encoder, "a (red:1.7) cat", weighting="comfy")
    expected = plain.clone()
    expected[:, 2] = empty[:, 2] + 1.7 * (plain[:, 2] - empty[:, 2])
    assert torch.allclose(weighed, expected, atol=1e-6)


def test_a1111_weights_multiply_the_state_and_keep_the_mean(encoder):
    plain = states(encoder, "a red cat")
    weighed = states(encoder, "a (red:1.7) cat", weighting="a1111")
    expected = plain.clone()
    expected[:, 2] *= 1.7
    expected *= plain.mean() / expected.mean()
    assert torch.allclose(weighed, expected, atol=1e-5)
    assert weighed.mean().item() == pytest.approx(plain.mean().item(), abs=1e-6)


def test_a_weight_changes_only_its_own_window(encoder):
    plain, weighed = states(encoder, "w75 cat"), states(encoder, "w75 (cat:1.4)")
    assert torch.equal(plain[:, :77], weighed[:, :77]) and not torch.equal(plain[:, 77:], weighed[:, 77:])


def test_break_begins_a_window(encoder):
    both = states(encoder, "a BREAK b")
    assert torch.allclose(both, torch.cat([states(encoder, "a"), states(encoder, "b")], dim=1), atol=1e-6)
    assert lengths("a BREAK", "a1111") == [1]
    assert lengths("BREAK a", "a1111") == [0, 1]
    assert lengths("BREAK", "a1111") == [0]


def test_full_windows_are_cut_as_each_dialect_does():
    assert lengths("w75", "a1111") == lengths("w75", "comfy") == lengths("w75", "none") == [75]
    assert lengths("w60 , w30", "a1111") == [61, 30]
    assert lengths("w50 , w40", "a1111") == [75, 16]
    assert lengths("w75 , a", "a1111") == [75, 2]
    assert lengths("w70 w7 a", "comfy") == [70, 8]
    assert lengths("w70 w8 a", "comfy") == [75, 4]
    assert lengths("w200", "comfy") == [75, 75, 50]
    assert lengths("w60 , w30", "none") == [75, 16]
    assert lengths("", "a1111") == lengths("", "comfy") == lengths("", "none") == [0]


def test_the_comma_counts_when_it_is_among_the_last_twenty():
    assert lengths("w55 , w30", "a1111") == [56, 30]
    assert lengths("w54 , w30", "a1111") == [75, 10]


@given(ids=st.lists(st.sampled_from([COMMA, 5, 6, 7]), max_size=300), size=st.integers(1, 80))
def test_cutting_loses_nothing(ids, size):
    tokens = [Token(id) for id in ids]
    for windows in (cut_at_commas(tokens, size, COMMA), cut_at_words([[token] for token in tokens], size)):
        assert [token for window in windows for token in window] == tokens
        assert all(len(window) <= size for window in windows)


@given(words=st.lists(st.integers(1, 20), max_size=40))
def test_short_words_stay_whole(words):
    size = 30
    written = [[Token(i)] * length for i, length in enumerate(words)]
    windows = cut_at_words(written, size)
    assert [token for window in windows for token in window] == [token for word in written for token in word]
    for word in written:
        if len(word) < 8:
            assert sum(word[0] in window for window in windows) == 1


def test_at_most_so_many_windows(encoder):
    long = states(encoder, "w200", weighting="none")
    assert long.shape[1] == 3 * 77
    assert torch.allclose(states(encoder, "w200", weighting="none", windows=1), long[:, :77], atol=1e-6)


def test_what_does_not_fit_is_refused(encoder):
    with pytest.raises(NodeflowError, match="NF413"):
        states(encoder, "(" * 8000 + "x" + ")" * 8000)
    with pytest.raises(NodeflowError, match=r"NF408.*token 1099.*1000"):
        states(encoder, "w1000", weighting="none")


def test_a_half_precision_encoder_is_weighed_in_full():
    torch.manual_seed(0)
    size = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    half = CLIPTextModel.from_config({**size, "vocab_size": 1000, "eos_token_id": EOS}).eval().to(torch.bfloat16)
    plain, weighed = states(half, "a red cat"), states(half, "a (red:1.7) cat")
    assert weighed.dtype == torch.float32
    assert weighed.mean().item() == pytest.approx(plain.mean().item(), abs=1e-6)
