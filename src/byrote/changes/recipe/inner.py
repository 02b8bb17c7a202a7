"""Reaching the slots of a recipe, also through an algorithm that wraps one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from byrote.errors import BadInput
from byrote.recipes.augmentations import InTurn
from byrote.recipes.objectives.cross_entropy import CrossEntropy
from byrote.recipes.recipe import Recipe
from byrote.recipes.slots import Augmentation, Mixing, Objective


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


def in_place_of_cross_entropy(stage: Any, name: str, objective: Objective) -> Any:
    """The recipe with this objective, which the change of that name brings.

    Raises:
        BadInput: its objective is not plain cross-entropy, so that something else would be lost.
    """

    def slots(recipe: Recipe) -> dict[str, Any]:
        if recipe.objective != CrossEntropy():
            raise BadInput(
                f"The change {name!r} takes the place of plain cross-entropy. The recipe has {recipe.objective!r}.",
                hint="change a run whose recipe has objective=byrote.CrossEntropy().",
            )
        return {"objective": objective}

    return changed(stage, slots)


def augmented_by(stage: Any, augmentation: Augmentation) -> Any:
    """The recipe with this augmentation, after the one that it has, if any."""

    def slots(recipe: Recipe) -> dict[str, Any]:
        first = recipe.augmentation
        return {"augmentation": augmentation if first is None else InTurn((first, augmentation))}

    return changed(stage, slots)


def mixed_by(stage: Any, mixing: Mixing) -> Any:
    """The recipe with these mixtures.

    Raises:
        BadInput: it has others.
    """

    def slots(recipe: Recipe) -> dict[str, Any]:
        if recipe.mixing is not None:
            raise BadInput(
                f"The recipe mixes examples already, by {recipe.mixing!r}.", hint="change the run before it."
            )
        return {"mixing": mixing}

    return changed(stage, slots)


def network_with(recipe: Recipe, setting: str, value: Any, *, lacks: str, instead: str) -> dict[str, Any]:
    """The slot of the recipe's network with a setting that it must have.

    Raises:
        BadInput: it has no such setting.
    """
    network: Any = recipe.network
    if setting not in getattr(network, "__dataclass_fields__", {}):
        raise BadInput(f"The network {type(network).__name__} has no {lacks}.", hint=instead)
    return {"network": replace(network, **{setting: value})}
