"""Reaching the slots of a recipe, also through an algorithm that wraps one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from byrote.errors import BadInput
from byrote.recipes.recipe import Recipe


def changed(stage: Any, slots: Callable[[Recipe], dict[str, Any]]) -> Any:
    """The recipe, or the wrapper of one, with other slots.

    Raises:
        BadInput: it is neither.
    """
    if isinstance(stage, Recipe):
        return replace(stage, **slots(stage))
    if isinstance(getattr(stage, "recipe", None), Recipe):
        return replace(stage, recipe=replace(stage.recipe, **slots(stage.recipe)))
    raise BadInput(
        f"A change of the recipe needs a byrote Recipe. Got {type(stage).__name__}.",
        hint="change your own training algorithm in your experiment's file, and audit it again.",
    )
