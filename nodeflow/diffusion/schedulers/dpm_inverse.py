"""DPM-Solver++ backwards: from a picture to the noise it came from, along the same equation. arXiv 2211.01095."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from .config import SPACED, THRESHOLDING, TRAINING, WARPED, refuse
from .dpm import DPM, MENUS, DPMScheduler
from .request import Request
from .schedule import Nodes


class DPMSolverMultistepInverseScheduler(DPMScheduler):
    """Inversion: the levels of a run the other way round, from almost clean to noise; the steps are those of `DPM`.

    It differs from the published class where that one goes astray: levels that fall on the same timestep are told
    as they are (there, those after it are told a wrong one), and a flow runs towards noise (there, towards data).
    """

    defaults: ClassVar[Mapping[str, Any]] = {
        **TRAINING,
        **THRESHOLDING,
        "solver_order": 2,
        "algorithm_type": "dpmsolver++",
        "solver_type": "midpoint",
        "lower_order_final": True,
        "euler_at_final": False,
        **WARPED,
        "use_flow_sigmas": False,
        "flow_shift": 1.0,
        "lambda_min_clipped": -math.inf,
        "variance_type": None,
        **SPACED,
    }
    menus: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        **DPMScheduler.menus,
        "algorithm_type": tuple(one for one in MENUS["algorithm_type"] if not one.startswith("sde")),
    }
    solver_class = DPM

    def nodes(self, request: Request) -> Nodes:
        if request.timesteps is not None or request.sigmas is not None:
            refuse("an inversion lays its own levels", where=type(self).__name__, fix="give the number of steps")
        if self.warp or self.config.use_flow_sigmas:
            t, k = (self.flow_levels if self.config.use_flow_sigmas else self.table_levels)(request)
            t, k = t[::-1], np.append(k[::-1], k[0])
        else:
            points = request.n + (self.config.timestep_spacing != "trailing")
            t = self.spaced(points, self.last)[::-1][: request.n].round()
            k = np.interp([*t, self.last - 1], np.arange(self.vp.steps), self.vp.ks)
        return self.joined(t.astype(np.int64), k.astype(np.float32))
