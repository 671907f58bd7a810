"""New tensors in the place of a network's parameters."""

from __future__ import annotations

from torch import Tensor, nn


class Exchange:
    """Puts tensors where a network has parameters; what layers share they go on sharing.

    The old tensors are not written to: another network may hold them too.

    Args:
        net: The network.
    """

    def __init__(self, net: nn.Module) -> None:
        self._places: dict[int, list[tuple[nn.Module, str]]] = {}
        for module in net.modules():
            for leaf, parameter in module._parameters.items():
                if parameter is not None:
                    self._places.setdefault(id(parameter), []).append((module, leaf))

    def put(self, old: Tensor, new: Tensor) -> None:
        """A tensor in the place of a parameter, in its number format."""
        fresh = nn.Parameter(new.to(old.dtype), requires_grad=False)
        places = self._places.pop(id(old))
        for module, leaf in places:
            setattr(module, leaf, fresh)
        self._places[id(fresh)] = places
