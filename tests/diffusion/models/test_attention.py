"""Laws of attention."""

from __future__ import annotations

import pytest
import torch

from nodeflow.diffusion.models.attention import Attention, Transformer2DModel, current_names, to_pixels, to_tokens


def test_scores_beyond_the_range_of_half_precision_do_no_harm() -> None:
    attention = Attention(64, heads=1).half()
    with torch.no_grad():
        for projection in (attention.to_q, attention.to_k):
            projection.weight.copy_(40 * torch.eye(64))
        read = attention(torch.ones(1, 3, 64, dtype=torch.float16))  # every score is 64 · 40² = 102,400 before scaling
    assert read.isfinite().all()


def test_equal_keys_are_averaged() -> None:
    attention = Attention(4, heads=2, context_channels=6)
    with torch.no_grad():
        attention.to_k.weight.zero_()
        context = torch.randn(1, 5, 6)
        read = attention(torch.randn(1, 3, 4), context)
        average = attention.to_out[0](attention.to_v(context).mean(dim=1, keepdim=True))
    torch.testing.assert_close(read, average.expand_as(read))


def test_masked_tokens_are_not_read() -> None:
    block = Transformer2DModel(8, heads=2, layers=1, context_channels=6, groups=2)
    x, context = torch.randn(1, 8, 2, 3), torch.randn(1, 4, 6)
    mask = torch.tensor([True, True, False, False])[None, None, None]
    with torch.no_grad():
        torch.testing.assert_close(block(x, context, mask), block(x, context[:, :2]))


def test_the_order_of_the_tokens_read_does_not_matter() -> None:
    attention = Attention(8, heads=2, context_channels=6)
    x, context = torch.randn(1, 3, 8), torch.randn(1, 5, 6)
    with torch.no_grad():
        torch.testing.assert_close(attention(x, context.flip(1)), attention(x, context))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_pixels_become_tokens_and_back_without_a_copy(layout: torch.memory_format) -> None:
    x = torch.randn(2, 3, 4, 5).contiguous(memory_format=layout)
    tokens = to_tokens(x)
    assert torch.equal(tokens[1, 7], x[1, :, 1, 2])
    assert torch.equal(to_pixels(tokens, x), x)
    assert tokens.data_ptr() == to_pixels(tokens, x).data_ptr() == x.data_ptr()


def test_only_the_attention_names_of_2022_are_renamed() -> None:
    old = ["mid.attentions.0.query.weight", "a.proj_attn.bias", "text.query_norm.weight", "value"]
    new = ["mid.attentions.0.to_q.weight", "a.to_out.0.bias", "text.query_norm.weight", "value"]
    assert list(current_names({name: torch.zeros(1) for name in old})) == new
