"""Laws of the text encoder that need no reference."""

from __future__ import annotations

import pytest
import torch

from nodeflow.diffusion.models import model_class
from nodeflow.errors import NodeflowError

CONFIG = {
    "vocab_size": 99,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
CONFIG |= {"max_position_embeddings": 12, "eos_token_id": 98}


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return model_class("CLIPTextModel").from_config(CONFIG).eval().requires_grad_(False)


def test_a_token_reads_only_those_before_it(net):
    ids = torch.randint(0, 98, (1, 12))
    later = ids.clone()
    later[:, 7:] = (later[:, 7:] + 1) % 98
    first, second = net(ids).last_hidden_state, net(later).last_hidden_state
    assert torch.equal(first[:, :7], second[:, :7]) and not torch.equal(first[:, 7:], second[:, 7:])


def test_masked_tokens_are_not_read(net):
    ids, mask = torch.randint(0, 98, (1, 12)), torch.ones(1, 12)
    other = ids.clone()
    mask[:, 3], other[:, 3] = 0, 97 - ids[:, 3]
    kept = [0, 1, 2, *range(4, 12)]
    first, second = net(ids, mask).last_hidden_state, net(other, mask).last_hidden_state
    assert torch.allclose(first[:, kept], second[:, kept], atol=1e-6)


def test_the_pooled_state_is_the_end_tokens(net):
    ids = torch.randint(0, 98, (3, 12))
    ids[0, 5], ids[1, 11], ids[2, 2] = 98, 98, 98
    said = net(ids)
    assert torch.equal(said.pooler_output, said.last_hidden_state[torch.arange(3), [5, 11, 2]])


def test_hidden_states_begin_before_and_end_after_all_layers(net):
    said = net(torch.randint(0, 98, (2, 4)))
    assert len(said.hidden_states) == 3
    assert torch.equal(net.final_layer_norm(said.hidden_states[-1]), said.last_hidden_state)
    assert said.text_embeds is None


def test_names_may_come_with_or_without_their_root(net):
    state = net.state_dict()
    flat = {name.removeprefix("text_model."): tensor for name, tensor in state.items()}
    other = model_class("CLIPTextModel").from_config(CONFIG)
    assert other.load(flat | {"embeddings.position_ids": torch.arange(12)}).state_dict().keys() == state.keys()
    with pytest.raises(NodeflowError, match="NF407"):
        other.load(flat | {"more": torch.zeros(1)})


def test_what_cannot_be_built_or_read_is_refused(net):
    for change in ({"num_attention_heads": 3}, {"hidden_act": "relu"}, {"num_hidden_layers": 0}):
        with pytest.raises(NodeflowError, match="NF406"):
            model_class("CLIPTextModel").from_config(CONFIG | change)
    with pytest.raises(NodeflowError, match="NF414"):
        net(torch.zeros(1, 13, dtype=torch.long))
