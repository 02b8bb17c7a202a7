"""How each example's gradient lies to that of the others of its class, at checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from byrote.evidence.kinds.gradients import CLASS_COSINE
from byrote.probes.by_example import any_loss, refuse_unfit
from byrote.probes.contract import Block, CheckpointProbe
from byrote.probes.moment import Models, Moment, losses
from byrote.probes.registry import probe
from byrote.probes.sampled import SampledProbe
from byrote.probes.sums import along, gradient_sums
from byrote.recipes.algorithm import Algorithm

_LOSS = partial(losses, task="classes")


@probe
@dataclass
class ClassCosineProbe(SampledProbe, CheckpointProbe):
    """The cosine between an example's gradient and the sum of those of the other members of its given class.

    No gradient of an example is formed: the products come from one pass with tangents a class, the norms from ghost
    norms.

    Formula:
        cosine[k, c, i] = g_i . (S - g_i) / (|g_i| |S - g_i|), S the sum over members of model k with the given label
        of i, which of an example that is no member has not g_i in it
    Undefined:
        nan where g_i is 0, or no other member has the label.
    """

    name: ClassVar[str] = "class_cosine"
    kinds = (CLASS_COSINE,)
    passes = 4.0

    def check(self, algorithm: Algorithm, network: nn.Module, inputs: Tensor, targets: Tensor) -> None:
        """Refuse a network whose gradients cannot be taken by example, or with tangents."""
        models = Models(lambda: [network.eval()], stacked=False)

        def take() -> None:
            (direction,) = gradient_sums(models, inputs, targets, torch.ones(1, 1, len(inputs)), any_loss)
            along(models, inputs, targets, direction, any_loss)

        refuse_unfit(self.name, network.eval(), inputs, take)

    def begin(self, block: Block) -> None:
        """Nothing is known of a checkpoint yet."""
        super().begin(block)
        self.now = torch.empty(0)

    def read(self, at: Moment) -> dict[str, Tensor]:
        """`cosine[model, example]`; that of all examples is found with the first of them."""
        if at.first:
            self.now = cosines(at.before(self.block.inputs, self.block.targets), self.block)
        return {"cosine": self.now[:, at.rows]}


def cosines(whole: Moment, block: Block) -> Tensor:
    """`[model, example]` of all examples of a block."""
    norms = whole.gradients("norm")
    found = torch.full_like(norms, torch.nan)
    for label in range(block.classes):
        rows = torch.nonzero(block.targets == label)[:, 0]
        member = block.member[:, rows] == 1
        if not len(rows):
            continue
        inputs, targets = block.inputs[rows], block.targets[rows]
        norm = norms[:, rows]
        # the longest gradient may be most of the sum, so that the rest of it is summed by itself
        longest = F.one_hot(torch.where(member, norm, -1.0).argmax(1), len(rows)).bool() & member
        counted = torch.stack([member & ~longest, longest], 1).float()
        rest_of_longest, own_longest = gradient_sums(whole.models, inputs, targets, counted, _LOSS).unbind(1)
        total = rest_of_longest + own_longest
        product = along(whole.models, inputs, targets, total, _LOSS)
        own = member * norm.square()
        rest = (total.square().sum(1, keepdim=True) - member * 2 * product + own).clamp_min(0.0).sqrt()
        others = member.sum(1, keepdim=True) - member.long() > 0
        cosine = ((product - own) / (norm * rest)).clamp(-1.0, 1.0)
        exact = F.cosine_similarity(own_longest, rest_of_longest, dim=1, eps=0.0)
        cosine = torch.where(longest, exact[:, None], cosine)
        found[:, rows] = torch.where(others & (norm > 0) & (rest > 0), cosine, torch.nan)
    return found
