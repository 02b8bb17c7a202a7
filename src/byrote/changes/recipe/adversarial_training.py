"""Adversarial training: on attacked inputs (PGD-AT), or with a penalty on how far an attack moves answers (TRADES)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from byrote.changes.change import Context
from byrote.changes.recipe.inner import changed
from byrote.errors import BadInput
from byrote.recipes.input_perturbations import ProjectedGradient
from byrote.recipes.objectives.cross_entropy import CrossEntropy
from byrote.recipes.objectives.trades import Trades
from byrote.recipes.recipe import Recipe


@dataclass(frozen=True)
class AdversarialTraining:
    """Train on inputs that an attack within `radius` changed: PGD adversarial training.

    The attack has `steps` sign steps from a random start, in evaluation mode and in the range of the data. `radius` is
    in the unit of the inputs as the network sees them. A step costs about `steps` + 1 times as much.

    Source: Madry et al. 2018, arXiv:1706.06083.
    """

    radius: float = 0.1
    steps: int = 5
    stage: ClassVar[str] = "recipe"
    name: ClassVar[str] = "pgd"

    def __post_init__(self) -> None:
        ProjectedGradient(radius=self.radius, steps=self.steps)  # it refuses what cannot be

    def apply(self, stage: Any, context: Context) -> Any:
        """The recipe with this attack on its inputs."""
        attack = ProjectedGradient(radius=self.radius, steps=self.steps)
        return changed(stage, lambda recipe: {"input_perturbation": attack})


@dataclass(frozen=True)
class TradesTraining:
    """Train with TRADES in place of cross-entropy: `beta` times how far an attack within `radius` moves the answers.

    Source: Zhang et al. 2019, arXiv:1901.08573, eq. 5.
    """

    radius: float = 0.1
    beta: float = 6.0
    steps: int = 5
    stage: ClassVar[str] = "recipe"
    name: ClassVar[str] = "trades"

    def __post_init__(self) -> None:
        self._objective()  # it refuses what cannot be

    def _objective(self) -> Trades:
        return Trades(beta=self.beta, radius=self.radius, steps=self.steps)

    def apply(self, stage: Any, context: Context) -> Any:
        """The recipe with this objective.

        Raises:
            BadInput: its objective is not plain cross-entropy, or it attacks inputs already.
        """
        return changed(stage, self._slots)

    def _slots(self, recipe: Recipe) -> dict[str, Any]:
        if recipe.objective != CrossEntropy() or recipe.input_perturbation is not None:
            raise BadInput(
                f"TRADES takes the place of plain cross-entropy on inputs as they are. The recipe has "
                f"{recipe.objective!r} and input_perturbation={recipe.input_perturbation!r}.",
                hint="change a run whose recipe has objective=byrote.CrossEntropy() and no input_perturbation.",
            )
        return {"objective": self._objective()}
