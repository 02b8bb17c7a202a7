"""What is read off the logits of an example, always by the same names."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Signals(NamedTuple):
    """See `byrote.evidence.schema` for what each means."""

    log_odds: Tensor
    logit_margin: Tensor
    entropy: Tensor
    top_confidence: Tensor


def signals(logits: Tensor, targets: Tensor) -> Signals:
    """`logits[..., class]` and `targets[...]`, computed in float32 and never through saturated probabilities."""
    logits = logits.float()
    label = targets.unsqueeze(-1)
    own = logits.gather(-1, label).squeeze(-1)
    others = logits.scatter(-1, label, -torch.inf)
    log_p = logits.log_softmax(-1)
    return Signals(
        log_odds=own - others.logsumexp(-1),
        logit_margin=own - others.amax(-1),
        entropy=-(log_p.exp() * log_p).sum(-1),
        top_confidence=log_p.amax(-1).exp(),
    )
