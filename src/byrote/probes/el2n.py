"""How far the probabilities are from the label, at every checkpoint."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from byrote.evidence.kinds.gradients import EL2N
from byrote.probes.contract import CheckpointProbe
from byrote.probes.moment import Moment
from byrote.probes.registry import probe


@probe
class El2nProbe(CheckpointProbe):
    """The Euclidean norm of the probabilities less the label, which costs nothing beside a clean pass.

    Formula:
        error[k, c, i] = ||softmax(z) - e_y||, at most sqrt 2
    Source: Paul et al. 2021, arXiv:2107.07075, definition 2.2.
    """

    name: ClassVar[str] = "el2n"
    kinds = (EL2N,)

    def read(self, at: Moment) -> dict[str, Tensor]:
        """`error[model, example]`."""
        logits = at.logits.float()
        return {"error": (logits.softmax(-1) - F.one_hot(at.targets, logits.shape[-1])).norm(dim=-1)}
