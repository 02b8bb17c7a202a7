"""DP-SGD in place of the recipe's own steps, with the noise that an epsilon takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from byrote.changes.change import Context
from byrote.errors import BadInput
from byrote.recipes.guarantee import delta_of, multiplier_of
from byrote.recipes.private import Arm, Poisson, Private
from byrote.recipes.recipe import Recipe


@dataclass(frozen=True)
class DpSgd:
    """Clip each example's gradient and add noise, so that each model is differentially private with this epsilon.

    `rate` is the share of a model's examples that a batch is expected to have; that of the recipe's batches unless
    given. `delta` is a tenth of one divided by the number of examples unless given. `lr` is another learning rate, as
    clipped gradients are shorter; to tune it on the data that are audited costs privacy that is not counted. The arms
    "clip" and "noise" do one of the two alone, at the same noise, and guarantee nothing.
    """

    epsilon: float
    delta: float | None = None
    clip: float = 1.0
    rate: float | None = None
    lr: float | None = None
    arm: Arm = "both"
    stage: ClassVar[str] = "recipe"
    name: ClassVar[str] = "dp-sgd"
    usual: ClassVar[float] = 8.0
    aimed: ClassVar[bool] = False

    def apply(self, stage: Any, context: Context) -> Any:
        """The recipe with private steps.

        Raises:
            BadInput: it is private already, or of a kind that cannot be; the epsilon is too small; opacus is missing.
        """
        if isinstance(stage, Private):
            raise BadInput(
                "The recipe is private already, and its noise cannot be changed.",
                hint="change the run before it.",
            )
        members = members_of(context)
        rate = self.rate if self.rate is not None else min(1.0, getattr(stage, "batch_size", 1) / members)
        made = Private(
            _faster(stage, self.lr), clip=self.clip, rate=rate, members=members, arm=self.arm, delta=self.delta
        )
        steps = made.epochs * Poisson(rate=rate).steps
        return replace(made, noise=multiplier_of(self.epsilon, rate, steps, delta_of(made, len(context.dataset))))


def members_of(context: Context) -> int:
    """How many examples a model is trained on by the design, if all have equally many; else how many there are."""
    examples = len(context.dataset)
    if context.parent is None:
        return examples
    design = context.parent.design
    shown = np.unique(design.phases[0].count[design.models_of("reference")].sum(1, dtype=np.int64))
    return max(1, round(examples * int(shown[0]) / design.examples)) if len(shown) == 1 else examples


def _faster(recipe: Any, lr: float | None) -> Any:
    if lr is None or not isinstance(recipe, Recipe):
        return recipe
    optimizer: Any = recipe.optimizer
    return replace(recipe, optimizer=replace(optimizer, lr=lr))
