"""How much an error counts at each noise level: weights of the squared error of x₀, as functions of the SNR α²/σ².

    min-SNR   min(SNR, γ)               Hang et al. 2023, arXiv 2303.09556, section 3.4
    P2        SNR / (1 + SNR)^γ         Choi et al. 2022, arXiv 2204.00227, equation 8
    EDM       SNR + 1 / σ_data²         Karras et al. 2022, arXiv 2206.00364, table 1: (σ² + σ_data²) / (σ σ_data)²

The squared error of a prediction is that of x₀ divided by a factor, so that one weight serves all predictions:

    epsilon            sample     v_prediction        flow_prediction      edm
    1 / SNR            1          1 / (SNR + 1)       1 / (√SNR + 1)²      1 / (SNR + 1 / σ_data²)
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from nodeflow.errors import NodeflowError
from nodeflow.training import Objective

USUAL_GAMMA = {"min_snr": 5.0, "p2": 1.0}

_WEIGHTS: dict[str, Callable[[Tensor, Objective], Tensor]] = {
    "min_snr": lambda snr, o: snr.clamp(max=o.gamma or USUAL_GAMMA["min_snr"]),
    "p2": lambda snr, o: snr / (1 + snr) ** (o.gamma or USUAL_GAMMA["p2"]),
    "edm": lambda snr, o: snr + o.sigma_data**-2,
}
_SHARES: dict[str, Callable[[Tensor, Objective], Tensor]] = {
    "epsilon": lambda snr, o: snr,
    "sample": lambda snr, o: torch.ones_like(snr),
    "v_prediction": lambda snr, o: snr + 1,
    "flow_prediction": lambda snr, o: (snr.sqrt() + 1) ** 2,
    "edm": lambda snr, o: snr + o.sigma_data**-2,
}


def weight(snr: Tensor, objective: Objective) -> Tensor:
    """The weight of the prediction's own squared error, [B]; 1 at every level where the weighting is constant.

    Args:
        snr: α²/σ², [B].
        objective: The weighting and the prediction.

    Raises:
        NodeflowError: NF410, there is no such weighting.
    """
    if objective.weighting == "constant":
        return torch.ones_like(snr)
    if objective.weighting not in _WEIGHTS:
        known = ", ".join(["constant", *_WEIGHTS])
        raise NodeflowError("NF410", f"there is no weighting {objective.weighting!r}", fix=f"choose one of {known}")
    return _WEIGHTS[objective.weighting](snr, objective) / _SHARES[objective.prediction](snr, objective)
