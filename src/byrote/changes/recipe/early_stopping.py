"""Early stopping."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool

from byrote.changes.change import Context
from byrote.changes.recipe.inner import changed
from byrote.errors import BadInput
from byrote.recipes.recipe import Recipe
from byrote.recipes.schedules import Stopped
from byrote.runs.run import Run


@dataclass(frozen=True)
class EarlyStopping:
    """Stop after so many epochs of the recipe, or at the checkpoint that is best for examples a model never saw.

    Until there each model goes the way that it went before: the learning rate is that of the whole training. For
    `epochs` of 0 the run before the change chooses: the first of its checkpoints at which its models are most often
    right about the training examples that they were not trained on. Held-out data then judge a stop that they did not
    choose.

    Formula:
        epochs = argmax over checkpoints of the mean over models of the accuracy on non-members

    Source: Prechelt 1998 ("Early stopping, but when?"), with one stop for all models of an ensemble.
    Differs:
        He stops each training by a validation set of its own; byrote trains the whole way once, and looks back.
    """

    epochs: int = 0
    usual: ClassVar[int] = 5
    stage: ClassVar[str] = "recipe"
    name: ClassVar[str] = "early-stopping"

    def apply(self, stage: Any, context: Context) -> Any:
        """The recipe that stops.

        Raises:
            BadInput: it does not train for longer; or nothing chooses, or the end is best.
        """
        epochs = self.epochs or chosen(context.parent)

        def slots(recipe: Recipe) -> dict[str, Any]:
            if not 0 < epochs < recipe.epochs:
                raise BadInput(
                    f"The recipe trains for {recipe.epochs} epochs, and was to stop after {epochs}.",
                    hint=f"early-stopping={max(1, recipe.epochs // 2)} stops halfway.",
                )
            return {"epochs": epochs, "schedule": Stopped(recipe.schedule, epochs / recipe.epochs)}

        return changed(stage, slots)


def chosen(run: Run | None) -> int:
    """After how many epochs the models of a run are best on what they were not trained on.

    Raises:
        BadInput: there is nothing to choose by, or the end is best.
    """
    models = np.empty(0, np.int64) if run is None else run.models("reference")
    if run is None or not len(models) or not (run.load("design.member", models) == 0).any():
        raise BadInput(
            "No run before the change has models that could choose when to stop, by examples that they never saw.",
            hint="early-stopping=5 stops after 5 epochs.",
        )
    correct, outside = run.load("trajectory.correct", models), run.load("design.member", models) == 0
    return int(run.load("trajectory.epochs", models)[best_checkpoint(np.asarray(correct, bool), outside)])


def best_checkpoint(
    right: Bool[np.ndarray, "model checkpoint example"], outside: Bool[np.ndarray, "model example"]
) -> int:
    """The first of the best checkpoints after the start, by the mean over models of the accuracy on `outside`.

    Example:
        >>> right = np.array([[[False, False], [True, True], [True, False]]])
        >>> best_checkpoint(right, np.array([[True, True]]))
        1

    Raises:
        BadInput: it is the last one.
    """
    by_model = [one[:, mine].mean(1) for one, mine in zip(right, outside, strict=True) if mine.any()]
    accuracy = np.mean(by_model, 0)
    best = int(accuracy[1:].argmax()) + 1 if len(accuracy) > 1 else 0
    if best == len(accuracy) - 1:
        raise BadInput(
            f"The models are best at the end on what they were not trained on ({accuracy[best]:.1%} right): "
            "an earlier stop gains nothing.",
            hint="early-stopping=5 stops after 5 epochs all the same.",
        )
    return best
