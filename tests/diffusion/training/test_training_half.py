"""Laws of linear layers in bfloat16: the same names and weights, nearly the same sums, gradients in full precision."""

from __future__ import annotations

import torch
from torch import nn

from nodeflow.diffusion.training.half import HalfLinear, halve_linears


def test_halved_layers_keep_their_weights_and_stay_close() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 16), nn.SiLU(), nn.Linear(16, 4, bias=False))
    x = torch.randn(5, 8)
    before, state = net(x), {name: tensor.clone() for name, tensor in net.state_dict().items()}
    halve_linears(net)
    after = net(x)
    assert [type(layer) for layer in net] == [HalfLinear, nn.SiLU, HalfLinear]
    assert after.dtype == torch.float32
    assert 0 < (after - before).abs().max() < 0.03
    assert net.state_dict().keys() == state.keys()
    assert all(torch.equal(tensor, state[name]) for name, tensor in net.state_dict().items())
    after.sum().backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in net.parameters())
