"""Another course of the learning rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from byrote.changes.change import Context
from byrote.changes.recipe.inner import changed
from byrote.recipes.schedules import Constant, Cosine, Linear, Triangle

Course = Literal["constant", "linear", "cosine", "triangle"]
_SCHEDULES = {"constant": Constant(), "linear": Linear(), "cosine": Cosine(), "triangle": Triangle()}


@dataclass(frozen=True)
class LearningRateSchedule:
    """Let the learning rate stay, or fall to zero: in a straight line, by a cosine, or after it rose to its peak."""

    course: Course = "cosine"
    stage: ClassVar[str] = "recipe"
    name: ClassVar[str] = "schedule"
    of_text: ClassVar[bool] = True

    def apply(self, stage: Any, context: Context) -> Any:
        """The recipe with this schedule."""
        return changed(stage, lambda recipe: {"schedule": _SCHEDULES[self.course]})
