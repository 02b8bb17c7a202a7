"""What part wrong labels have in the gradient of a training, and whether their gradients agree, at checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from byrote.evidence.kinds.gradients import GRADIENT_SHARES
from byrote.probes.by_example import any_loss, refuse_unfit
from byrote.probes.contract import Block, Shard, When
from byrote.probes.moment import Models, Moment, losses
from byrote.probes.registry import probe
from byrote.probes.sampled import SampledProbe
from byrote.probes.sums import gradient_sums
from byrote.recipes.algorithm import Algorithm

_LOSS = partial(losses, task="classes")
#: A sum of gradients below this is none.
NONE = 1e-12
#: The stream of the random groups.
SALT = 8


@probe
@dataclass
class GradientSharesProbe(SampledProbe):
    """Members with a planted wrong label (A) beside the others (B): share, cosine and coherence of their gradients.

    The null of the share is that of as many members drawn at random.

    Formula:
        with G = g_A + g_B, sums over the n members: share = (g_A . G) / |G|^2 / (|A| / n), a projection, which may be
        below 0 and above n / |A|; norm_share = |g_A| / (|g_A| + |g_B|); cosine = cos(g_A, g_B);
        coherence = |g_A| / sum_i |g_i|, 1 where all agree and about 1 / sqrt |A| where they lie at random;
        alike = mean over pairs of cos(g_i, g_j) = (|sum_i g_i / |g_i||^2 - m) / (m (m - 1)), of pairs of one class
    Undefined:
        nan where nobody has a wrong label, or |G| < 1e-12.
    Source: Gu & Tresp 2019; Stephenson et al. 2021.
    """

    name: ClassVar[str] = "gradient_shares"
    when: ClassVar[frozenset[When]] = frozenset({"checkpoint"})
    kinds = (GRADIENT_SHARES,)
    passes = 6.0

    def check(self, algorithm: Algorithm, network: nn.Module, inputs: Tensor, targets: Tensor) -> None:
        """Refuse a network whose gradients cannot be taken by example."""
        models, counted = Models(lambda: [network.eval()], stacked=False), torch.ones(1, 1, len(inputs))
        take = partial(gradient_sums, models, inputs, targets, counted, any_loss)
        refuse_unfit(self.name, network.eval(), inputs, take)

    def begin(self, block: Block) -> None:
        """Nothing is found yet."""
        super().begin(block)
        self.places = self.chosen(len(block.epochs))
        size = (len(block.models), len(self.places))
        self.found = {
            name: np.full(size, np.nan, np.float32) for name in GRADIENT_SHARES.quantities if name != "epochs"
        }

    def look(self, at: Moment) -> None:
        """All members at once, with the first examples of a checkpoint."""
        if not at.first or at.checkpoint not in self.places or self.block.truth is None:
            return
        member = self.block.member == 1
        wrong = member & (self.block.truth != self.block.targets)
        drawn = torch.stack([_as_many(*of) for of in zip(member, wrong, self.block.seeds, strict=True)])
        whole = at.before(self.block.inputs, self.block.targets)
        for name, values in figures(whole, self.block, wrong, member & ~wrong, drawn).items():
            self.found[name][:, self.places.index(at.checkpoint)] = values.float().cpu().numpy()

    def shards(self) -> Iterator[Shard]:
        """One per model."""
        epochs = np.array([self.block.epochs[place] for place in self.places], np.int64)
        for row, model in enumerate(self.block.models):
            columns = {name: array[row] for name, array in self.found.items()}
            yield Shard(kind=GRADIENT_SHARES, model=model, columns={**columns, "epochs": epochs})


def _as_many(member: Tensor, wrong: Tensor, seed: int) -> Tensor:
    """As many members as have a wrong label, drawn at random; the same at every checkpoint."""
    rows = torch.nonzero(member)[:, 0].cpu().numpy()
    chosen = np.random.default_rng([seed, SALT]).choice(rows, int(wrong.sum()), replace=False)
    found = torch.zeros_like(member)
    found[torch.from_numpy(chosen)] = True
    return found


def figures(whole: Moment, block: Block, group: Tensor, others: Tensor, drawn: Tensor) -> dict[str, Tensor]:
    """`[model]` by name, of groups `[model, example]`; class by class, as pairs of a class are asked."""
    norms = whole.gradients("norm")
    unit = torch.where(norms > 0, 1 / norms, 0.0)
    counted = torch.stack([group, others, drawn, group * unit, others * unit], 1).float()
    total = torch.zeros(())
    within, pairs = torch.zeros(2, len(norms)), torch.zeros(2, len(norms))
    many = torch.stack([group & (norms > 0), others & (norms > 0)])
    for label in range(block.classes):
        rows = torch.nonzero(block.targets == label)[:, 0]
        if not len(rows):
            continue
        sums = gradient_sums(whole.models, block.inputs[rows], block.targets[rows], counted[:, :, rows], _LOSS)
        total = total + sums
        count = many[:, :, rows].sum(2)
        within = within + sums[:, 3:].square().sum(2).T - count
        pairs = pairs + count * (count - 1)
    a, b, r, *directions = total.unbind(1)
    both = a + b
    size = both.square().sum(1)
    part = group.sum(1) / (group.sum(1) + others.sum(1))
    alike, count = within / pairs, many.sum(2)
    any_class = [(d.square().sum(1) - n) / (n * (n - 1)) for d, n in zip(directions, count, strict=True)]
    found = {
        "share": (a * both).sum(1) / size / part,
        "share_random": (r * both).sum(1) / size / part,
        "norm_share": a.norm(dim=1) / (a.norm(dim=1) + b.norm(dim=1)),
        "cosine": (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1)),
        "coherence": a.norm(dim=1) / (group * norms).sum(1),
        "coherence_others": b.norm(dim=1) / (others * norms).sum(1),
        "alike": alike[0],
        "alike_others": alike[1],
        "alike_any": any_class[0],
        "alike_others_any": any_class[1],
    }
    known = group.any(1) & others.any(1) & (size.sqrt() > NONE)
    return {name: torch.where(known & values.isfinite(), values, torch.nan) for name, values in found.items()}
