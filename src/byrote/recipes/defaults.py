"""A recipe for each kind of data, for whoever brings data and no training of their own."""

from __future__ import annotations

from byrote.data.dataset import Dataset
from byrote.data.vocabulary import TextDisplay
from byrote.recipes.networks.bag_of_embeddings import BagOfEmbeddings
from byrote.recipes.networks.mlp import MLP
from byrote.recipes.networks.small_cnn import SmallCNN
from byrote.recipes.optimizers import SGD, AdamW
from byrote.recipes.recipe import Recipe

#: Data of more examples are trained on for fewer epochs, in larger batches.
LARGE = 10_000
SMALL_BATCH, LARGE_BATCH = 32, 128
#: A model on half of the data takes at least so many steps, for few examples in more epochs.
LEAST_STEPS = 600
MOST_EPOCHS = 500


def recipe_for(dataset: Dataset) -> Recipe:
    """A network that fits nearly all of a small dataset: an MLP for rows, a small CNN for images, embeddings for texts.

    It is there to be replaced: memorization belongs to a recipe, and this one is not yours.
    """
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
