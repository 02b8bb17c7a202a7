"""A recipe for each kind of data, for whoever brings data and no training of their own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Final

from byrote.data.dataset import Dataset
from byrote.data.task import Task, refuse_other_tasks
from byrote.data.vocabulary import TextDisplay
from byrote.recipes.networks.bag_of_embeddings import BagOfEmbeddings
from byrote.recipes.networks.mlp import MLP
from byrote.recipes.networks.small_cnn import SmallCNN
from byrote.recipes.objectives.binary_cross_entropy import BinaryCrossEntropy
from byrote.recipes.objectives.cross_entropy import CrossEntropy
from byrote.recipes.objectives.squared_error import SquaredError
from byrote.recipes.optimizers import SGD, AdamW
from byrote.recipes.recipe import Recipe
from byrote.recipes.slots import Objective

#: Data of more examples are trained on for fewer epochs, in larger batches.
LARGE = 10_000
SMALL_BATCH, LARGE_BATCH = 32, 128
#: A model on half of the data takes at least so many steps, for few examples in more epochs.
LEAST_STEPS = 600
MOST_EPOCHS = 500


#: The loss of each task, from the weights that balance it.
_USUAL: Final[dict[Task, Callable[[tuple[float, ...] | None], Objective]]] = {
    "classes": lambda weights: CrossEntropy(class_weights=weights),
    "labels": lambda weights: BinaryCrossEntropy(positive_weights=weights),
    "regression": lambda weights: SquaredError(),
}


def recipe_for(dataset: Dataset, *, balanced: bool = False, epochs: int | None = None) -> Recipe:
    """A network that fits nearly all of a small dataset: an MLP for rows, a small CNN for images, embeddings for texts.

    It is there to be replaced: memorization belongs to a recipe, and this one is not yours. `balanced` weighs classes,
    or labels, that few examples have as much as the others; `epochs` are as many as the data suggest unless given.

    Example:
        >>> import byrote
        >>> recipe_for(byrote.digits()[0]).network
        SmallCNN(width=16, dropout=0.0, tied_dropout=())
    """
    usual = _recipe_for(dataset)
    return dataclasses.replace(
        usual,
        objective=objective_for(dataset, balanced=balanced),
        epochs=usual.epochs if epochs is None else epochs,
    )


def objective_for(dataset: Dataset, *, balanced: bool = False) -> Objective:
    """The usual loss of classes, of labels, or of a number.

    Raises:
        BadInput: a number cannot be balanced.
    """
    return _USUAL[dataset.task](balanced_weights(dataset) if balanced else None)


def balanced_weights(dataset: Dataset) -> tuple[float, ...]:
    """Weights that make every class weigh alike, for `CrossEntropy`; of labels, what makes "has" weigh as "has not".

    A class without an example weighs 1.

    Formula:
        n / (k n_c) for the n_c of n examples in one of the k classes that there are; of a label (n - n_l) / n_l
    Example:
        >>> from byrote.data.arrays import from_arrays
        >>> balanced_weights(from_arrays([[0.0]] * 4, ["a", "a", "a", "b"]))
        (0.6666666666666666, 2.0)
    """
    if dataset.scale.numeric:
        refuse_other_tasks(dataset.task, dataset.name, "A balanced objective")
    return dataset.scale.weights(dataset.targets, dataset.class_names)


def _recipe_for(dataset: Dataset) -> Recipe:
    large = len(dataset) > LARGE
    batch_size = LARGE_BATCH if large else SMALL_BATCH
    if isinstance(dataset.display, TextDisplay):
        return Recipe(
            network=BagOfEmbeddings(words=dataset.display.vocabulary.size),
            epochs=_epochs(dataset, 10 if large else 30),
            batch_size=batch_size,
            optimizer=AdamW(lr=0.01),
        )
    sgd = SGD(lr=0.05, momentum=0.9)
    if dataset.display.kind == "image" and dataset.inputs.ndim == 4:
        return Recipe(
            network=SmallCNN(), epochs=_epochs(dataset, 15 if large else 40), batch_size=batch_size, optimizer=sgd
        )
    return Recipe(
        network=MLP(hidden=(256, 256)),
        epochs=_epochs(dataset, 30 if large else 100),
        batch_size=batch_size,
        optimizer=sgd,
    )


def _epochs(dataset: Dataset, usual: int) -> int:
    steps = -(-len(dataset) // (2 * SMALL_BATCH))
    return max(usual, min(MOST_EPOCHS, -(-LEAST_STEPS // steps)))
